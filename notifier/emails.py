"""Content of the e-mails: subject, plain text and HTML, made from an event and its facts.

Pure. All kinds share one HTML template and one for plain text; the texts of each language are in `wording`. Text typed
by a customer or the venue is reduced to one line here and escaped by the template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import jinja2
import msgspec

from notifier import site_links as links
from notifier.facts import Recipient, ShowFacts
from notifier.wording import EmailWords, KindWords, email_words
from schemas.events import Booking
from schemas.layout import Money
from tickets import formats
from tickets.places import SeatPlace


class Email(msgspec.Struct, frozen=True):
    """The content of an e-mail, without addresses."""

    subject: str
    text: str
    html: str


class _Fact(msgspec.Struct, frozen=True):
    name: str
    lines: tuple[str, ...]
    note: str = ""


_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("notifier"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def confirmation(
    booking: Booking, show: ShowFacts, places: Mapping[str, SeatPlace], to: Recipient, public_url: str
) -> Email:
    """The e-mail that the tickets are attached to."""
    words = email_words(to.language)
    about = _about(show, words)
    return _render(
        words,
        words.booking_confirmed,
        about,
        to,
        facts=_booking_facts(booking, show, places, words),
        link=links.booking(public_url, booking.booking_id),
        public_url=public_url,
    )


def cancellation(
    booking: Booking, show: ShowFacts, places: Mapping[str, SeatPlace], to: Recipient, public_url: str
) -> Email:
    """The e-mail after a cancellation, with its own text when the whole show was cancelled."""
    words = email_words(to.language)
    return _render(
        words,
        words.show_cancelled if show.cancelled else words.booking_cancelled,
        _about(show, words),
        to,
        facts=_booking_facts(booking, show, places, words),
        link=links.home(public_url),
        public_url=public_url,
    )


def welcome(token: str | None, to: Recipient, public_url: str) -> Email:
    """The e-mail after signing up, with the link that confirms the address. Earlier releases sent no link."""
    words = email_words(to.language)
    facts = [_Fact(words.username, (formats.one_line(to.username),))]
    if token is None:
        return _render(words, words.welcome, {}, to, facts, links.home(public_url), public_url)
    link = links.email_confirmation(public_url, token)
    return _render(words, words.welcome_to_confirm, {}, to, facts, link, public_url)


def email_confirmation(token: str, to: Recipient, public_url: str) -> Email:
    """The e-mail to a new address, with the link that confirms it."""
    words = email_words(to.language)
    link = links.email_confirmation(public_url, token)
    return _render(words, words.email_confirmation, {}, to, [], link, public_url)


def email_undo(token: str, to: Recipient, public_url: str) -> Email:
    """The e-mail to the address that is being replaced, with the link that undoes it."""
    words = email_words(to.language)
    return _render(words, words.email_undo, {}, to, [], links.email_undo(public_url, token), public_url)


def password_reset(token: str, to: Recipient, public_url: str) -> Email:
    """The e-mail with the one-time link that sets a new password."""
    words = email_words(to.language)
    return _render(
        words, words.password_reset, {}, to, [], links.password_reset(public_url, token), public_url
    )


def _about(show: ShowFacts, words: EmailWords) -> dict[str, str]:
    return {
        "title": formats.one_line(show.title),
        "day": formats.short_day(show.starts_at, words.locale),
        "hour": formats.hour(show.starts_at, words.locale),
    }


def _booking_facts(
    booking: Booking, show: ShowFacts, places: Mapping[str, SeatPlace], words: EmailWords
) -> list[_Fact]:
    locale = words.locale
    day, hour = formats.day(show.starts_at, locale), formats.hour(show.starts_at, locale)
    return [
        _Fact(words.show, (formats.one_line(show.title),)),
        _Fact(words.when, (f"{day}, {hour}",), formats.zone(show.starts_at, locale)),
        _Fact(words.screen, (formats.one_line(show.screen),)),
        _Fact(words.seats, tuple(_seat_lines(booking.seats, places, words))),
        _Fact(words.total, (formats.money(Money(booking.total, booking.currency), locale),)),
        _Fact(words.booking, (str(booking.booking_id),)),
    ]


def _seat_lines(seats: Iterable[str], places: Mapping[str, SeatPlace], words: EmailWords) -> list[str]:
    """One line for the seats of each place: `C12, C13 (Stalls, row C)`."""
    of_place: dict[str, list[str]] = {}
    for seat in seats:
        of_place.setdefault(_place(places.get(seat), words), []).append(formats.one_line(seat))
    return [", ".join(labels) + (f" ({place})" if place else "") for place, labels in of_place.items()]


def _place(place: SeatPlace | None, words: EmailWords) -> str:
    if place is None:
        return ""
    section, row = formats.one_line(place.section), formats.one_line(place.row)
    if not row:
        return section
    return (words.place if section else words.place_row).format(section=section, row=row)


def _render(
    words: EmailWords,
    kind: KindWords,
    about: Mapping[str, str],
    to: Recipient,
    facts: list[_Fact],
    link: str,
    public_url: str,
) -> Email:
    name = formats.one_line(to.name)
    parts = {
        "language": words.locale[:2],
        "subject": kind.subject.format_map(about),
        "heading": kind.heading,
        "hello": words.hello.format(name=name) if name else words.hello_nobody,
        "lead": kind.lead,
        "facts": facts,
        "button": kind.button,
        "link": link,
        "closing": kind.closing,
        "footer": words.footer.format(site=public_url),
    }
    return Email(
        subject=kind.subject.format_map(about),
        text=_templates.get_template("email.txt").render(parts),
        html=_templates.get_template("email.html").render(parts),
    )

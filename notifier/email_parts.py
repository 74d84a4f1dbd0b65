"""The parts that every e-mail is made of, and the facts of a booking among them. Pure.

Texts typed by a customer or the venue are reduced to one line here and escaped by the template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from languages.words import LANGUAGES, ORIGINAL, Words, words
from notifier.facts import Recipient, ShowFacts
from schemas.events import Booking
from schemas.layout import Money
from tickets import formats
from tickets.places import SeatPlace

MAX_SEAT_LINES = 12
"""Lines of seats in an e-mail. A walk-in's or a group's hundred seats are in the tickets."""


class Fact(msgspec.Struct, frozen=True):
    """A line of a table: a name, its value, and the value of before where it changed."""

    name: str
    lines: tuple[str, ...]
    before: tuple[str, ...] = ()


class Card(msgspec.Struct, frozen=True):
    """The show that a section is about. Values of before are empty where they did not change."""

    title: str
    day: str
    clock: str
    screen: str
    day_before: str = ""
    clock_before: str = ""
    screen_before: str = ""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A message: an e-mail has one, a digest several."""

    lead: str
    heading: str = ""
    """Empty where it is that of the whole e-mail."""
    card: Card | None = None
    facts: tuple[Fact, ...] = ()
    button: str = ""
    link: str = ""
    closing: str = ""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """An e-mail before it is written as text and HTML."""

    words: Words
    subject: str
    heading: str
    hello: str
    sections: tuple[Section, ...]
    footer: str
    unsubscribe: str = ""
    """The text of the link that switches such e-mails off; empty where they cannot be."""
    unsubscribe_page: str = ""
    one_click: str = ""
    """The address that a mail program posts to (RFC 8058)."""
    data: tuple[Mapping[str, Any], ...] = ()
    """schema.org, for mail programs that show a booking beside the e-mail."""


class About(msgspec.Struct, frozen=True):
    """A booking with its show and the places of its seats."""

    booking: Booking
    show: ShowFacts
    places: Mapping[str, SeatPlace]


def words_of(to: Recipient) -> Words:
    """The words of a recipient's language: German for `de-AT`, English for those without a catalogue."""
    code = to.language.lower().replace("_", "-").partition("-")[0]
    return words(code if code in LANGUAGES else ORIGINAL)


def hello(to: Recipient, said: Words) -> str:
    """The greeting. A name stands in it only where the owner of the address has confirmed it."""
    _ = said.gettext
    name = formats.one_line(to.name) if to.confirmed else ""
    return _("Hello {name},", name=name) if name else _("Hello,")


def footer(said: Words, public_url: str) -> str:
    """Says why the recipient has this e-mail."""
    _ = said.gettext
    return _("Aisle sent you this e-mail because you have an account at {site}.", site=public_url)


def in_subject(show: ShowFacts, said: Words) -> dict[str, str]:
    """Title, day and time as the placeholders of subjects."""
    return {
        "title": formats.one_line(show.title),
        "day": formats.short_day(show.starts_at, said.locale),
        "hour": formats.short_clock(show.starts_at, said.locale),
    }


def card(show: ShowFacts, said: Words) -> Card:
    """The card of a show."""
    return Card(
        formats.one_line(show.title),
        formats.day(show.starts_at, said.locale),
        formats.clock(show.starts_at, said.locale),
        formats.one_line(show.screen),
    )


def changed_card(show: ShowFacts, old_starts_at: datetime, old_screen: str, said: Words) -> Card:
    """The card of a show with what was different before."""
    now = card(show, said)
    day, clock = formats.day(old_starts_at, said.locale), formats.clock(old_starts_at, said.locale)
    screen = formats.one_line(old_screen)
    moved = (day, clock) != (now.day, now.clock)
    return msgspec.structs.replace(
        now,
        day_before=day if moved else "",
        clock_before=clock if moved else "",
        screen_before=screen if screen != now.screen else "",
    )


def booking_facts(about: About, said: Words, *, payment: bool = True) -> tuple[Fact, ...]:
    """Seats, total and number of a booking."""
    _ = said.gettext
    booking = about.booking
    facts = [Fact(_("Seats"), seat_lines(booking.seats, about.places, said))]
    if payment:
        facts.append(Fact(_("Total"), (written_total(booking.total, booking.currency, said),)))
    facts.append(Fact(_("Booking"), (str(booking.booking_id),)))
    return tuple(facts)


def written_total(total: int, currency: str, said: Words) -> str:
    """An amount of money as the language writes it."""
    return formats.money(Money(total, currency), said.locale)


def seat_lines(seats: Iterable[str], places: Mapping[str, SeatPlace], said: Words) -> tuple[str, ...]:
    """One line for the seats of each place: `C12, C13 (Stalls, row C)`."""
    of_place: dict[str, list[str]] = {}
    for seat in seats:
        of_place.setdefault(_place(places.get(seat), said), []).append(formats.one_line(seat))
    lines = [", ".join(labels) + (f" ({place})" if place else "") for place, labels in of_place.items()]
    if len(lines) > MAX_SEAT_LINES:
        beyond = sum(len(labels) for labels in list(of_place.values())[MAX_SEAT_LINES - 1 :])
        more = said.ngettext("and {n} more seat", "and {n} more seats", beyond)
        lines[MAX_SEAT_LINES - 1 :] = [more]
    return tuple(lines)


def _place(place: SeatPlace | None, said: Words) -> str:
    _ = said.gettext
    if place is None:
        return ""
    section, row = formats.one_line(place.section), formats.one_line(place.row)
    if not row:
        return section
    if not section:
        return _("Row {row}", row=row)
    return _("{section}, row {row}", section=section, row=row)

"""Content of the e-mails to staff: a show is sold out or nearly so, and the summary of a day. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from babel.dates import format_date

from notifier import email_parts as parts
from notifier import site_links as links
from notifier.email_parts import Content, Fact, Section
from notifier.facts import Recipient, Sales, ShowFacts, Summary
from notifier.unsubscribing import Unsubscribing
from tickets import formats

MAX_SHOWS = 20
"""Shows of the coming day that a summary lists."""


def sold_out(show: ShowFacts, to: Recipient, public_url: str, unsubscribing: Unsubscribing) -> Content:
    """The e-mail when the last seat of a show is sold."""
    _ = parts.words_of(to).gettext
    lead = _("Every seat of this show is sold. Seats that are cancelled go on sale again by themselves.")
    subject = _("Sold out: {title}, {day}, {hour}", **parts.in_subject(show, parts.words_of(to)))
    return _about_show(show, to, public_url, unsubscribing, subject, _("A show is sold out"), lead)


def few_left(show: ShowFacts, to: Recipient, public_url: str, unsubscribing: Unsubscribing) -> Content:
    """The e-mail when few seats of a show are left."""
    _ = parts.words_of(to).gettext
    lead = _("Few seats of this show are left.")
    subject = _("Few seats left: {title}, {day}, {hour}", **parts.in_subject(show, parts.words_of(to)))
    return _about_show(show, to, public_url, unsubscribing, subject, _("A show is nearly sold out"), lead)


def daily_summary(summary: Summary, to: Recipient, public_url: str, unsubscribing: Unsubscribing) -> Content:
    """The e-mail in the morning about the day before."""
    said = parts.words_of(to)
    _ = said.gettext
    day = format_date(summary.day, "full", locale=said.locale)
    sold = Section(
        lead=_("This was sold on {day}.", day=day)
        if summary.sales
        else _("Nothing was sold on {day}.", day=day),
        facts=tuple(fact for sales in summary.sales for fact in _sales_facts(sales, to)),
    )
    coming = Section(
        heading=_("Shows today"),
        lead="" if summary.shows else _("There are no shows today."),
        facts=_show_facts(summary.shows, to),
        button=_("To the programme"),
        link=links.home(public_url),
    )
    content = Content(
        words=said,
        subject=_("Sales of {day}", day=format_date(summary.day, "medium", locale=said.locale)),
        heading=_("Yesterday and today"),
        hello=parts.hello(to, said),
        sections=(sold, coming),
        footer=_footer(to, public_url),
    )
    return unsubscribing.applied(content, to, "summaries", _("No more messages about sales"))


def _sales_facts(sales: Sales, to: Recipient) -> list[Fact]:
    said = parts.words_of(to)
    _ = said.gettext
    return [
        Fact(_("Sales"), (parts.written_total(sales.gross, sales.currency, said),)),
        Fact(_("Bookings"), (_counted(sales.bookings, sales.seats, to),)),
        Fact(
            _("Cancellations"),
            (
                _counted(sales.cancelled_bookings, sales.cancelled_seats, to),
                parts.written_total(sales.cancelled, sales.currency, said),
            ),
        ),
    ]


def _counted(bookings: int, seats: int, to: Recipient) -> str:
    said = parts.words_of(to)
    of_seats = said.ngettext("{n} seat", "{n} seats", seats)
    return f"{said.ngettext('{n} booking', '{n} bookings', bookings)}, {of_seats}"


def _show_facts(shows: Sequence[ShowFacts], to: Recipient) -> tuple[Fact, ...]:
    said = parts.words_of(to)
    facts = [
        Fact(
            formats.short_clock(show.starts_at, said.locale),
            (f"{formats.one_line(show.title)}, {formats.one_line(show.screen)}", _taken(show, to)),
        )
        for show in shows[:MAX_SHOWS]
    ]
    if beyond := len(shows) - len(facts):
        facts.append(Fact("…", (said.ngettext("and {n} more show", "and {n} more shows", beyond),)))
    return tuple(facts)


def _taken(show: ShowFacts, to: Recipient) -> str:
    said = parts.words_of(to)
    taken = said.number(show.total_seats - show.available)
    return said.gettext("{taken} of {total} seats taken", taken=taken, total=said.number(show.total_seats))


def _about_show(
    show: ShowFacts,
    to: Recipient,
    public_url: str,
    unsubscribing: Unsubscribing,
    subject: str,
    heading: str,
    lead: str,
) -> Content:
    said = parts.words_of(to)
    _ = said.gettext
    available = said.ngettext("{n} seat", "{n} seats", show.available)
    section = Section(
        lead=lead,
        card=parts.card(show, said),
        facts=(Fact(_("Seats"), (_taken(show, to),)), Fact(_("Available"), (available,))),
        button=_("To the show"),
        link=links.show(public_url, show.show_id),
    )
    content = Content(
        words=said,
        subject=subject,
        heading=heading,
        hello=parts.hello(to, said),
        sections=(section,),
        footer=_footer(to, public_url),
    )
    return unsubscribing.applied(content, to, "summaries", _("No more messages about sales"))


def _footer(to: Recipient, public_url: str) -> str:
    _ = parts.words_of(to).gettext
    return _("Aisle sent you this e-mail because you are one of the staff at {site}.", site=public_url)

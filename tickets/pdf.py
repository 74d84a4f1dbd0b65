"""Tickets as PDF: one document for each booking, tagged for screen readers, by PDF/UA-1 where fonts have all letters.

Typst typesets the pages. It gets the data as JSON in a string, so no title or name can act as a command. What does not
fit is made smaller, and at last cut between grapheme clusters; the template measures that.
"""

from __future__ import annotations

import threading
from datetime import datetime, tzinfo
from functools import lru_cache

import msgspec
import typst

from languages.words import LANGUAGES, ORIGINAL, Words, words
from schemas.layout import Money
from tickets import formats
from tickets.codes import printed_code
from tickets.design import Design, packaged_design
from tickets.ticket import Ticket

_LONGEST = 600
"""Code points of a text that the template gets, several times what fits."""

_of_this_thread = threading.local()


def render_ticket(ticket: Ticket, design: Design | None = None) -> bytes:
    """The PDF of a booking's tickets. The same ticket and design give the same bytes.

    CPU-bound: call it in a thread. Raises typst.TypstError where the template of a venue's own design fails.
    """
    design = design or packaged_design()
    source = _source(ticket, design)
    try:
        return _compiled(source, ticket, design, ["ua-1"])
    except typst.TypstError as error:
        if not error.message.startswith("PDF/UA"):
            raise
        # A letter that no font has: the standard forbids the box that is printed instead.
        return _compiled(source, ticket, design, [])


def _source(ticket: Ticket, design: Design) -> bytes:
    """The document: a call of the template. The template stays the same, so that Typst parses it once."""
    data = msgspec.json.encode(_printed(ticket, design)).decode()
    return (
        f"#import {_string(str(design.template))}: tickets\n#tickets(json(bytes({_string(data)})))".encode()
    )


def _string(text: str) -> str:
    """A string literal of Typst. Whatever the text is, it does not end before the last quotation mark."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _compiled(source: bytes, ticket: Ticket, design: Design, standards: list[typst.PDFStandard]) -> bytes:
    document = _compiler(design).compile(
        source,
        format="pdf",
        pdf_standards=standards,
        timestamp=int(ticket.booked_at.timestamp()),
    )
    assert isinstance(document, bytes)
    return document


def file_name(ticket: Ticket) -> str:
    """The file name of the PDF: `ticket-7f3a91c2e4b0.pdf`."""
    name = words_of(ticket.language).gettext("ticket")
    return f"{name}-{str(ticket.booking_id)[-12:]}.pdf"


def _compiler(design: Design) -> typst.Compiler:
    """The compiler of this thread. Designs differ only in tests; a process has one."""
    kept: tuple[Design, typst.Compiler] | None = getattr(_of_this_thread, "compiler", None)
    if kept is None or kept[0] != design:
        # The template and a venue's logo are anywhere. Templates are as trusted as the program.
        kept = (design, typst.Compiler(root="/", font_paths=design.fonts()))
        _of_this_thread.compiler = kept
    return kept[1]


def _printed(ticket: Ticket, design: Design) -> dict[str, object]:
    """The data of the template; every value is text to be printed as it is."""
    in_language = words_of(ticket.language)
    _ = in_language.gettext
    total = len(ticket.seats)
    # Aware times are equal across zones, so the key of the cache is a naive one.
    day, hour, zone = _when(
        ticket.starts_at.replace(tzinfo=None),
        ticket.starts_at.fold,
        ticket.starts_at.tzinfo,
        in_language.locale,
    )
    return {
        "layout": design.layout,
        "brand": msgspec.structs.asdict(design.brand) | {"logo": design.logo},
        "fonts": design.families,
        "language": in_language.code,
        "title": _line(ticket.title) or "–",
        "screen": _line(ticket.screen),
        "day": day,
        "hour": hour,
        "zone": zone,
        "minutes": _("{n} min", n=ticket.duration_minutes) if ticket.duration_minutes else "",
        "holder": _line(ticket.holder),
        "booking": str(ticket.booking_id).rpartition("-")[::2],
        "words": {
            "section": _("Section"),
            "row": _("Row"),
            "seat": _("Seat"),
            "price": _("Price"),
            "holder": _("Name"),
            "booking": _("Booking"),
            "door": _("Show this code at the door, on paper or on your phone."),
        },
        "seats": [
            {
                "label": _line(seat.label),
                "section": _line(seat.section),
                "row": _line(seat.row),
                "price": _price(seat.price, in_language.locale),
                "code": printed_code(seat.token),
                "heading": _("Seat {label}", label=_line(seat.label)),
                "alt": _("QR code of the ticket for seat {label}", label=_line(seat.label)),
                "number": _("Ticket {number} of {total}", number=number, total=total) if total > 1 else "",
            }
            for number, seat in enumerate(ticket.seats, 1)
        ],
    }


def words_of(language: str) -> Words:
    """The words of an account's language: German ones for `de-AT`, English ones where there are no others."""
    code = language.lower().replace("_", "-").partition("-")[0]
    return words(code if code in LANGUAGES else ORIGINAL)


@lru_cache(maxsize=1024)
def _when(local: datetime, fold: int, zone: tzinfo | None, locale: str) -> tuple[str, str, str]:
    """Day, hour and zone in words. All tickets of a show have the same ones."""
    moment = local.replace(tzinfo=zone, fold=fold)
    return formats.day(moment, locale), formats.hour(moment, locale), formats.zone(moment, locale)


@lru_cache(maxsize=1024)
def _price(price: Money, locale: str) -> str:
    return formats.money(price, locale).replace("\xa0", "\u202f")


def _line(text: str) -> str:
    return formats.one_line(text)[:_LONGEST]

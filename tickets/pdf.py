"""Tickets as PDF: one document for each booking, one page (A6, portrait) for each seat.

Typst typesets the page. It gets the data as JSON, never as markup, so no title or name can act as a command. Rendering
takes about 6 ms after the first document of a thread.
"""

from __future__ import annotations

import threading
from importlib.resources import files

import msgspec
import typst

from schemas.layout import Money
from tickets import formats
from tickets.codes import printed_code
from tickets.ticket import Ticket
from tickets.wording import ticket_words

MAX_TITLE = 160
"""Characters of a title that are printed; the rest becomes an ellipsis."""
MAX_LINE = 44
"""Characters of a screen, a section or a name that are printed."""
MAX_ROW = 24
"""Characters of a row that are printed."""

_template = (files(__package__) / "ticket.typ").read_bytes()
_fonts = typst.Fonts(
    include_system_fonts=True,  # for titles in scripts that the packaged fonts do not have
    include_embedded_fonts=False,
    font_paths=[
        str(files(package) / "files") for package in ("fontpkg_noto_sans", "fontpkg_noto_sans_devanagari")
    ],
)
_of_this_thread = threading.local()


def render_ticket(ticket: Ticket) -> bytes:
    """The PDF of a booking's tickets. The same ticket gives the same bytes. CPU-bound: call it in a thread."""
    document = _compiler().compile(
        _template,
        format="pdf",
        sys_inputs={"ticket": msgspec.json.encode(_printed(ticket)).decode()},
        timestamp=int(ticket.booked_at.timestamp()),
    )
    assert isinstance(document, bytes)
    return document


def file_name(ticket: Ticket) -> str:
    """The file name of the PDF: `ticket-7f3a91c2e4b0.pdf`."""
    return f"{ticket_words(ticket.language).file_name}-{str(ticket.booking_id)[-12:]}.pdf"


def _compiler() -> typst.Compiler:
    compiler: typst.Compiler | None = getattr(_of_this_thread, "compiler", None)
    if compiler is None:
        compiler = _of_this_thread.compiler = typst.Compiler(font_paths=_fonts)
    return compiler


def _printed(ticket: Ticket) -> dict[str, object]:
    """The data of the template; every value is text to be printed as it is."""
    words = ticket_words(ticket.language)
    total = len(ticket.seats)
    return {
        "language": words.locale[:2],
        "title": _cut(ticket.title, MAX_TITLE),
        "screen": _cut(ticket.screen, MAX_LINE),
        "day": formats.day(ticket.starts_at, words.locale),
        "hour": formats.hour(ticket.starts_at, words.locale),
        "zone": formats.zone(ticket.starts_at, words.locale),
        "minutes": words.minutes.format(minutes=ticket.duration_minutes) if ticket.duration_minutes else "",
        "holder": _cut(ticket.holder, MAX_LINE),
        "booking": str(ticket.booking_id).rpartition("-")[::2],
        "words": {
            "screen": words.screen,
            "section": words.section,
            "row": words.row,
            "seat": words.seat,
            "price": words.price,
            "holder": words.holder,
            "booking": words.booking,
            "door": words.show_at_the_door,
        },
        "seats": [
            {
                "label": seat.label,
                "section": _cut(seat.section, MAX_LINE),
                "row": _cut(seat.row, MAX_ROW),
                "price": _price(seat.price, words.locale),
                "code": printed_code(seat.token),
                "number": words.ticket_of.format(number=number, total=total) if total > 1 else "",
            }
            for number, seat in enumerate(ticket.seats, 1)
        ],
    }


def _price(price: Money, locale: str) -> str:
    return formats.money(price, locale).replace("\xa0", "\u202f")


def _cut(text: str, length: int) -> str:
    """The text as one line, truncated to `length` characters."""
    line = formats.one_line(text)
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"

"""QR codes of tickets as SVG: for the PDF, and for a screen that is shown at the door."""

from __future__ import annotations

import io
import re
from xml.sax.saxutils import escape, quoteattr

import segno

from tickets.formats import one_line
from tickets.ticket import TicketSeat

_DARK = "#10182b"
_QUIET_ZONE = 4
"""Modules of white around a code that is shown alone, as ISO 18004 demands."""
_CAPTION = 5
"""Height of the caption, in modules."""
_FITTING = 20
"""Characters of a caption that surely fit below a code."""
_VIEW_BOX = re.compile(r'viewBox="0 0 (\d+) \1">')


def printed_code(token: str) -> str:
    """The code for the page of a ticket, which has its own white around it."""
    return _svg(token, border=0)


def shown_code(seat: TicketSeat) -> bytes:
    """The code of a seat as an image of its own, on white, with the seat below: its label, section and row.

    The upper square is the code. The root element has the section and the row as `data-section` and `data-row`.
    """
    drawing = _svg(seat.token, border=_QUIET_ZONE, light="#fff")
    head, size, rest = _split(drawing)
    caption = " · ".join(one_line(name) for name in (seat.label, seat.section, seat.row) if name)
    # A long caption is squeezed into the width of the code.
    fit = (
        f' textLength="{size - 2 * _QUIET_ZONE}" lengthAdjust="spacingAndGlyphs"'
        if len(caption) > _FITTING
        else ""
    )
    return (
        f'{head}viewBox="0 0 {size} {size + _CAPTION}" data-section={quoteattr(seat.section)}'
        f" data-row={quoteattr(seat.row)}><title>{escape(caption)}</title>"
        f'<path fill="#fff" d="M0 {size}h{size}v{_CAPTION}h-{size}z"/>'
        f'<text x="{size / 2}" y="{size + 3}" fill="{_DARK}" font-family="sans-serif" font-size="3"'
        f' text-anchor="middle"{fit}>{escape(caption)}</text>{rest}'
    ).encode()


def _split(drawing: str) -> tuple[str, int, str]:
    """What is before the size of a drawing, the size in modules, and what follows the start tag."""
    found = _VIEW_BOX.search(drawing)
    assert found is not None, drawing[:200]
    return drawing[: found.start()], int(found[1]), drawing[found.end() :]


def _svg(token: str, border: int, light: str | None = None) -> str:
    drawing = io.BytesIO()
    # Any mask is readable; evaluating all eight takes four times as long as the rest of the code.
    segno.make(token, error="m", micro=False, mask=0).save(
        drawing,
        kind="svg",
        border=border,
        xmldecl=False,
        omitsize=True,
        svgclass=None,
        lineclass=None,
        dark=_DARK,
        light=light,
    )
    return drawing.getvalue().decode()

"""QR codes of tickets as SVG: for the PDF, and for a screen that is shown at the door.

Level M: 15 % of a code may be dirty or folded. Tokens are capitals, so that the code is in alphanumeric mode.
"""

from __future__ import annotations

import math
import re
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import zxingcpp

from tickets.formats import one_line
from tickets.ticket import TicketSeat

_SVG = "http://www.w3.org/2000/svg"
_DARK = "#10182b"
_QUIET_ZONE = 4
"""Modules of white around a code that is shown alone, as ISO 18004 demands."""
_CAPTION = 5
"""Height of the caption, in modules."""
_FITTING = 20
"""Characters of a caption that surely fit below a code."""
_RUN = re.compile(rb"\x00+")
"""Dark modules side by side."""


def printed_code(token: str) -> str:
    """The code for the page of a ticket, which has its own white around it."""
    size, path = _drawn(token)
    return f'<svg xmlns="{_SVG}" viewBox="0 0 {size} {size}"><path fill="{_DARK}" d="{path}"/></svg>'


def shown_code(seat: TicketSeat) -> bytes:
    """The code of a seat as an image of its own, on white, with the seat below: its label, section and row.

    The upper square is the code. The root element has the section and the row as `data-section` and `data-row`.
    """
    size, path = _drawn(seat.token)
    width = size + 2 * _QUIET_ZONE
    caption = " · ".join(one_line(name) for name in (seat.label, seat.section, seat.row) if name)
    # A long caption is squeezed into the width of the code.
    fit = f' textLength="{size}" lengthAdjust="spacingAndGlyphs"' if len(caption) > _FITTING else ""
    return (
        f'<svg xmlns="{_SVG}" viewBox="0 0 {width} {width + _CAPTION}"'
        f" data-section={quoteattr(seat.section)} data-row={quoteattr(seat.row)}><title>{escape(caption)}</title>"
        f'<path fill="#fff" d="M0 0h{width}v{width + _CAPTION}h-{width}z"/>'
        f'<text x="{width / 2}" y="{width + 3}" fill="{_DARK}" font-family="sans-serif" font-size="3"'
        f' text-anchor="middle"{fit}>{escape(caption)}</text>'
        f'<path fill="{_DARK}" transform="translate({_QUIET_ZONE} {_QUIET_ZONE})" d="{path}"/></svg>'
    ).encode()


def _drawn(token: str) -> tuple[int, str]:
    """The number of modules on a side, and a path that fills the dark ones."""
    code = zxingcpp.create_barcode(token, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    image: Any = code.to_image(scale=1, add_quiet_zones=False)
    rows = bytes(image)
    size = math.isqrt(len(rows))
    path = []
    for y in range(size):
        for run in _RUN.finditer(rows, y * size, (y + 1) * size):
            length = run.end() - run.start()
            path.append(f"M{run.start() - y * size} {y}h{length}v1h-{length}z")
    return size, "".join(path)

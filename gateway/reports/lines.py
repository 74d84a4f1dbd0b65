"""Tables as CSV (RFC 4180, UTF-8 with a byte order mark), and whether a client wants them so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from gateway.problems import Problem
from gateway.reports.formulas import as_text
from schemas.currencies import minor_digits

Cell = str | int | float | Decimal | bool | None

CSV = "text/csv"
_JSON = "application/json"
BYTE_ORDER_MARK = "\ufeff".encode()
"""Begins a table: without it, programs that open a file on a double click take UTF-8 for another encoding."""


def lines(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Rows as lines of CSV. No text begins a formula; numbers stay numbers, negative ones too."""
    out = io.StringIO()
    csv.writer(out).writerows([_safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def decimal(amount: int, currency: str) -> Decimal:
    """Minor units as an amount in the currency's own unit: 1250 EUR is 12.50, 1250 JPY is 1250."""
    return Decimal(amount).scaleb(-minor_digits(currency))


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return as_text(cell) if isinstance(cell, str) else cell


def wants_csv(accept: str) -> bool:
    """Whether the header Accept asks for CSV rather than JSON; JSON where it likes both as well.

    Raises Problem `not_acceptable` when it allows neither.
    """
    ranges = [_media_range(part) for part in accept.lower().split(",") if part.strip()]
    if not ranges:
        return False
    as_json, as_csv = _liking(ranges, _JSON), _liking(ranges, CSV)
    if max(as_json, as_csv)[0] <= 0:
        raise Problem("not_acceptable", f"A report is {_JSON} or {CSV}: allow one of them in Accept.")
    return as_csv > as_json


def _media_range(part: str) -> tuple[str, float]:
    kind, *options = (piece.strip() for piece in part.split(";"))
    for option in options:
        if option.startswith("q="):
            try:
                return kind, float(option[2:])
            except ValueError:
                return kind, 0.0
    return kind, 1.0


def _liking(ranges: list[tuple[str, float]], kind: str) -> tuple[float, int]:
    """How much a kind is wanted, by the range that names it most exactly; and how exactly that is."""
    group = kind.partition("/")[0] + "/*"
    for exactness, name in ((2, kind), (1, group), (0, "*/*")):
        wanted = [quality for given, quality in ranges if given == name]
        if wanted:
            return max(wanted), exactness
    return 0.0, 0

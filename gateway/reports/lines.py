"""CSV encoding (RFC 4180, UTF-8 with a byte order mark), and negotiation of CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from gateway.http.problems import Problem
from gateway.reports.formulas import as_text
from schemas.currencies import minor_digits

Cell = str | int | float | Decimal | bool | None

CSV = "text/csv"
_JSON = "application/json"
BYTE_ORDER_MARK = "\ufeff".encode()
"""Start of a file: without it, some spreadsheet programs do not recognise UTF-8."""


def lines(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Encodes rows as CSV. No text begins a formula; numbers, also negative ones, stay numbers."""
    out = io.StringIO()
    csv.writer(out).writerows([_safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def decimal(amount: int, currency: str) -> Decimal:
    """Minor units as an amount in major units: 1250 EUR is 12.50, 1250 JPY is 1250."""
    return Decimal(amount).scaleb(-minor_digits(currency))


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return as_text(cell) if isinstance(cell, str) else cell


def wants_csv(accept: str) -> bool:
    """Whether the Accept header prefers CSV to JSON; JSON if it ranks both the same.

    Raises Problem `not_acceptable` when it allows neither.
    """
    ranges = [_media_range(part) for part in accept.lower().split(",") if part.strip()]
    if not ranges:
        return False
    as_json, as_csv = _quality(ranges, _JSON), _quality(ranges, CSV)
    if max(as_json, as_csv)[0] <= 0:
        raise Problem("not_acceptable", f"A report is {_JSON} or {CSV}: accept one of them.")
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


def _quality(ranges: list[tuple[str, float]], kind: str) -> tuple[float, int]:
    """The quality of a media type by the most specific matching range, and how specific that is."""
    group = kind.partition("/")[0] + "/*"
    for specificity, name in ((2, kind), (1, group), (0, "*/*")):
        wanted = [quality for given, quality in ranges if given == name]
        if wanted:
            return max(wanted), specificity
    return 0.0, 0

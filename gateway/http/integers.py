"""Integers in paths, queries and claims: ASCII digits without a sign, within a range."""

from __future__ import annotations

_MAX_DIGITS = 16


def read_integer(text: str, largest: int, *, smallest: int = 1, max_digits: int = _MAX_DIGITS) -> int | None:
    """The integer that a text writes; None for anything else. Checks the length before it converts."""
    if text.isascii() and text.isdigit() and len(text) <= max_digits and smallest <= int(text) <= largest:
        return int(text)
    return None

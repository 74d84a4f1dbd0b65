"""Protection against formula injection: text for CSV cells that no spreadsheet program takes for a formula.

Before a sign, programs skip different characters: spaces of every kind, invisible characters, quotes. Full-width and
other forms of a sign count as the sign. With a list separator other than the comma, as in most of Europe, a cell also
begins after a semicolon, a tab or a line end inside the text.
"""

from __future__ import annotations

import re
import unicodedata

_SIGNS = frozenset("=+-@|%\u2212")
"""After compatibility normalization. `|` and `%` begin formulas in older programs only; U+2212 is the minus sign."""
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\ufe0e\ufe0f\uffa0\ufffc")
"""Invisible characters that Unicode classifies as letters, marks or symbols."""
_QUOTES = frozenset("\"'`´‘’‚‛“”„‟«»‹›＂＇")
_CELL_BEGINS = re.compile(r"(?<=[;\t\r\n])")
_PLAIN = re.compile(r"[0-9A-Za-z][^;\t\r\n]*\Z")
"""Most text: it cannot begin a formula anywhere."""
_LINE_BEGINS = ("\t", "\r", "\n")


def as_text(text: str) -> str:
    """The text, with an apostrophe where a formula would otherwise begin."""
    if not text or _PLAIN.match(text):
        return text
    safe = "".join("'" + part if _begins_formula(part) else part for part in _CELL_BEGINS.split(text))
    begins = text.startswith(_LINE_BEGINS) or _begins_formula(text)
    return "'" + safe if begins and not safe.startswith("'") else safe


def _begins_formula(part: str) -> bool:
    shown = next((character for character in part if not _skipped(character)), "")
    return unicodedata.normalize("NFKC", shown)[:1] in _SIGNS if shown else False


def _skipped(character: str) -> bool:
    # Separators (Z) and controls, formats, unassigned and private ones (C).
    return character in _QUOTES or character in _BLANKS or unicodedata.category(character)[0] in ("Z", "C")

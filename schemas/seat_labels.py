"""Labels of seats: their normal form, the characters they may have, and the patterns that make them. Pure.

The rules hold for new layouts. Labels of stored layouts are compared as they are.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from schemas.joiners import JOINERS, is_joiner_needed

MAX_LABEL = 16
"""Characters of a label in NFC."""
MAX_REQUESTED_LABEL = 64
"""Characters of a label in a request, before normalisation."""

_ROW, _SEAT = "{row}", "{seat}"
_PLAIN = re.compile(r"[!-~](?:[ -~]{0,14}[!-~])?\Z")
"""A label of ASCII, which needs no look at single characters."""
_UNUSABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})
"""General categories: control, format, surrogate, private use, unassigned, and spaces."""
_INVISIBLE = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *(0x13441, 0x13442, 0x16FE4, 0x1D159),
            *range(0xE0000, 0xE1000),
        ),
    )
)
"""Characters of other categories that show nothing: fillers, variation selectors, blanks."""


class LabelPattern(NamedTuple):
    """A pattern, split at the number of the seat. Either part may contain `{row}`."""

    before: str
    after: str

    def affixes(self, row_name: str) -> tuple[str, str]:
        """What stands before and after the number of a seat, in the labels of a row."""
        return self.before.replace(_ROW, row_name), self.after.replace(_ROW, row_name)


DEFAULT_PATTERN = LabelPattern(_ROW, "")


@lru_cache(maxsize=64)
def read_pattern(text: str) -> LabelPattern:
    """Reads a pattern such as `{row}-{seat}`. Raises ValueError, with what is wanted, for anything else."""
    before, found, after = text.partition(_SEAT)
    rest = before + after
    literal = rest.replace(_ROW, "", 1)
    if not found or "{" in literal or "}" in literal:
        raise ValueError(
            "a pattern is plain text with {seat} exactly once and {row} at most once, such as '{row}-{seat}'"
        )
    return LabelPattern(before, after)


def nfc(text: str) -> str:
    """Returns a text in NFC, the normal form of labels."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def label_fault(label: str) -> str | None:
    """What is wrong with a new label in NFC; None for a usable one."""
    if _PLAIN.match(label):
        return None
    if not label or len(label) > MAX_LABEL:
        return f"{label[:40]!r} has {len(label)} characters: a label has 1 to {MAX_LABEL}"
    for at, character in enumerate(label):
        if character == " " or not _is_unusable(character):
            continue
        if character in JOINERS and is_joiner_needed(label, at):
            continue
        return f"{label!r} has {code_point(character)}, {_advice(character)}"
    if label.strip(" ") != label:
        return f"{label!r} begins or ends with a space"
    return None


def _is_unusable(character: str) -> bool:
    return unicodedata.category(character) in _UNUSABLE or character in _INVISIBLE


def code_point(character: str) -> str:
    """Returns the number and the name of a character: `U+200B ZERO WIDTH SPACE`."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def _advice(character: str) -> str:
    if character in JOINERS:
        return "which a label may have only where its script needs one"
    match unicodedata.category(character):
        case "Zs" | "Zl" | "Zp":
            return "a space other than U+0020"
        case "Cc":
            return "a control character: leave it out"
        case "Co" | "Cn" | "Cs":
            return "which has no agreed meaning: leave it out"
    return "which cannot be seen: leave it out"

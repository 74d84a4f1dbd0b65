"""Setting of a poster's title: line breaks and size in any script, without measuring a font. Pure.

The fonts are those of the reader's machine, so widths are estimates on the safe side, by kinds of characters.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_SIZES = (190, 150, 120, 100, 86, 74, 64, 56, 49, 43, 38, 34, 30, 27, 24, 21, 18)
_BREAKS_WORDS = 38
"""Up to this size a word that is longer than a line is broken, rather than set smaller."""
_LINE = 1.12
_TALL_LINE = 1.42
"""Line height of scripts with marks above and below, as a factor of the size."""
_NARROW, _SPACE, _LOWER, _UPPER, _BROAD, _WIDE, _PICTURE = 0.34, 0.27, 0.57, 0.7, 0.93, 1.02, 1.3
_NARROW_LETTERS = frozenset("iljtfrI.,:;'’‘!|()[]-‐·")
_BROAD_LETTERS = frozenset("mwMW@%&—…")
_JOINER = "\u200d"
_NOT_AT_START = frozenset("、。，．・：；？！ー」』）】〉》〕ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々…")
_WORD = re.compile(r"\S+")
_INVALID_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Setting(NamedTuple):
    """A title as it is set."""

    lines: tuple[str, ...]
    size: int
    line_height: float
    right_to_left: bool


def set_title(title: str, width: float, height: float) -> Setting:
    """Breaks a title into lines that fit a box, as large as possible. What does not fit ends with an ellipsis."""
    words = _WORD.findall(_INVALID_IN_XML.sub(" ", title)) or ["·"]
    factor = _TALL_LINE if any(_is_tall(character) for word in words for character in word) else _LINE
    right_to_left = _is_right_to_left(title)
    for size in _SIZES:
        most = int(height // (size * factor))
        pieces = words if size > _BREAKS_WORDS else _shortened(words, width / size)
        lines = _broken(pieces, width / size)
        if lines is not None and len(lines) <= most:
            return Setting(_balanced(pieces, width / size, lines), size, size * factor, right_to_left)
    size = _SIZES[-1]
    pieces = _shortened(words, width / size)
    lines = _broken(pieces, width / size) or [pieces[0]]
    most = max(1, int(height // (size * factor)))
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1].rstrip()} …"]
    return Setting(tuple(lines), size, size * factor, right_to_left)


def _broken(words: list[str], width: float) -> list[str] | None:
    """The lines of words at a width in em, filled from the first; None where a word does not fit."""
    lines: list[str] = []
    room = 0.0
    for piece, spaced in _pieces(words):
        wanted = _width(piece)
        if wanted > width:
            return None
        gap = _SPACE if spaced else 0.0
        if lines and wanted + gap <= room:
            lines[-1] += (" " if spaced else "") + piece
            room -= wanted + gap
        else:
            lines.append(piece)
            room = width - wanted
    return lines


def _balanced(words: list[str], width: float, lines: list[str]) -> tuple[str, ...]:
    """The same number of lines in the narrowest width that allows it, so that they are about equally long."""
    if len(lines) == 1:
        return tuple(lines)
    low, high, best = 0.0, width, lines
    for _ in range(12):
        middle = (low + high) / 2
        tried = _broken(words, middle)
        if tried is not None and len(tried) == len(lines):
            high, best = middle, tried
        else:
            low = middle
    return tuple(best)


def _pieces(words: list[str]) -> Iterator[tuple[str, bool]]:
    """What a line can begin with, and whether a space is in front of it. Ideographs are pieces of their own."""
    for word in words:
        piece, spaced = "", True
        for cluster in _clusters(word):
            if (
                piece
                and (_is_ideographic(cluster) or _is_ideographic(piece[-1]))
                and cluster not in _NOT_AT_START
            ):
                yield piece, spaced
                piece, spaced = "", False
            piece += cluster
        yield piece, spaced


def _shortened(words: list[str], width: float) -> list[str]:
    """The words; those that are longer than a line in pieces."""
    return [piece for word in words for piece in _cut(word, width)]


def _cut(word: str, width: float) -> Iterator[str]:
    """Pieces of a word, each about as long as the others and at most a line long; the word itself if it fits."""
    whole = _width(word)
    if whole <= width or _is_ideographic(word[0]):
        yield word
        return
    hyphen = "-" if word.isalpha() and word.lower() != word.upper() else ""
    longest = min(width, whole / math.ceil(whole / (width * 0.9)) + _BROAD) - len(hyphen) * _NARROW
    piece, room = "", longest
    for cluster in _clusters(word):
        wanted = _width(cluster)
        if piece and wanted > room:
            yield piece + hyphen
            piece, room = "", longest
        piece += cluster
        room -= wanted
    yield piece


def _clusters(text: str) -> Iterator[str]:
    """Characters with the marks that belong to them."""
    cluster = ""
    for character in text:
        joined = (
            unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf")
            or "\U0001f3fb" <= character <= "\U0001f3ff"
        )
        if cluster and not joined and not cluster.endswith((_JOINER, "\u094d")):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _width(text: str) -> float:
    return math.fsum(_width_of(character) for character in text)


def _width_of(character: str) -> float:
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return 0.0
    if category == "Mc":
        return 0.3
    if character in _NARROW_LETTERS:
        return _NARROW
    if character in _BROAD_LETTERS:
        return _BROAD
    if category == "So" and ord(character) > 0x2000:
        return _PICTURE
    if _is_ideographic(character):
        return _WIDE
    return _UPPER if category in ("Lu", "Nd") or ord(character) >= 0x900 else _LOWER


def _is_ideographic(text: str) -> bool:
    return unicodedata.east_asian_width(text[0]) in "WF" and unicodedata.category(text[0]) != "So"


def _is_tall(character: str) -> bool:
    """Scripts whose marks need more room between lines: from Arabic to Khmer."""
    return "\u0600" <= character <= "\u17ff" and not "\u10a0" <= character <= "\u167f"


def _is_right_to_left(title: str) -> bool:
    for character in title:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False

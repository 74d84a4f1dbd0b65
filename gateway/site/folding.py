"""Text as the programme's search compares it: no case, no accents, no punctuation. Pure.

Letters are folded as by the database's `fold_text_v1`, so that a page finds what the API finds.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ACCENTS = re.compile("[\u0300-\u036f]")
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"} | dict(zip("øłđıŧħðς", "oldithdσ", strict=True))
)
_APOSTROPHES = re.compile("['’‘ʼ`´]")


@lru_cache(maxsize=5_000)
def folded(text: str) -> str:
    """Text without case and accents. Scripts that need their marks keep them."""
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).lower().translate(_LETTERS)


def search_words(text: str) -> list[str]:
    """The words of a text for the search, folded and without punctuation; its signs, if it has nothing else."""
    plain = _APOSTROPHES.sub("", folded(text))
    kept = "".join(character if _is_part_of_word(character) else " " for character in plain)
    return kept.split() or plain.split()


def matches(wanted: list[str], title: str) -> bool:
    """Whether all words occur in a title, each anywhere in it."""
    searched = _searched(title)
    return all(word in searched for word in wanted)


@lru_cache(maxsize=5_000)
def _searched(title: str) -> str:
    """What a search looks at: the words without punctuation, and all as it is written."""
    return f"{' '.join(search_words(title))} {folded(title)}"


def _is_part_of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] in "MS"

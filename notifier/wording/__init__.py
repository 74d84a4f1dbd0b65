"""The words of the letters, one JSON file a language. To add one, add its file; all keys are needed."""

from __future__ import annotations

import functools
from importlib.resources import files

import msgspec


class KindWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words of one kind of letter. `{…}` are filled in; texts are plain, never markup."""

    subject: str
    heading: str
    lead: str
    button: str
    closing: str


class LetterWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words of one language."""

    locale: str
    """How dates, times and prices are written (CLDR)."""
    hello: str
    hello_nobody: str
    show: str
    when: str
    screen: str
    seats: str
    total: str
    booking: str
    username: str
    place: str
    place_row: str
    footer: str
    booking_confirmed: KindWords
    booking_cancelled: KindWords
    show_cancelled: KindWords
    welcome: KindWords
    welcome_to_confirm: KindWords
    email_confirmation: KindWords
    email_undo: KindWords
    password_reset: KindWords


DEFAULT = "en"


@functools.cache
def languages() -> frozenset[str]:
    """The languages that letters can be written in."""
    names = (entry.name for entry in files(__package__).iterdir())
    return frozenset(name.removesuffix(".json") for name in names if name.endswith(".json"))


def letter_words(language: str) -> LetterWords:
    """The words of a language: `de` for `de-AT`, English for one that there is not yet."""
    short = language.lower().partition("-")[0]
    return _read(short if short in languages() else DEFAULT)


@functools.cache
def _read(language: str) -> LetterWords:
    return msgspec.json.decode((files(__package__) / f"{language}.json").read_bytes(), type=LetterWords)

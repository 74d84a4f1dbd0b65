"""The words on a ticket, one JSON file a language. To add one, add its file; all keys are needed."""

from __future__ import annotations

import functools
from importlib.resources import files

import msgspec


class TicketWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words of one language. `{…}` are filled in by whoever shows them."""

    locale: str
    """How dates, times and prices are written (CLDR)."""
    ticket_of: str
    screen: str
    section: str
    row: str
    seat: str
    price: str
    holder: str
    booking: str
    minutes: str
    show_at_the_door: str
    file_name: str


DEFAULT = "en"


@functools.cache
def languages() -> frozenset[str]:
    """The languages that tickets can be written in."""
    names = (entry.name for entry in files(__package__).iterdir())
    return frozenset(name.removesuffix(".json") for name in names if name.endswith(".json"))


def ticket_words(language: str) -> TicketWords:
    """The words of a language: `de` for `de-AT`, English for one that there is not yet."""
    short = language.lower().partition("-")[0]
    return _read(short if short in languages() else DEFAULT)


@functools.cache
def _read(language: str) -> TicketWords:
    return msgspec.json.decode((files(__package__) / f"{language}.json").read_bytes(), type=TicketWords)

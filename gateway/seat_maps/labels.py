"""Labels in requests: brought into the form that the seat worker compares.

The worker compares labels exactly. New layouts have labels in NFC, so a label in NFC is sent as it is. Any other one is
looked up in the show's layout: the exact label counts if a seat has it, as in layouts of the first release, else its
NFC.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import TypeVar
from unicodedata import is_normalized

import msgspec

from gateway.http.bodies import invalid
from gateway.seat_maps.cache import SeatMapCache
from schemas.commands import BlockSeats, ChangeSeats, SeatsCommand, UnblockSeats
from schemas.seat_labels import MAX_LABEL, nfc
from schemas.seating import Seating

_MAX_ERRORS = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Control characters of ASCII, which layouts of no release have."""

_is_nfc = partial(is_normalized, "NFC")

_NamesSeats = TypeVar("_NamesSeats", bound=SeatsCommand | ChangeSeats | BlockSeats | UnblockSeats)


def in_nfc(labels: Sequence[str]) -> bool:
    """Whether all labels are in NFC, so that `SeatLabels.resolve` would not change them."""
    return "".join(labels).isascii() or all(map(_is_nfc, labels))


def check_labels(labels: Sequence[str]) -> None:
    """Raises Problem `validation` for labels that are named twice, or that no layout can have."""
    joined = "".join(labels)
    distinct = len(labels) == 1 or len(set(labels)) == len(labels)
    if (
        distinct
        and _CONTROL.search(joined) is None
        and (len(joined) <= MAX_LABEL or not any(map(_too_long, labels)))
    ):
        return
    errors: list[tuple[str, str]] = []
    seen: set[str] = set()
    for n, label in enumerate(labels):
        if label in seen:
            errors.append((f"seats[{n}]", "named before"))
        elif _CONTROL.search(label) is not None:
            errors.append((f"seats[{n}]", "a label has no control characters"))
        elif _too_long(label):
            errors.append((f"seats[{n}]", f"a label has at most {MAX_LABEL} characters"))
        seen.add(label)
    raise invalid(*errors[:_MAX_ERRORS])


def _too_long(label: str) -> bool:
    """Whether a label is longer than any seat's, also in NFC."""
    return len(label) > MAX_LABEL and _is_nfc(label)


class SeatLabels:
    """Resolves labels of requests that are not in NFC."""

    def __init__(self, seat_maps: SeatMapCache) -> None:
        self._seat_maps = seat_maps

    async def resolve(self, command: _NamesSeats) -> _NamesSeats:
        """Returns the command with its labels as the seat worker compares them.

        Raises Problem `validation` if two of them are the same seat, `not_found` for an unknown show, and errors of an
        unavailable database.
        """
        if in_nfc(command.seats):
            return command
        seating = (await self._seat_maps.get(command.show_id)).layout.seating
        seats = await asyncio.to_thread(resolved_labels, command.seats, seating)  # staff name up to 100,000
        return msgspec.structs.replace(command, seats=seats)


def resolved_labels(labels: Sequence[str], seating: Seating) -> tuple[str, ...]:
    """The labels, each exactly as it is if a seat has it, else in NFC. Raises Problem `validation` for duplicates."""
    seats = tuple([label if seating.find(label) >= 0 else nfc(label) for label in labels])
    check_labels(seats)
    return seats

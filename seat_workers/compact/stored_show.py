"""A show as read from PostgreSQL, with its bookings as columns: 100,000 seats arrive as a few big values. Pure."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from schemas.events import Booking, ShowStatus, Terms
from schemas.layout import Seating

Numbers: TypeAlias = "array[int]"

_LOW = 2**64 - 1
_decode_check_ins = msgspec.json.Decoder(dict[str, int]).decode


class BookingColumns(msgspec.Struct, frozen=True):
    """The live bookings of one show. The n-th value of a column belongs to the n-th booking."""

    ids_high: Numbers
    """The upper 64 bits of the ids, which are distinct."""
    ids_low: Numbers
    users: Numbers
    created_ms: Numbers
    expires_ms: Numbers
    """0 for confirmed bookings."""
    sizes: Numbers
    """The number of seats of each booking."""
    seats: Numbers
    """Indexes of seats: those of the first booking in layout order, then those of the second, …"""
    check_ins: Sequence[str] = ()
    """JSON objects, seat → Unix milliseconds, of the bookings with check-ins, in any order."""

    def __post_init__(self) -> None:
        if sum(self.sizes) != len(self.seats):
            raise ValueError(
                f"live bookings have {sum(self.sizes)} seats and {len(self.seats)} are claimed for them;"
                " `aisle verify` says which differ"
            )

    @classmethod
    def received(
        cls,
        ids: bytes,
        users: bytes,
        created_ms: bytes,
        expires_ms: bytes,
        sizes: bytes,
        seats: bytes,
        check_ins: Sequence[str],
    ) -> BookingColumns:
        """Decodes columns as PostgreSQL sends them: concatenated values of uuid, three times int8, twice int4."""
        halves = received_numbers("Q", ids)
        return cls(
            halves[0::2],
            halves[1::2],
            received_numbers("q", users),
            received_numbers("q", created_ms),
            received_numbers("q", expires_ms),
            received_numbers("I", sizes),
            received_numbers("I", seats),
            check_ins,
        )

    @classmethod
    def of(cls, bookings: Iterable[Booking], seating: Seating) -> BookingColumns:
        """Makes columns of bookings of a show with this seating."""
        rows = list(bookings)
        return cls(
            array("Q", [one.booking_id.int >> 64 for one in rows]),
            array("Q", [one.booking_id.int & _LOW for one in rows]),
            array("q", [one.user_id for one in rows]),
            array("q", [one.created_ms for one in rows]),
            array("q", [one.expires_ms or 0 for one in rows]),
            array("I", [len(one.seats) for one in rows]),
            array("I", [seating.index(label) for one in rows for label in one.seats]),
            [msgspec.json.encode(one.checked_in).decode() for one in rows if one.checked_in],
        )

    def check_in_times(self, start: int, end: int) -> Iterable[tuple[str, int]]:
        """The seats and times (Unix milliseconds) in `check_ins[start:end]`."""
        for one in self.check_ins[start:end]:
            yield from _decode_check_ins(one).items()


class StoredShow(msgspec.Struct, frozen=True):
    """One show with all rows that its writer caches."""

    show_id: int
    partition: int
    status: ShowStatus
    terms: Terms
    version: int
    available: int
    bookings: BookingColumns
    blocked: Numbers
    """Indexes of blocked seats."""


def received_numbers(typecode: str, sent: bytes) -> Numbers:
    """Decodes numbers as PostgreSQL sends them: big-endian, concatenated."""
    numbers: Numbers = array(typecode, sent)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers

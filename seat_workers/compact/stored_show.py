"""A show as read from PostgreSQL, with its bookings as columns: 100,000 seats arrive as a few big values. Pure."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from schemas.events import Booking, ShowStatus, Terms
from schemas.seating import Seating

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
    extended: Sequence[tuple[int, int]] = ()
    """The holds that were extended, confirmed or not: number of the booking, `hold_ms`."""
    paid: Sequence[int] = ()
    """The numbers of the bookings that staff were paid for."""

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
        extended_ids: bytes,
        hold_ms: bytes,
        paid_ids: bytes,
    ) -> BookingColumns:
        """Decodes columns as PostgreSQL sends them: concatenated values of uuid, int8, or int4 for sizes and seats.

        `ids` are in ascending order; `hold_ms` are those of `extended_ids`.
        """
        halves = received_numbers("Q", ids)
        high, low = halves[0::2], halves[1::2]
        return cls(
            high,
            low,
            received_numbers("q", users),
            received_numbers("q", created_ms),
            received_numbers("q", expires_ms),
            received_numbers("I", sizes),
            received_numbers("I", seats),
            check_ins,
            list(zip(_positions(high, low, extended_ids), received_numbers("q", hold_ms), strict=True)),
            _positions(high, low, paid_ids),
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
            [(n, one.hold_ms) for n, one in enumerate(rows) if one.hold_ms is not None],
            [n for n, one in enumerate(rows) if one.paid],
        )

    def check_in_times(self, start: int, end: int) -> Iterable[tuple[str, int]]:
        """The seats and times (Unix milliseconds) in `check_ins[start:end]`."""
        for one in self.check_ins[start:end]:
            yield from _decode_check_ins(one).items()


class BlockedColumns(msgspec.Struct, frozen=True):
    """The blocked seats of one show. The n-th value of a column belongs to the n-th seat."""

    seats: Numbers
    """Indexes of seats."""
    release_ms: Numbers
    """Log times at which the seats become available, Unix milliseconds; 0: never."""
    codes: Sequence[str | None]

    @classmethod
    def received(cls, seats: bytes, release_ms: bytes, codes: Sequence[str | None]) -> BlockedColumns:
        """Decodes columns as PostgreSQL sends them: concatenated values of int4 and int8."""
        return cls(received_numbers("I", seats), received_numbers("q", release_ms), codes)


class StoredShow(msgspec.Struct, frozen=True):
    """One show with all rows that its writer caches."""

    show_id: int
    partition: int
    status: ShowStatus
    terms: Terms
    version: int
    available: int
    bookings: BookingColumns
    blocked: BlockedColumns


def received_numbers(typecode: str, sent: bytes) -> Numbers:
    """Decodes numbers as PostgreSQL sends them: big-endian, concatenated."""
    numbers: Numbers = array(typecode, sent)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _positions(high: Numbers, low: Numbers, ids: bytes) -> list[int]:
    """The positions of some of the ids among all of them, which are given by their halves in ascending order."""
    halves = received_numbers("Q", ids)
    positions = []
    for upper, lower in zip(halves[0::2], halves[1::2], strict=True):
        start = bisect_left(high, upper)
        positions.append(bisect_left(low, lower, start, bisect_right(high, upper, start)))
    return positions

"""The live bookings of a show in compact form: under 100 bytes a seat, so that big shows fit into memory. Pure.

Both classes are ordinary mappings to their users. Prices are not stored: they follow from the layout, which never
changes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from heapq import nsmallest
from itertools import islice, pairwise
from uuid import UUID

from schemas.events import Booking, BookingStatus
from schemas.layout import Seating
from seat_workers.compact.packed_keys import ROWS_PER_STEP, PackedKeys
from seat_workers.compact.stored_show import BookingColumns

_NO_SEAT = 2**32 - 1
_NOT_CHECKED_IN = -1


class LiveBookings(MutableMapping[UUID, Booking]):
    """Live bookings of one show, by id."""

    __slots__ = (
        "_checked_in_ms",
        "_created",
        "_first",
        "_held",
        "_keys",
        "_next",
        "_seating",
        "_show_id",
        "_users",
    )

    def __init__(self, show_id: int, seating: Seating) -> None:
        self._show_id = show_id
        self._seating = seating
        self._keys = PackedKeys()
        self._users = array("q")
        self._created = array("q")
        self._first = array("I")
        self._next = array("I", bytes(4 * len(seating)))
        """Taken seat → the next seat of the same booking."""
        self._held: dict[int, int] = {}
        """Number → expiry in Unix milliseconds, for held bookings."""
        self._checked_in_ms = array("q")
        """Seat → time of its check-in, Unix milliseconds; empty before the first check-in of the show."""

    def fill(self, stored: BookingColumns) -> Iterator[None]:
        """Fills an empty mapping, a few milliseconds of work per iteration. It is usable only after the last one."""
        yield from self._keys.fill(stored.ids_high, stored.ids_low)
        self._users, self._created = stored.users[:], stored.created_ms[:]
        seats, following, at = stored.seats, self._next, 0
        for start in range(0, len(stored.sizes), ROWS_PER_STEP):
            for size in stored.sizes[start : start + ROWS_PER_STEP]:
                self._first.append(seats[at])
                last = at + size - 1
                while at < last:
                    following[seats[at]] = seats[at + 1]
                    at += 1
                following[seats[at]] = _NO_SEAT
                at += 1
            yield
        for start in range(0, len(stored.expires_ms), ROWS_PER_STEP):
            for number, expires_ms in enumerate(stored.expires_ms[start : start + ROWS_PER_STEP], start):
                if expires_ms:
                    self._held[number] = expires_ms
            yield
        for start in range(0, len(stored.check_ins), ROWS_PER_STEP):
            for label, at_ms in stored.check_in_times(start, start + ROWS_PER_STEP):
                self._note_check_in(label, at_ms)
            yield

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[UUID]:
        return (UUID(int=key) for key in self._keys)

    def __contains__(self, booking_id: object) -> bool:
        return isinstance(booking_id, UUID) and self._keys.find(booking_id.int) >= 0

    def __getitem__(self, booking_id: UUID) -> Booking:
        number = self._keys.find(booking_id.int)
        if number < 0:
            raise KeyError(booking_id)
        seats = self._seats(number)
        seating = self._seating
        expires_ms = self._held.get(number)
        return Booking(
            booking_id=booking_id,
            show_id=self._show_id,
            user_id=self._users[number],
            status=BookingStatus.CONFIRMED if expires_ms is None else BookingStatus.HELD,
            seats=tuple([seating.label(seat) for seat in seats]),
            total=sum([seating.price_of(seat) for seat in seats]),
            currency=seating.currency,
            created_ms=self._created[number],
            expires_ms=expires_ms,
            checked_in={
                seating.label(seat): self._checked_in_ms[seat]
                for seat in seats
                if self._checked_in_ms[seat] != _NOT_CHECKED_IN
            }
            if self._checked_in_ms
            else {},
        )

    def __setitem__(self, booking_id: UUID, booking: Booking) -> None:
        self.put(booking, [self._seating.index(label) for label in booking.seats])

    def put(self, booking: Booking, seats: list[int]) -> bool:
        """Adds or updates a booking. Returns whether it is new.

        `seats`: the indexes of its seats, in layout order; they never change.
        """
        number, new = self._keys.put(booking.booking_id.int)
        if new:
            if number == len(self._users):
                self._users.append(booking.user_id)
                self._created.append(booking.created_ms)
                self._first.append(seats[0])
            else:
                self._users[number], self._created[number] = booking.user_id, booking.created_ms
                self._first[number] = seats[0]
            for seat, following in pairwise(seats):
                self._next[seat] = following
            self._next[seats[-1]] = _NO_SEAT
        if booking.expires_ms is not None:
            self._held[number] = booking.expires_ms
        elif self._held:
            self._held.pop(number, None)
        for label, at_ms in booking.checked_in.items():
            self._note_check_in(label, at_ms)
        return new

    def held_until(self, booking_id: UUID) -> int | None:
        """The expiry of a hold, in Unix milliseconds; None when the booking is not held."""
        return self._held.get(self._keys.find(booking_id.int)) if self._held else None

    def _note_check_in(self, label: str, at_ms: int) -> None:
        if not self._checked_in_ms:
            self._checked_in_ms = array("q", [_NOT_CHECKED_IN]) * len(self._seating)
        self._checked_in_ms[self._seating.index(label)] = at_ms

    def __delitem__(self, booking_id: UUID) -> None:
        try:
            number = self._keys.remove(booking_id.int)
        except KeyError:
            raise KeyError(booking_id) from None
        self._held.pop(number, None)
        if self._checked_in_ms:
            for seat in self._seats(number):
                self._checked_in_ms[seat] = _NOT_CHECKED_IN

    def held(self) -> Iterator[tuple[UUID, int, list[int]]]:
        """The held bookings: id, expiry in Unix milliseconds, indexes of the seats."""
        for number, expires_ms in self._held.items():
            yield UUID(int=self._keys.key(number)), expires_ms, self._seats(number)

    def smallest(self, count: int) -> list[UUID]:
        """The `count` smallest ids, in order."""
        return [UUID(int=key) for key in nsmallest(count, self._keys)]

    def _seats(self, number: int) -> list[int]:
        seats = []
        seat = self._first[number]
        while seat != _NO_SEAT:
            seats.append(seat)
            seat = self._next[seat]
        return seats


class SeatsOfCustomers(Mapping[int, int]):
    """Customer → the number of seats of live bookings. Customers with none have no entry."""

    __slots__ = ("_counts", "_keys")

    def __init__(self) -> None:
        self._keys = PackedKeys()
        self._counts = array("I")

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __getitem__(self, user_id: int) -> int:
        number = self._keys.find(user_id)
        if number < 0:
            raise KeyError(user_id)
        return self._counts[number]

    def of(self, user_id: int) -> int:
        """The number of this customer's seats, which may be 0."""
        number = self._keys.find(user_id)
        return self._counts[number] if number >= 0 else 0

    def fill(self, users: Iterable[int], sizes: Iterable[int]) -> Iterator[None]:
        """Fills an empty mapping from bookings, each given by its customer and its number of seats."""
        counts: dict[int, int] = {}
        bookings = zip(users, sizes, strict=True)
        while page := list(islice(bookings, ROWS_PER_STEP)):
            for user_id, seats in page:
                counts[user_id] = counts.get(user_id, 0) + seats
            yield
        yield from self._keys.fill(array("Q", bytes(8 * len(counts))), array("Q", counts))
        self._counts = array("I", counts.values())

    def add(self, user_id: int, seats: int) -> None:
        """Changes a customer's number of seats by `seats`, which may be negative."""
        number, new = self._keys.put(user_id)
        if not new:
            self._counts[number] += seats
            if not self._counts[number]:
                self._keys.remove(user_id)
        elif number == len(self._counts):
            self._counts.append(seats)
        else:
            self._counts[number] = seats

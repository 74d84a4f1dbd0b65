"""The live bookings of a show in compact form: under 100 bytes a seat, so that big shows fit into memory. Pure.

Prices are not stored: they follow from the layout, which never changes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableMapping
from heapq import nsmallest
from itertools import pairwise
from uuid import UUID

from schemas.events import Booking, BookingStatus
from schemas.seating import Seating
from seat_workers.compact.customers import NO_BOOKING, NO_CUSTOMER, SeatsOfCustomers
from seat_workers.compact.packed_keys import ROWS_PER_STEP, PackedKeys
from seat_workers.compact.stored_show import BookingColumns

_NO_SEAT = 2**32 - 1
_NOT_CHECKED_IN = -1


class LiveBookings(MutableMapping[UUID, Booking]):
    """Live bookings of one show, by id: an ordinary mapping to its users. `customers` counts their seats."""

    __slots__ = (
        "_before",
        "_booking_at",
        "_checked_in_ms",
        "_created",
        "_customers",
        "_first",
        "_held",
        "_hold_ms",
        "_keys",
        "_next",
        "_paid",
        "_seating",
        "_show_id",
        "customers",
    )

    def __init__(self, show_id: int, seating: Seating) -> None:
        self._show_id = show_id
        self._seating = seating
        self._keys = PackedKeys()
        self.customers = SeatsOfCustomers()
        self._customers = array("I")
        """Number → the number of its customer, or NO_CUSTOMER."""
        self._before = array("I")
        """Number → the number of the same customer's booking before, or NO_BOOKING."""
        self._created = array("q")
        self._first = array("I")
        self._next = array("I", bytes(4 * len(seating)))
        """Taken seat → the next seat of the same booking."""
        self._booking_at = array("I", bytes(4 * len(seating)))
        """Taken seat → the number of its booking."""
        self._held: dict[int, int] = {}
        """Number → expiry in Unix milliseconds, for held bookings."""
        self._hold_ms: dict[int, int] = {}
        """Number → length in milliseconds, for holds that were extended."""
        self._paid: set[int] = set()
        """Numbers of bookings that staff were paid for."""
        self._checked_in_ms = array("q")
        """Seat → time of its check-in, Unix milliseconds; empty before the first check-in of the show."""

    def fill(self, stored: BookingColumns) -> Iterator[None]:
        """Fills an empty mapping, a few milliseconds of work per iteration. It is usable only after the last one."""
        yield from self._keys.fill(stored.ids_high, stored.ids_low)
        self._created = stored.created_ms[:]
        yield from self.customers.fill(stored.users, stored.sizes, self._customers, self._before)
        seats, following, booking_at, at = stored.seats, self._next, self._booking_at, 0
        for start in range(0, len(stored.sizes), ROWS_PER_STEP):
            for number, size in enumerate(stored.sizes[start : start + ROWS_PER_STEP], start):
                self._first.append(seats[at])
                last = at + size - 1
                while at < last:
                    following[seats[at]] = seats[at + 1]
                    booking_at[seats[at]] = number
                    at += 1
                following[seats[at]] = _NO_SEAT
                booking_at[seats[at]] = number
                at += 1
            yield
        for start in range(0, len(stored.expires_ms), ROWS_PER_STEP):
            for number, expires_ms in enumerate(stored.expires_ms[start : start + ROWS_PER_STEP], start):
                if expires_ms:
                    self._held[number] = expires_ms
            yield
        self._hold_ms.update(stored.extended)
        self._paid.update(stored.paid)
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
            user_id=self.customers.user_id(self._customers[number]),
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
            hold_ms=self._hold_ms.get(number) if self._hold_ms else None,
            paid=number in self._paid,
        )

    def __setitem__(self, booking_id: UUID, booking: Booking) -> None:
        self.put(booking, [self._seating.index(label) for label in booking.seats])

    def put(self, booking: Booking, seats: list[int]) -> bool:
        """Adds or updates a booking. Returns whether it is new.

        `seats`: the indexes of its seats, in layout order, if it is new. `move` changes them.
        """
        number, new = self._keys.put(booking.booking_id.int)
        if new:
            customer, before = NO_CUSTOMER, NO_BOOKING
            if booking.user_id:
                customer, before = self.customers.add_booking(booking.user_id, len(seats), number)
            if number == len(self._customers):
                self._customers.append(customer)
                self._before.append(before)
                self._created.append(booking.created_ms)
                self._first.append(seats[0])
            else:
                self._customers[number], self._before[number] = customer, before
                self._created[number], self._first[number] = booking.created_ms, seats[0]
            self._link(number, seats)
            if booking.paid:
                self._paid.add(number)
        if booking.expires_ms is not None:
            self._held[number] = booking.expires_ms
        elif self._held:
            self._held.pop(number, None)
        if booking.hold_ms is not None:
            self._hold_ms[number] = booking.hold_ms
        for label, at_ms in booking.checked_in.items():
            self._note_check_in(label, at_ms)
        return new

    def move(self, booking_id: UUID, seats: list[int]) -> None:
        """Gives a booking other seats, by their indexes in layout order. Check-ins stay with the seats."""
        number = self._keys.find(booking_id.int)
        self.customers.add_seats(self._customers[number], len(seats) - len(self._seats(number)))
        self._first[number] = seats[0]
        self._link(number, seats)

    def _link(self, number: int, seats: list[int]) -> None:
        for seat, following in pairwise(seats):
            self._next[seat] = following
            self._booking_at[seat] = number
        self._next[seats[-1]] = _NO_SEAT
        self._booking_at[seats[-1]] = number

    def of_customer(self, user_id: int) -> list[UUID]:
        """The ids of a customer's bookings, in order."""
        found = []
        number = self.customers.last_booking(self.customers.number(user_id))
        while number != NO_BOOKING:
            found.append(UUID(int=self._keys.key(number)))
            number = self._before[number]
        return sorted(found)

    def id_at(self, seat: int) -> UUID:
        """The id of the booking that has this taken seat."""
        return UUID(int=self._keys.key(self._booking_at[seat]))

    def owner_at(self, seat: int) -> int:
        """The customer who has this taken seat; 0 for a booking without an owner."""
        return self.customers.user_id(self._customers[self._booking_at[seat]])

    def held_until(self, booking_id: UUID) -> int | None:
        """The expiry of a hold, in Unix milliseconds; None when the booking is not held."""
        return self._held.get(self._keys.find(booking_id.int)) if self._held else None

    def _note_check_in(self, label: str, at_ms: int) -> None:
        if not self._checked_in_ms:
            self._checked_in_ms = array("q", [_NOT_CHECKED_IN]) * len(self._seating)
        self._checked_in_ms[self._seating.index(label)] = at_ms

    def undo_check_in(self, label: str) -> None:
        """Makes a seat of a live booking one that is not checked in."""
        self._checked_in_ms[self._seating.index(label)] = _NOT_CHECKED_IN

    def __delitem__(self, booking_id: UUID) -> None:
        try:
            number = self._keys.remove(booking_id.int)
        except KeyError:
            raise KeyError(booking_id) from None
        seats = self._seats(number)
        if self._customers[number] != NO_CUSTOMER:
            self._unlink_from_customer(number)
            self.customers.add_seats(self._customers[number], -len(seats))
        self._held.pop(number, None)
        self._hold_ms.pop(number, None)
        self._paid.discard(number)
        if self._checked_in_ms:
            for seat in seats:
                self._checked_in_ms[seat] = _NOT_CHECKED_IN

    def _unlink_from_customer(self, number: int) -> None:
        """Takes a booking out of the list of its customer's bookings."""
        customer, before = self._customers[number], self._before[number]
        later = self.customers.last_booking(customer)
        if later == number:
            self.customers.set_last_booking(customer, before)
            return
        while self._before[later] != number:
            later = self._before[later]
        self._before[later] = before

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

"""The customers of a show in compact form: how many seats each has, and which bookings. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from seat_workers.compact.packed_keys import ROWS_PER_STEP, PackedKeys

NO_BOOKING = NO_CUSTOMER = 2**32 - 1
"""Number of no booking, and of the customer of a booking without an owner."""


class SeatsOfCustomers(Mapping[int, int]):
    """Customer → the number of seats of live bookings. Customers with none have no entry.

    Each customer has a number, by which bookings refer to it, and the number of its last booking, where the list of its
    bookings begins (see LiveBookings).
    """

    __slots__ = ("_counts", "_keys", "_last")

    def __init__(self) -> None:
        self._keys = PackedKeys(wide=False)
        self._counts = array("I")
        self._last = array("I")

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __getitem__(self, user_id: int) -> int:
        customer = self._keys.find(user_id)
        if customer < 0:
            raise KeyError(user_id)
        return self._counts[customer]

    def of(self, user_id: int) -> int:
        """The number of this customer's seats, which may be 0."""
        customer = self._keys.find(user_id)
        return self._counts[customer] if customer >= 0 else 0

    def number(self, user_id: int) -> int:
        """The number of a customer, or NO_CUSTOMER for one without seats."""
        customer = self._keys.find(user_id)
        return customer if customer >= 0 else NO_CUSTOMER

    def user_id(self, customer: int) -> int:
        """The id of the customer with this number; 0 for NO_CUSTOMER."""
        return 0 if customer == NO_CUSTOMER else self._keys.key(customer)

    def last_booking(self, customer: int) -> int:
        """The number of the last booking of a customer, given by its number; NO_BOOKING for NO_CUSTOMER."""
        return NO_BOOKING if customer == NO_CUSTOMER else self._last[customer]

    def set_last_booking(self, customer: int, booking: int) -> None:
        """Makes another booking of this customer the last one."""
        self._last[customer] = booking

    def fill(
        self, users: Iterable[int], sizes: Iterable[int], customers: array[int], before: array[int]
    ) -> Iterator[None]:
        """Fills an empty mapping from bookings in order, each given by its customer's id and its number of seats.

        For each booking, its customer's number is added to `customers`, and the number of the same customer's booking
        before to `before`.
        """
        numbers: dict[int, int] = {}
        bookings = enumerate(zip(users, sizes, strict=True))
        while page := list(islice(bookings, ROWS_PER_STEP)):
            for booking, (user_id, seats) in page:
                if not user_id:
                    customers.append(NO_CUSTOMER)
                    before.append(NO_BOOKING)
                    continue
                customer = numbers.get(user_id)
                if customer is None:
                    customer = numbers[user_id] = len(numbers)
                    self._counts.append(seats)
                    self._last.append(booking)
                    before.append(NO_BOOKING)
                else:
                    self._counts[customer] += seats
                    before.append(self._last[customer])
                    self._last[customer] = booking
                customers.append(customer)
            yield
        yield from self._keys.fill(array("Q", bytes(8 * len(numbers))), array("Q", numbers))

    def add_booking(self, user_id: int, seats: int, booking: int) -> tuple[int, int]:
        """Counts the seats of a new booking, from now on its customer's last.

        Returns the customer's number, and that of the booking before or NO_BOOKING.
        """
        customer, new = self._keys.put(user_id)
        if not new:
            before = self._last[customer]
            self._counts[customer] += seats
            self._last[customer] = booking
            return customer, before
        if customer == len(self._counts):
            self._counts.append(seats)
            self._last.append(booking)
        else:
            self._counts[customer], self._last[customer] = seats, booking
        return customer, NO_BOOKING

    def add_seats(self, customer: int, seats: int) -> None:
        """Changes the number of seats of a customer, given by its number, by `seats`, which may be negative."""
        if customer == NO_CUSTOMER:
            return
        self._counts[customer] += seats
        if not self._counts[customer]:
            self._keys.remove(self._keys.key(customer))

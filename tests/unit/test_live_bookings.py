"""Packed bookings are mappings like any other, in little memory."""

from __future__ import annotations

import random
import sys
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Booking, BookingStatus
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Seating, Section, numbered, problems
from seat_workers.live_bookings import LiveBookings, SeatsOfCustomers
from seat_workers.packed_keys import PackedKeys

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200)


@given(STEPS)
def test_packed_keys_do_as_a_dictionary_does(steps: list[tuple[bool, int]]) -> None:
    keys, plain = PackedKeys(), dict[int, int]()
    for add, n in steps:
        key = n << 90 | n  # far apart and close by in their low bits
        if add and key not in plain:
            plain[key] = keys.add(key)
            assert plain[key] < 41, "numbers are given out again"
        elif not add and key in plain:
            assert keys.remove(key) == plain.pop(key)
        assert {one: keys.find(one) for one in keys} == plain
        assert len(keys) == len(plain)
        assert keys.find(1 << 127) == -1


@given(STEPS)
def test_live_bookings_do_as_a_dictionary_does(steps: list[tuple[bool, int]]) -> None:
    seating = Seating(numbered(82, Money(100, "EUR")))
    live, plain = LiveBookings(7, seating), dict[UUID, Booking]()
    for n, (add, seat) in enumerate(steps):
        booking_id = UUID(int=seat)
        if not add and booking_id in plain:
            del live[booking_id], plain[booking_id]
        elif add:
            held = booking_id not in plain and n % 2 == 0
            plain[booking_id] = live[booking_id] = Booking(
                booking_id,
                show_id=7,
                user_id=seat % 3,
                status=BookingStatus.HELD if held else BookingStatus.CONFIRMED,
                seats=(f"{2 * seat + 1}", f"{2 * seat + 2}"),
                total=200,
                currency="EUR",
                created_ms=plain[booking_id].created_ms if booking_id in plain else n,
                expires_ms=n if held else None,
            )
            plain[booking_id] = live[booking_id]
        assert live == plain
        assert live.smallest(3) == sorted(plain)[:3]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3))))
def test_seats_of_customers_are_counted_up_and_down(bookings: list[tuple[int, int]]) -> None:
    counts = SeatsOfCustomers()
    for user_id, seats in bookings:
        counts.add(user_id, seats)
    assert sum(counts.values()) == sum(seats for _, seats in bookings)
    for user_id, seats in bookings:
        counts.add(user_id, -seats)
    assert counts == {}


def test_a_sold_out_house_takes_less_than_100_bytes_a_seat() -> None:
    seats, rng = 20_000, random.Random(1)
    seating = Seating(Layout((Section("", Money(1, "EUR"), tuple(Row(f"R{r}-", 100) for r in range(200))),)))
    live, customers = LiveBookings(7, seating), SeatsOfCustomers()
    for seat in range(seats):
        booking_id = new_booking_id(7, seat, rng.getrandbits(42))
        booking = Booking(booking_id, 7, 10**6 + seat, BookingStatus.CONFIRMED, (), 1, "EUR", 1)
        live.add(booking, [seat])
        customers.add(booking.user_id, 1)
    arrays = [getattr(live, name) for name in ("_users", "_created", "_first", "_next")] + [customers._counts]
    for keys in (live._keys, customers._keys):
        arrays += [keys._high, keys._low, keys._table]
    assert sum(sys.getsizeof(one) for one in arrays) + seats < 100 * seats


ROWS = st.builds(
    Row,
    st.sampled_from(["", "A", "1", "11", "A1", "B"]),
    st.integers(1, 30)
    | st.lists(st.sampled_from(["x", "A3", "12", "111", "1A"]), min_size=1, unique=True).map(tuple),
)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_labels_and_indexes_go_over_into_each_other(rows: list[Row]) -> None:
    layout = Layout((Section("", Money(1, "EUR"), tuple(rows)),))
    if any(problems(layout)):
        return
    seating = Seating(layout)
    index_of = {label: index for index, label in enumerate(seating.labels)}
    for label, index in index_of.items():
        assert (seating.index(label), seating.label(index)) == (index, label)
    for label in ("A0", "A01", "0", "A31", "111", "1111", "zz", "A", "1", "A11", "²", "A²", ""):
        assert seating.find(label) == index_of.get(label, -1)

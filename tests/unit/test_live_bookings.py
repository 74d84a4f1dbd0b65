"""Packed bookings behave like ordinary mappings and take little memory."""

from __future__ import annotations

import random
import sys
from array import array
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Booking, BookingStatus, ShowStatus
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section, numbered
from schemas.layout_problems import problems
from schemas.seating import Seating
from seat_workers.compact.live_bookings import LiveBookings
from seat_workers.compact.packed_keys import ROWS_PER_STEP, PackedKeys
from seat_workers.compact.stored_show import BlockedColumns, BookingColumns, StoredShow
from seat_workers.show_state import PLAIN, Block, Show

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200)


@given(STEPS)
def test_packed_keys_behave_like_a_dictionary(steps: list[tuple[bool, int]]) -> None:
    keys, plain = PackedKeys(), dict[int, int]()
    for add, n in steps:
        key = n << 90 | n  # far apart and close by in their low bits
        if add and key not in plain:
            plain[key], new = keys.put(key)
            assert new
            assert keys.put(key) == (plain[key], False)
            assert plain[key] < 41, "numbers are given out again"
        elif not add and key in plain:
            assert keys.remove(key) == plain.pop(key)
        assert {one: keys.find(one) for one in keys} == plain
        assert len(keys) == len(plain)
        assert keys.find(1 << 127) == -1


@given(STEPS)
def test_live_bookings_behave_like_a_dictionary(steps: list[tuple[bool, int]]) -> None:
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


CHUNKS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["sold", "held", "checked in"])), max_size=25)


@given(CHUNKS, st.integers(0, 2**32).map(random.Random))
def test_a_filled_show_equals_one_that_was_booked_step_by_step(
    chunks: list[tuple[int, str]], rng: random.Random
) -> None:
    seating = Seating(numbered(82, Money(100, "EUR")))
    seats = rng.sample(range(80), 80)
    bookings = []
    for n, (size, kind) in enumerate(chunks, 1):
        labels = tuple(seating.label(seat) for seat in sorted(seats.pop() for _ in range(size)))
        held = kind == "held"
        bookings.append(
            Booking(
                UUID(int=rng.getrandbits(128)),
                show_id=7,
                user_id=n % 4,
                status=BookingStatus.HELD if held else BookingStatus.CONFIRMED,
                seats=labels,
                total=100 * size,
                currency="EUR",
                created_ms=n,
                expires_ms=1_000 + n if held else None,
                checked_in=dict.fromkeys(labels[:2], 5_000 + n) if kind == "checked in" else {},
                hold_ms=500 if n % 3 == 0 else None,
                paid=n % 5 == 0,
            )
        )
    one_by_one, at_once = Show(7, seating), Show(7, seating)
    for booking in bookings:
        one_by_one.claim(booking)
    one_by_one.set_blocked([seating.label(80)], PLAIN)
    one_by_one.set_blocked([seating.label(81)], Block("press", 9))
    at_once.restore(ShowStatus.OPEN, one_by_one.terms, 3, bookings, {80: PLAIN, 81: Block("press", 9)})
    assert at_once.bookings == one_by_one.bookings == {one.booking_id: one for one in bookings}
    assert at_once.seats_of_customer == one_by_one.seats_of_customer
    assert at_once.states == one_by_one.states
    assert at_once.available == one_by_one.available
    assert at_once.blocks == one_by_one.blocks == {81: Block("press", 9)}
    assert at_once.next_expiry_ms() == one_by_one.next_expiry_ms()
    for booking in bookings:
        ended = msgspec.structs.replace(booking, status=BookingStatus.CANCELLED, expires_ms=None)
        at_once.free(ended)
        at_once.claim(
            msgspec.structs.replace(booking, booking_id=UUID(int=rng.getrandbits(128)), checked_in={})
        )
    assert not any(booking.checked_in for booking in at_once.bookings.values()), "check-ins are dropped"
    assert len(at_once.bookings) == len(bookings)


def test_filling_a_big_show_pauses_often() -> None:
    seating = Seating(numbered(20_000, Money(100, "EUR")))
    show = Show(7, seating)
    columns = BookingColumns(
        ids_high=array("Q", range(20_000)),
        ids_low=array("Q", bytes(8 * 20_000)),
        users=array("q", range(20_000)),
        created_ms=array("q", bytes(8 * 20_000)),
        expires_ms=array("q", range(20_000)),
        sizes=array("I", [1]) * 20_000,
        seats=array("I", range(20_000)),
    )
    stored = StoredShow(
        7, 0, ShowStatus.OPEN, show.terms, 1, 0, columns, BlockedColumns(array("I"), array("q"), ())
    )
    assert len(list(show.fill(stored))) > 20_000 // ROWS_PER_STEP * 5
    assert show.available == 0
    assert show.states.decode() == "s" + 19_999 * "h"
    assert show.next_expiry_ms() == 1
    assert len({show.bookings[UUID(int=n << 64)].seats for n in range(20_000)}) == 20_000


def test_bookings_and_claims_that_differ_are_refused() -> None:
    numbers = array("q", [1])
    with pytest.raises(ValueError, match="aisle verify"):
        BookingColumns(
            array("Q", [1]), array("Q", [1]), numbers, numbers, numbers, array("I", [2]), array("I", [5])
        )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.booleans()), max_size=20), st.randoms())
def test_bookings_are_found_by_their_customer(
    bookings: list[tuple[int, int, bool]], rng: random.Random
) -> None:
    seating = Seating(numbered(60, Money(100, "EUR")))
    live = LiveBookings(7, seating)
    free, plain = list(range(60)), {}
    for n, (user_id, size, ends_one) in enumerate(bookings, 1):
        seats = sorted(free.pop() for _ in range(size))
        booking = Booking(
            UUID(int=n << 64),
            show_id=7,
            user_id=user_id,
            status=BookingStatus.CONFIRMED,
            seats=tuple(seating.label(seat) for seat in seats),
            total=100 * size,
            currency="EUR",
            created_ms=n,
        )
        live[booking.booking_id] = plain[booking.booking_id] = booking
        if ends_one:
            ended = rng.choice(sorted(plain))
            del live[ended], plain[ended]
        owners = {one.user_id for one in plain.values()} - {0}
        assert live.customers == {
            owner: sum(len(one.seats) for one in plain.values() if one.user_id == owner) for owner in owners
        }
        for owner in range(5):
            own = sorted(one.booking_id for one in plain.values() if owner and one.user_id == owner)
            assert live.of_customer(owner) == own
        for one in plain.values():
            for label in one.seats:
                seat = seating.index(label)
                assert (live.id_at(seat), live.owner_at(seat)) == (one.booking_id, one.user_id)


def test_a_sold_out_show_takes_less_than_100_bytes_a_seat() -> None:
    seats, rng = 20_000, random.Random(1)
    seating = Seating(Layout((Section("", Money(1, "EUR"), tuple(Row(f"R{r}-", 100) for r in range(200))),)))
    live = LiveBookings(7, seating)
    for seat in range(seats):
        booking_id = new_booking_id(7, seat, rng.getrandbits(42))
        booking = Booking(booking_id, 7, 10**6 + seat, BookingStatus.CONFIRMED, (), 1, "EUR", 1)
        live.put(booking, [seat])
        live.put(msgspec.structs.replace(booking, checked_in={seating.label(seat): seat}), [seat])
    names = ("_customers", "_created", "_first", "_next", "_booking_at", "_before", "_checked_in_ms")
    customers = live.customers
    arrays = [getattr(live, name) for name in names] + [customers._counts, customers._last]
    for keys in (live._keys, customers._keys):
        arrays += [keys._high or array("Q"), keys._low, keys._table]
    assert sum(sys.getsizeof(one) for one in arrays) + seats < 100 * seats


ROWS = st.builds(
    Row,
    st.sampled_from(["", "A", "1", "11", "A1", "B"]),
    st.integers(1, 30)
    | st.lists(st.sampled_from(["x", "A3", "12", "111", "1A"]), min_size=1, unique=True).map(tuple),
)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_labels_map_to_indexes_and_back(rows: list[Row]) -> None:
    layout = Layout((Section("", Money(1, "EUR"), tuple(rows)),))
    if any(problems(layout)):
        return
    seating = Seating(layout)
    index_of = {label: index for index, label in enumerate(seating.labels)}
    for label, index in index_of.items():
        assert (seating.index(label), seating.label(index)) == (index, label)
    for label in ("A0", "A01", "0", "A31", "111", "1111", "zz", "A", "1", "A11", "²", "A²", ""):
        assert seating.find(label) == index_of.get(label, -1)

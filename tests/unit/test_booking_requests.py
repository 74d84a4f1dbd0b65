"""Commands made from requests: what customers may ask for, and what staff may."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from gateway.auth.access_tokens import Caller
from gateway.bookings.requests import book_command, change_seats_command, hold_command, swap_command
from gateway.bookings.seat_requests import extras_of
from gateway.http.problems import Problem
from schemas.api import BookRequest, ChangeSeatsRequest, HoldRequest, SwapSeatsRequest
from schemas.commands import BlockCode, BookSeats, HoldSeats
from schemas.ids import new_booking_id
from schemas.layout import Money
from schemas.text import BLOCK_CODE

CUSTOMER, STAFF = Caller(7, "customer"), Caller(1, "staff")


def book(caller: Caller, **fields: Any) -> BookSeats:
    request = msgspec.convert({"seats": ["1"]} | fields, BookRequest)
    return book_command(caller, 3, request, uuid4())


def hold(caller: Caller, **fields: Any) -> HoldSeats:
    request = msgspec.convert({"seats": ["1"]} | fields, HoldRequest)
    return hold_command(caller, 3, request, uuid4())


def refused(code: str, field: str | None = None) -> Any:
    """Expects a Problem with this code and, if given, an error on this field."""

    def check(problem: BaseException) -> bool:
        assert isinstance(problem, Problem)
        return problem.code == code and (field is None or [name for name, _ in problem.errors] == [field])

    return pytest.RaisesExc(Problem, check=check)


def best(**fields: Any) -> dict[str, Any]:
    return {"seats": None, "quantity": 2} | fields


@pytest.mark.parametrize("make", [book, hold])
@pytest.mark.parametrize(
    "fields", [{"user_id": 9}, {"lift_limit": True}, {"note": "Aisle seat"}, {"note": ""}, {"paid": "cash"}]
)
def test_what_only_staff_may_say_is_forbidden_to_customers(make: Any, fields: dict[str, Any]) -> None:
    with refused("forbidden"):
        make(CUSTOMER, **fields)
    assert make(STAFF, **fields).staff


def test_staff_without_a_customer_sell_to_a_walk_in() -> None:
    assert book(STAFF).walk_in
    assert book(STAFF).owner_id == 0
    for_ada = book(STAFF, user_id=9)
    assert (for_ada.walk_in, for_ada.owner_id) == (False, 9)
    own = book(CUSTOMER)
    assert (own.walk_in, own.owner_id, own.staff) == (False, 7, False)


def test_customers_ask_for_ten_seats_and_staff_for_a_hundred() -> None:
    labels = [str(n) for n in range(1, 102)]
    for caller, most in ((CUSTOMER, 10), (STAFF, 100)):
        assert len(book(caller, seats=labels[:most]).seats) == most
        assert book(caller, **best(quantity=most)).max_seats == most
        for fields in ({"seats": labels[: most + 1]}, best(quantity=most + 1)):
            with refused("too_many_seats"):
                book(caller, **fields)
        change = ChangeSeatsRequest(tuple(labels[:most]))
        booking_id = new_booking_id(3, 0, 1)
        assert change_seats_command(caller, booking_id, change, uuid4()).max_seats == most
        with refused("too_many_seats"):
            change_seats_command(caller, booking_id, ChangeSeatsRequest(tuple(labels[: most + 1])), uuid4())


def test_staff_hold_for_thirty_days_and_customers_for_fifteen_minutes() -> None:
    assert hold(CUSTOMER, hold_s=900).hold_ms == 900_000
    assert hold(STAFF, hold_s=30 * 86_400).hold_ms == 30 * 86_400_000
    with refused("validation", "hold_s"):
        hold(CUSTOMER, hold_s=901)
    with pytest.raises(msgspec.ValidationError):
        hold(STAFF, hold_s=30 * 86_400 + 1)


def test_kind_and_price_go_with_a_quantity() -> None:
    for fields in ({"kind": "accessible"}, {"max_price": 5}, {"max_price": {"amount": 5, "currency": "EUR"}}):
        with refused("validation", next(iter(fields))):
            book(CUSTOMER, **fields)
    asked = book(CUSTOMER, **best(kind="accessible", max_price={"amount": 5, "currency": "EUR"}))
    assert (asked.kind, asked.max_price) == ("accessible", Money(5, "EUR"))


def test_every_request_for_seats_asks_for_the_own_bookings_in_the_way() -> None:
    assert all(make(caller).yours for make in (book, hold) for caller in (CUSTOMER, STAFF))


def test_the_log_has_no_text_of_people() -> None:
    command = book(STAFF, note="Mrs Ada Lovelace", paid="card")
    assert (command.noted, command.paid) == (True, True)
    assert b"Ada" not in msgspec.json.encode(command)
    assert b"card" not in msgspec.json.encode(command)
    assert not book(STAFF, note="").noted


def test_only_requests_that_need_it_are_looked_up() -> None:
    assert extras_of(BookRequest(seats=("1",))) is None
    assert extras_of(BookRequest(seats=("1",), note="", lift_limit=True)) is None
    for fields in ({"user_id": 9}, {"max_price": 5}, {"note": "x"}, {"paid": "free"}):
        assert extras_of(msgspec.convert(fields, BookRequest)) is not None


def test_a_swap_is_for_staff_and_two_bookings_of_one_show() -> None:
    one, other, elsewhere = (new_booking_id(show, 0, n) for show, n in ((3, 1), (3, 2), (4, 3)))
    with refused("forbidden"):
        swap_command(CUSTOMER, one, SwapSeatsRequest(other), uuid4())
    for wrong in (one, elsewhere):
        with refused("validation", "with"):
            swap_command(STAFF, one, SwapSeatsRequest(wrong), uuid4())
    with refused("not_found"):
        swap_command(STAFF, one, SwapSeatsRequest(UUID(int=5)), uuid4())
    assert swap_command(STAFF, one, SwapSeatsRequest(other), uuid4()).with_booking_id == other


def test_changed_seats_are_a_set() -> None:
    booking_id = new_booking_id(3, 0, 1)
    for seats, field in ((("1", "1"), "seats[1]"), ((), "seats"), (("\0",), "seats[0]")):
        with refused("validation", field):
            change_seats_command(CUSTOMER, booking_id, ChangeSeatsRequest(seats), uuid4())


def test_the_pattern_of_a_code_has_its_words() -> None:
    assert repr(BLOCK_CODE) in repr(BlockCode)

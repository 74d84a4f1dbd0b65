"""Problems of refused decisions: every reason has its status and says what to do; own bookings are named."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from gateway.commands.refusals import problem_of, refusal_of
from gateway.http.problems import PROBLEMS
from schemas.events import Booking, BookingStatus, Decision, Reason
from schemas.ids import Position
from schemas.wire import encode

HELD = Booking(UUID(int=1), 7, 5, BookingStatus.HELD, ("A1", "A2"), 0, "EUR", 0, 60_000)
SOLD = Booking(UUID(int=2), 7, 5, BookingStatus.CONFIRMED, ("A3",), 0, "EUR", 0)


def document(decision: Decision) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(refusal_of(encode(decision), Position(3, 4)).body)
    return found


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_status_and_a_detail(reason: Reason) -> None:
    problem = problem_of(Decision(reason, limit=7))
    assert problem.status == PROBLEMS[reason.value][0]
    assert len(problem.detail) > 20


def test_own_bookings_are_named_in_the_problem() -> None:
    for reason in (Reason.SEAT_TAKEN, Reason.LIMIT_EXCEEDED):
        problem = document(Decision(reason, ("A1",), limit=2, yours=(HELD, SOLD)))
        assert problem["yours"] == [
            {
                "id": str(UUID(int=1)),
                "status": "held",
                "seats": ["A1", "A2"],
                "expires_at": "1970-01-01T00:01:00.000Z",
            },
            {"id": str(UUID(int=2)), "status": "confirmed", "seats": ["A3"], "expires_at": None},
        ]
        assert problem["decided"] == {"partition": 3, "offset": 4}
        assert "cancel one that yours names" in problem["detail"]
    assert "confirm, change or cancel" in document(Decision(Reason.SEAT_TAKEN, yours=(HELD,)))["detail"]
    assert "confirm" not in document(Decision(Reason.SEAT_TAKEN, yours=(SOLD,)))["detail"]


def test_a_refusal_without_own_bookings_names_none() -> None:
    mine = Decision(Reason.SEAT_TAKEN, ("A1",), yours=(HELD,))
    assert "yours" in document(mine)
    for other in (
        Decision(Reason.SEAT_TAKEN, ("A1",)),
        Decision(Reason.SEAT_TAKEN, ("A1",), unshared=(5,)),
        Decision(Reason.SEAT_TAKEN, ('"yours":',)),
    ):
        problem = document(other)
        assert "yours" not in problem
        assert "unshared" not in problem
        assert problem["seats"] == list(other.seats)
    assert document(mine)["yours"][0]["id"] == str(HELD.booking_id)


def test_the_limit_of_a_request_is_the_one_decided() -> None:
    assert "At most 100 seats" in problem_of(Decision(Reason.TOO_MANY_SEATS, limit=100)).detail
    assert "At most 10 seats" in problem_of(Decision(Reason.TOO_MANY_SEATS)).detail


def test_another_number_of_seats_is_an_error_on_the_field() -> None:
    problem = problem_of(Decision(Reason.VALIDATION, limit=3)).document()
    assert [error["field"] for error in problem["errors"]] == ["seats"]
    assert "3" in problem["errors"][0]["message"]
    assert "errors" not in problem_of(Decision(Reason.VALIDATION)).document()

"""The checks of a storm report each planted fault and accept a correct history."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.checks import violations
from tests.chaos.history import Attempt, Fault, History
from tests.chaos.planted import Plant, answered, change, money, request, restored
from tests.chaos.show_plans import Seat, ShowPlan
from tests.chaos.stored_state import Claim, StoredBooking, StoredState

RUNS_OUT_S = 40.0
RUNS_OUT = "1970-01-01T00:00:40.000Z"
READ_AT_S = 100.0
PLAN = ShowPlan(7, tuple(Seat(str(number), 100) for number in range(1, 11)))


def acked(
    booking_id: str, user_id: int, seats: str, offset: int, status: str = "confirmed"
) -> dict[str, Any]:
    return {
        "id": booking_id,
        "user_id": user_id,
        "seats": seats.split(),
        "status": status,
        "total": money(100 * len(seats.split())),
        "created_at": "1970-01-01T00:00:04.000Z",
        "expires_at": RUNS_OUT if status == "held" else None,
        "decided": {"partition": 0, "offset": offset},
    }


TAKEN = {"code": "seat_taken", "seats": ["2"], "decided": {"partition": 0, "offset": 13}}


def correct() -> tuple[History, StoredState]:
    """Everything that can happen, once: repeats, a 202, refusals, a dead gateway, holds that end in each way."""
    one, two, lost = (
        acked("b1", 1, "1", 10),
        acked("b2", 2, "2", 12),
        {"code": "log_unavailable"},
    )
    history = History(
        requests=[
            request(
                1, "book", "k1",
                Attempt(sent=1.0, ended=1.1, error="ReadError"),
                answered(1.2, one),
                answered(1.4, one, replayed=True),
                seats=("1",),
            ),
            request(
                2, "book", "k2",
                answered(
                    2.0, {"command": "0-12"}, 202, location="/api/commands/0-12", retry_after="1",
                    command={"status": "accepted", "booking": two}, decided_at=2.5,
                ),
                seats=("2",),
            ),
            request(
                *(1, "book", "k3", answered(2.2, lost, 503, retry_after="2"), answered(2.4, TAKEN, 409)), seats=("2",)
            ),
            request(1, "cancel", "k4", answered(3.0, acked("b1", 1, "1", 14, "cancelled"), 200), booking_id="b1"),
            request(3, "hold", "k5", answered(4.0, acked("h1", 3, "5 6", 20, "held")), quantity=2, hold_s=36),
            request(3, "confirm", "k6", answered(5.0, acked("h1", 3, "5 6", 21), 200), booking_id="h1"),
            request(3, "confirm", "k7", answered(5.0, {"code": "already_confirmed"}, 409), booking_id="h1"),
            request(3, "hold", "k8", answered(6.0, acked("h2", 3, "7", 22, "held")), seats=("7",), hold_s=36),
            request(3, "cancel", "k9", answered(7.0, acked("h2", 3, "7", 23, "released"), 200), booking_id="h2"),
            request(3, "hold", "k10", answered(8.0, acked("h3", 3, "8", 24, "held")), seats=("8",), hold_s=36),
            request(3, "confirm", "k11", answered(41.0, {"code": "hold_expired"}, 409), booking_id="h3"),
            request(4, "hold", "k12", answered(42.0, acked("h4", 4, "9", 26, "held") | {
                "expires_at": "1970-01-01T00:10:00.000Z"}), seats=("9",), hold_s=596),
            request(4, "book", None, Attempt(sent=1.1, ended=1.2, error="ReadError"), quantity=1),
        ],
        shows=[PLAN],
        faults=[Fault(part="gateway-1", how="SIGKILL", began=1.05, over=1.2)],
    )  # fmt: skip
    rows = [
        StoredBooking("b1", 7, 1, "cancelled", ("1",), 100),
        StoredBooking("b2", 7, 2, "confirmed", ("2",), 100),
        StoredBooking("h1", 7, 3, "confirmed", ("5", "6"), 200),
        StoredBooking("h2", 7, 3, "released", ("7",), 100),
        StoredBooking("h3", 7, 3, "expired", ("8",), 100),
        StoredBooking("h4", 7, 4, "held", ("9",), 100, 600.0),
        StoredBooking("x1", 7, 4, "confirmed", ("10",), 100),
    ]
    sold, held = {"2": "b2", "5": "h1", "6": "h1", "10": "x1"}, {"9": "h4"}
    stored = StoredState(
        bookings={row.booking_id: row for row in rows},
        claims={
            7: {seat: Claim(booking_id, "s") for seat, booking_id in sold.items()}
            | {seat: Claim(booking_id, "h") for seat, booking_id in held.items()}
        },
        blocks={7: {}},
        remarks={},
        shown_to_staff={},
        shown_to_owner={},
        kinds={7: None},
        maps={7: {str(n): "s" if str(n) in sold else "h" if str(n) in held else "a" for n in range(1, 11)}},
        decided_events={"0-10-0", "0-12-0", "0-14-0"},
        published_events={"0-10-0", "0-12-0", "0-14-0"},
        read_at_s=READ_AT_S,
    )
    return history, stored


def lose_b2(history: History, stored: StoredState) -> None:
    del stored.bookings["b2"]


def sell_seat_2_again(history: History, stored: StoredState) -> None:
    stored.bookings["b3"] = StoredBooking("b3", 7, 1, "confirmed", ("2",), 100)
    change(history, "k3", 1, status=201, body=acked("b3", 1, "2", 13))


def additional(booking_id: str, status: str, seat: str, user_id: int = 1) -> Plant:
    """Adds a stored booking that no client has acknowledged."""
    row = StoredBooking(booking_id, 7, user_id, status, (seat,), 100)
    return lambda history, stored: stored.bookings.update({booking_id: row})


FAULTS: dict[str, tuple[Plant, str]] = {
    "a booking is lost": (lose_b2, "lost"),
    "a booking is there twice": (additional("b9", "cancelled", "1"), "without a request, twice"),
    "a refused request has a booking": (additional("b9", "confirmed", "2"), "although refused"),
    "a request without a response was executed twice": (additional("x2", "confirmed", "3", 4), "twice"),
    "a cancel is lost": (lambda h, s: restored(s, "b1", status="confirmed"), "acknowledged as cancelled"),
    "a booking is cancelled by itself": (
        lambda h, s: restored(s, "b2", status="cancelled"),
        "acknowledged as confirmed, and is cancelled",
    ),
    "a confirmed hold runs out": (
        lambda h, s: restored(s, "h1", status="expired"),
        "acknowledged as confirmed, and is expired",
    ),
    "a confirmation is lost": (
        lambda h, s: restored(s, "h1", status="held", expires_s=RUNS_OUT_S),
        "its time is up, and it is still held",
    ),
    "a release is lost": (lambda h, s: restored(s, "h2", status="expired"), "acknowledged as released"),
    "a hold runs out before its time": (
        lambda h, s: restored(s, "h4", status="expired"),
        "acknowledged as held, and is expired",
    ),
    "a hold does not run out": (
        lambda h, s: restored(s, "h3", status="held", expires_s=RUNS_OUT_S),
        "its time is up",
    ),
    "a hold is refused as run out before its time": (
        lambda h, s: change(h, "k11", 0, sent=9.0, ended=9.1),
        "refused with hold_expired, and it was only ['held']",
    ),
    "a confirmation after the time": (
        lambda h, s: change(h, "k11", 0, status=200, body=acked("h2", 3, "7", 25)),
        "accepted with another booking",
    ),
    "a confirmation of what is released": (
        lambda h, s: h.requests.append(
            request(3, "confirm", "k20", answered(9.0, acked("h2", 3, "7", 30), 200), booking_id="h2")
        ),
        "which it cannot have become from ['released']",
    ),
    "a cancel of what is held is no release": (
        lambda h, s: change(h, "k9", 0, body=acked("h2", 3, "7", 23, "cancelled")),
        "which it cannot have become from ['held']",
    ),
    "a refusal for what never was": (
        lambda h, s: change(h, "k7", 0, body={"code": "already_cancelled"}),
        "refused with already_cancelled, and it was only",
    ),
    "a seat is sold twice": (sell_seat_2_again, "sold 2 times"),
    "a claim is missing": (lambda h, s: s.claims[7].clear(), "not claimed"),
    "a claim stays": (lambda h, s: s.claims[7].update({"1": Claim("b1", "s")}), "claimed without a booking"),
    "a claim of a confirmed hold is only held": (
        lambda h, s: s.claims[7].update({"5": Claim("h1", "h")}),
        "not claimed for it",
    ),
    "the map is old": (lambda h, s: s.maps[7].update({"2": "a"}), "is shown as 'a'"),
    "the map shows a hold as sold": (lambda h, s: s.maps[7].update({"9": "s"}), "is shown as 's'"),
    "a repeat is answered otherwise": (
        lambda h, s: change(h, "k1", 2, body=acked("b8", 1, "1", 11)),
        "different answers to the same key",
    ),
    "a key is refused, then accepted": (
        lambda h, s: change(h, "k1", 2, status=409, body=TAKEN),
        "different answers to the same key",
    ),
    "the log turns the order round": (
        lambda h, s: change(h, "k4", 0, body=acked("b1", 1, "1", 11, "cancelled")),
        "decided before it",
    ),
    "a 202 is never decided": (
        lambda h, s: change(h, "k2", 0, command={"status": "pending"}),
        "never decided",
    ),
    "an event is lost": (lambda h, s: s.published_events.discard("0-12-0"), "never published"),
    "an event is made up": (lambda h, s: s.published_events.add("0-13-0"), "that no decision has"),
    "an internal error": (lambda h, s: change(h, "k3", 0, status=500, body={}), "500"),
    "a 503 without Retry-After": (lambda h, s: change(h, "k3", 0, retry_after=""), "Retry-After"),
    "a refusal for no reason": (
        lambda h, s: change(h, "k3", 1, body={"code": "show_closed"}),
        "refused with 409 show_closed",
    ),
    "no answer, though gateways ran": (lambda h, s: h.faults.clear(), "while every gateway ran"),
    "other seats than asked for": (
        lambda h, s: change(h, "k1", 1, body=acked("b1", 1, "3", 10)),
        "other seats than asked for",
    ),
    "other seats than answered": (
        lambda h, s: restored(s, "b2", seats=("1",)),
        "acknowledged with the seats",
    ),
    "seats that are apart": (
        lambda h, s: change(h, "k5", 0, body=acked("h1", 3, "4 6", 20, "held")),
        "not 2 seats side by side",
    ),
    "fewer seats than asked for": (
        lambda h, s: change(h, "k5", 0, body=acked("h1", 3, "5", 20, "held")),
        "not 2 seats: ",
    ),
}


def test_a_correct_history_passes() -> None:
    assert violations(*correct()) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_reported(fault: str) -> None:
    history, stored = correct()
    plant, message = FAULTS[fault]
    plant(history, stored)
    found = violations(history, stored)
    assert any(message in violation for violation in found), found

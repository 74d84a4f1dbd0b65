"""The checks of a storm report each planted fault and accept a correct history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.chaos.checks import violations
from tests.chaos.history import Attempt, Fault, History, Kind, Request
from tests.chaos.stored_state import Claim, StoredBooking, StoredState

Plant = Callable[[History, StoredState], None]

RUNS_OUT_S = 40.0
RUNS_OUT = "1970-01-01T00:00:40.000Z"
READ_AT_S = 100.0


def told(booking_id: str, user_id: int, seats: str, offset: int, status: str = "confirmed") -> dict[str, Any]:
    return {
        "id": booking_id,
        "user_id": user_id,
        "seats": seats.split(),
        "status": status,
        "expires_at": RUNS_OUT if status == "held" else None,
        "decided": {"partition": 0, "offset": offset},
    }


def answered(sent: float, body: dict[str, Any], status: int = 201, **more: Any) -> Attempt:
    return Attempt(sent=sent, ended=sent + 0.1, status=status, body=body, **more)


def request(user_id: int, kind: Kind, key: str | None, *attempts: Attempt, **which: Any) -> Request:
    return Request(user_id=user_id, show_id=7, kind=kind, key=key, attempts=list(attempts), **which)


TAKEN = {"code": "seat_taken"}


def honest() -> tuple[History, StoredState]:
    """Everything that can happen, once: repeats, a 202, refusals, a dead gateway, holds that end in each way."""
    one, two, lost = told("b1", 1, "1", 10), told("b2", 2, "2", 12), {"code": "log_unavailable"}
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
            request(1, "cancel", "k4", answered(3.0, told("b1", 1, "1", 14, "cancelled"), 200), booking_id="b1"),
            request(3, "hold", "k5", answered(4.0, told("h1", 3, "5 6", 20, "held")), quantity=2, hold_s=36),
            request(3, "confirm", "k6", answered(5.0, told("h1", 3, "5 6", 21), 200), booking_id="h1"),
            request(3, "confirm", "k7", answered(5.0, {"code": "already_confirmed"}, 409), booking_id="h1"),
            request(3, "hold", "k8", answered(6.0, told("h2", 3, "7", 22, "held")), seats=("7",), hold_s=36),
            request(3, "cancel", "k9", answered(7.0, told("h2", 3, "7", 23, "released"), 200), booking_id="h2"),
            request(3, "hold", "k10", answered(8.0, told("h3", 3, "8", 24, "held")), seats=("8",), hold_s=32),
            request(3, "confirm", "k11", answered(41.0, {"code": "hold_expired"}, 409), booking_id="h3"),
            request(4, "hold", "k12", answered(42.0, told("h4", 4, "9", 26, "held") | {
                "expires_at": "1970-01-01T00:10:00.000Z"}), seats=("9",), hold_s=558),
            request(4, "book", None, Attempt(sent=1.1, ended=1.2, error="ReadError"), quantity=1),
        ],
        faults=[Fault(part="gateway-1", how="SIGKILL", began=1.05, over=1.2)],
    )  # fmt: skip
    rows = [
        StoredBooking("b1", 7, 1, "cancelled", ("1",)),
        StoredBooking("b2", 7, 2, "confirmed", ("2",)),
        StoredBooking("h1", 7, 3, "confirmed", ("5", "6")),
        StoredBooking("h2", 7, 3, "released", ("7",)),
        StoredBooking("h3", 7, 3, "expired", ("8",)),
        StoredBooking("h4", 7, 4, "held", ("9",)),
        StoredBooking("x1", 7, 4, "confirmed", ("10",)),
    ]
    sold, held = {"2": "b2", "5": "h1", "6": "h1", "10": "x1"}, {"9": "h4"}
    stored = StoredState(
        bookings={row.booking_id: row for row in rows},
        claims={
            7: {seat: Claim(booking_id, "s") for seat, booking_id in sold.items()}
            | {seat: Claim(booking_id, "h") for seat, booking_id in held.items()}
        },
        maps={7: {str(n): "s" if str(n) in sold else "h" if str(n) in held else "a" for n in range(1, 11)}},
        decided_events={"0-10-0", "0-12-0", "0-14-0"},
        published_events={"0-10-0", "0-12-0", "0-14-0"},
        read_at_s=READ_AT_S,
    )
    return history, stored


def change(history: History, key: str, attempt: int, **fields: Any) -> None:
    attempts = next(request for request in history.requests if request.key == key).attempts
    attempts[attempt] = msgspec.structs.replace(attempts[attempt], **fields)


def restored(stored: StoredState, booking_id: str, **fields: Any) -> None:
    stored.bookings[booking_id] = msgspec.structs.replace(stored.bookings[booking_id], **fields)


def lose_b2(history: History, stored: StoredState) -> None:
    del stored.bookings["b2"]


def sell_seat_2_again(history: History, stored: StoredState) -> None:
    stored.bookings["b3"] = StoredBooking("b3", 7, 1, "confirmed", ("2",))
    change(history, "k3", 1, status=201, body=told("b3", 1, "2", 13))


def stored_too(booking_id: str, status: str, seat: str, user_id: int = 1) -> Plant:
    """A booking is there that nobody was told of."""
    row = StoredBooking(booking_id, 7, user_id, status, (seat,))
    return lambda history, stored: stored.bookings.update({booking_id: row})


LIES: dict[str, tuple[Plant, str]] = {
    "a booking is lost": (lose_b2, "lost"),
    "a booking is there twice": (stored_too("b9", "cancelled", "1"), "without having been asked for, twice"),
    "what was refused has a booking": (stored_too("b9", "confirmed", "2"), "though it was refused"),
    "what nobody saw come true was done twice": (stored_too("x2", "confirmed", "3", 4), "twice"),
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
        lambda h, s: restored(s, "h1", status="held"),
        "its time is up, and it is still held",
    ),
    "a release is lost": (lambda h, s: restored(s, "h2", status="expired"), "acknowledged as released"),
    "a hold runs out before its time": (
        lambda h, s: restored(s, "h4", status="expired"),
        "acknowledged as held, and is expired",
    ),
    "a hold does not run out": (lambda h, s: restored(s, "h3", status="held"), "its time is up"),
    "a hold is refused as run out before its time": (
        lambda h, s: change(h, "k11", 0, sent=9.0, ended=9.1),
        "refused with hold_expired, and it was only ['held']",
    ),
    "a confirmation after the time": (
        lambda h, s: change(h, "k11", 0, status=200, body=told("h2", 3, "7", 25)),
        "accepted with another booking",
    ),
    "a confirmation of what is released": (
        lambda h, s: h.requests.append(
            request(3, "confirm", "k20", answered(9.0, told("h2", 3, "7", 30), 200), booking_id="h2")
        ),
        "which it cannot have become from ['released']",
    ),
    "a cancel of what is held is no release": (
        lambda h, s: change(h, "k9", 0, body=told("h2", 3, "7", 23, "cancelled")),
        "which it cannot have become from ['held']",
    ),
    "a refusal for what never was": (
        lambda h, s: change(h, "k7", 0, body={"code": "already_cancelled"}),
        "refused with already_cancelled, and it was only",
    ),
    "a seat is sold twice": (sell_seat_2_again, "sold 2 times"),
    "a claim is missing": (lambda h, s: s.claims[7].clear(), "not claimed"),
    "a claim stays": (lambda h, s: s.claims[7].update({"1": Claim("b1", "s")}), "nobody has it"),
    "a claim of a confirmed hold is only held": (
        lambda h, s: s.claims[7].update({"5": Claim("h1", "h")}),
        "not claimed for it",
    ),
    "the map is old": (lambda h, s: s.maps[7].update({"2": "a"}), "is shown as 'a'"),
    "the map shows a hold as sold": (lambda h, s: s.maps[7].update({"9": "s"}), "is shown as 's'"),
    "a repeat is answered otherwise": (
        lambda h, s: change(h, "k1", 2, body=told("b8", 1, "1", 11)),
        "different answers to the same key",
    ),
    "a key is refused, then accepted": (
        lambda h, s: change(h, "k1", 2, status=409, body=TAKEN),
        "different answers to the same key",
    ),
    "the log turns the order round": (
        lambda h, s: change(h, "k4", 0, body=told("b1", 1, "1", 11, "cancelled")),
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
        lambda h, s: change(h, "k1", 1, body=told("b1", 1, "3", 10)),
        "other seats than asked for",
    ),
    "other seats than answered": (lambda h, s: restored(s, "b2", seats=("1",)), "stored as"),
    "seats that are apart": (
        lambda h, s: change(h, "k5", 0, body=told("h1", 3, "4 6", 20, "held")),
        "not 2 seats side by side",
    ),
    "fewer seats than asked for": (
        lambda h, s: change(h, "k5", 0, body=told("h1", 3, "5", 20, "held")),
        "not 2 seats side by side",
    ),
}


def test_an_honest_history_passes() -> None:
    assert violations(*honest()) == []


@pytest.mark.parametrize("lie", LIES)
def test_each_planted_fault_is_reported(lie: str) -> None:
    history, stored = honest()
    plant, told = LIES[lie]
    plant(history, stored)
    found = violations(history, stored)
    assert any(told in complaint for complaint in found), found

"""The checks see: each lie that is planted in an honest history is told, and the honest one passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.chaos.checks import Stored, StoredBooking, complaints
from tests.chaos.history import Attempt, Fault, History, Wish

Plant = Callable[[History, Stored], None]


def booked(booking_id: str, seat: str, offset: int, status: str = "confirmed") -> dict[str, Any]:
    return {
        "id": booking_id,
        "seats": [seat],
        "status": status,
        "decided": {"partition": 0, "offset": offset},
    }


def honest() -> tuple[History, Stored]:
    """Two bookings, one of them repeated and cancelled, a 202, a refusal and a dead gateway."""
    one, two = booked("b1", "1", 10), booked("b2", "2", 12)
    path = "/api/shows/7/bookings"
    taken = {"code": "seat_taken"}
    history = History(
        wishes=[
            Wish(
                user_id=1, show_id=7, path=path, key="k1", seats=("1",),
                attempts=[
                    Attempt(sent=1.0, ended=1.1, error="ReadError"),
                    Attempt(sent=1.2, ended=1.3, status=201, body=one),
                    Attempt(sent=1.4, ended=1.5, status=201, body=one, replayed=True),
                ],
            ),
            Wish(
                user_id=2, show_id=7, path=path, key="k2", seats=("2",),
                attempts=[
                    Attempt(
                        sent=2.0, ended=2.1, status=202, body={"command": "0-12"},
                        location="/api/commands/0-12", retry_after="1",
                        fate={"status": "accepted", "booking": two},
                    )
                ],
            ),
            Wish(
                user_id=1, show_id=7, path=path, key="k3", seats=("2",),
                attempts=[
                    Attempt(sent=2.2, ended=2.3, status=503, body={"code": "log_unavailable"}, retry_after="2"),
                    Attempt(sent=2.4, ended=2.5, status=409, body=taken),
                ],
            ),
            Wish(
                user_id=1, show_id=7, path="/api/bookings/b1/cancel", key="k4", booking_id="b1",
                attempts=[Attempt(sent=3.0, ended=3.1, status=200, body=booked("b1", "1", 14, "cancelled"))],
            ),
        ],
        faults=[Fault(part="gateway-1", how="SIGKILL", began=1.05, over=1.2)],
    )  # fmt: skip
    stored = Stored(
        bookings={
            "b1": StoredBooking("b1", 7, 1, "cancelled", ("1",)),
            "b2": StoredBooking("b2", 7, 2, "confirmed", ("2",)),
        },
        claims={7: {"2": "b2"}},
        maps={7: {"1": "a", "2": "s"}},
        decided_events={"0-10-0", "0-12-0", "0-14-0"},
        published_events={"0-10-0", "0-12-0", "0-14-0"},
    )
    return history, stored


def change(history: History, wish: int, attempt: int, **fields: Any) -> None:
    attempts = history.wishes[wish].attempts
    attempts[attempt] = msgspec.structs.replace(attempts[attempt], **fields)


def restored(stored: Stored, booking_id: str, **fields: Any) -> None:
    stored.bookings[booking_id] = msgspec.structs.replace(stored.bookings[booking_id], **fields)


def lose_b2(history: History, stored: Stored) -> None:
    del stored.bookings["b2"]


def sell_seat_2_again(history: History, stored: Stored) -> None:
    stored.bookings["b3"] = StoredBooking("b3", 7, 1, "confirmed", ("2",))
    change(history, 2, 1, status=201, body=booked("b3", "2", 13))


LIES: dict[str, tuple[Plant, str]] = {
    "a booking is lost": (lose_b2, "lost"),
    "a booking is there twice": (
        lambda h, s: s.bookings.update(b9=StoredBooking("b9", 7, 1, "cancelled", ("1",))),
        "without having been asked for, or twice",
    ),
    "a cancel is lost": (lambda h, s: restored(s, "b1", status="confirmed"), "acknowledged as cancelled"),
    "a booking is cancelled by itself": (
        lambda h, s: restored(s, "b2", status="cancelled"),
        "never cancelled",
    ),
    "a seat is sold twice": (sell_seat_2_again, "sold 2 times"),
    "a claim is missing": (lambda h, s: s.claims[7].clear(), "not claimed"),
    "a claim stays": (lambda h, s: s.claims[7].update({"1": "b1"}), "nobody has booked it"),
    "the map is old": (lambda h, s: s.maps[7].update({"2": "a"}), "is shown as 'a'"),
    "a repeat is answered otherwise": (
        lambda h, s: change(h, 0, 2, body=booked("b8", "1", 11)),
        "different answers to the same key",
    ),
    "a key is refused, then accepted": (
        lambda h, s: change(h, 0, 2, status=409, body={"code": "seat_taken"}),
        "different answers to the same key",
    ),
    "the log turns the order round": (
        lambda h, s: change(h, 3, 0, body=booked("b1", "1", 11, "cancelled")),
        "decided before it",
    ),
    "a 202 is never decided": (lambda h, s: change(h, 1, 0, fate={"status": "pending"}), "never decided"),
    "an event is lost": (lambda h, s: s.published_events.discard("0-12-0"), "never published"),
    "an event is made up": (lambda h, s: s.published_events.add("0-13-0"), "that no decision has"),
    "an internal error": (lambda h, s: change(h, 2, 0, status=500, body={}), "500"),
    "a 503 without Retry-After": (lambda h, s: change(h, 2, 0, retry_after=""), "Retry-After"),
    "a refusal for no reason": (
        lambda h, s: change(h, 2, 1, body={"code": "show_closed"}),
        "409 show_closed",
    ),
    "no answer, though gateways ran": (lambda h, s: h.faults.clear(), "while every gateway ran"),
    "other seats than asked for": (lambda h, s: restored(s, "b2", seats=("1",)), "stored as"),
}


def test_an_honest_history_passes() -> None:
    assert complaints(*honest()) == []


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_told(lie: str) -> None:
    history, stored = honest()
    plant, told = LIES[lie]
    plant(history, stored)
    found = complaints(history, stored)
    assert any(told in complaint for complaint in found), found

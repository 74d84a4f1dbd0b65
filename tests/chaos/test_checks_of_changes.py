"""The checks of changes, walk-ins, blocks and kinds of seats report each planted fault and accept a correct history."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.checks import violations
from tests.chaos.history import History
from tests.chaos.planted import Plant, alter, answered, asked, at, change, money, request, restored
from tests.chaos.show_plans import ShowPlan, one_row
from tests.chaos.stored_state import Claim, Remark, StoredBlock, StoredBooking, StoredState

SHOW = 8
PLAN = ShowPlan(SHOW, one_row(12)[1])
"""A-1 and A-3 are companion seats beside the accessible A-2; these cost 400, the others 900."""
STAFF, CUSTOMER = 9, 2
REMARK = {"note": "Aisle seat", "paid": "cash"}


def body(
    booking_id: str, user_id: int | None, seats: str, offset: int, expires_s: float = 0.0, made_s: float = 1.0
) -> dict[str, Any]:
    """A booking in a response: held if it expires, confirmed otherwise."""
    return {
        "id": booking_id,
        "user_id": user_id,
        "seats": seats.split(),
        "status": "held" if expires_s else "confirmed",
        "total": money(PLAN.total(seats.split())),
        "created_at": at(made_s),
        "expires_at": at(expires_s) if expires_s else None,
        "decided": {"partition": 0, "offset": offset},
    }


def refused(code: str, *seats: str, offset: int = 90, **more: Any) -> dict[str, Any]:
    return {"code": code, "seats": list(seats), "decided": {"partition": 0, "offset": offset}} | more


def named(booking_id: str, *seats: str, status: str = "confirmed") -> dict[str, Any]:
    """An entry of `yours`."""
    return {"id": booking_id, "status": status, "seats": list(seats), "expires_at": None}


def correct() -> tuple[History, StoredState]:
    """A hold that is extended, changed and swapped; sales of staff; blocks; accessible seats."""
    walk_in = body("w1", None, "A-8 A-9 A-10", 8) | REMARK
    requests = [
        request(1, "hold", "hold", answered(1.0, body("h1", 1, "A-4 A-5", 1, 301)), seats=("A-4", "A-5"), hold_s=300),
        request(1, "extend", "extend", answered(10.0, body("h1", 1, "A-4 A-5", 2, 310.05), 200), booking_id="h1"),
        request(1, "seats", "change", answered(20.0, body("h1", 1, "A-5 A-6", 3, 310.05), 200), booking_id="h1",
                seats=("A-6", "A-5")),
        request(2, "book", "book", answered(21.0, body("b2", 2, "A-7", 4)), seats=("A-7",)),
        request(1, "seats", "change refused", answered(25.0, refused("seat_taken", "A-7", offset=5), 409),
                booking_id="h1", seats=("A-6", "A-7")),
        request(2, "book", "own seat", answered(
            26.0, refused("seat_taken", "A-7", offset=6, yours=[named("b2", "A-7")]), 409), seats=("A-7",)),
        request(STAFF, "swap", "swap", answered(30.0, body("h1", 1, "A-7", 7, 310.05), 200), booking_id="h1",
                with_id="b2", staff=True),
        request(STAFF, "book", "walk-in", answered(31.0, walk_in), answered(31.5, walk_in, replayed=True),
                seats=("A-8", "A-9", "A-10"), staff=True, note="Aisle seat", paid="cash"),
        request(STAFF, "hold", "long hold", answered(32.0, body("w2", CUSTOMER, "A-11", 9, 3632, 32) | {
            "note": "Rings"}), seats=("A-11",), hold_s=3600, customer_id=CUSTOMER, note="Rings", staff=True),
        request(STAFF, "extend", "at its limit", answered(33.0, refused("hold_limit"), 409), booking_id="w2",
                staff=True),
        request(STAFF, "block", "block 1", answered(40.0, {"id": SHOW}, 200), seats=("A-12",), code="c1", staff=True),
        request(3, "book", "blocked", answered(41.0, refused("seat_blocked", "A-12"), 409), seats=("A-12",)),
        request(STAFF, "unblock", "unblock", answered(42.0, {"id": SHOW}, 200), seats=("A-12",), staff=True),
        request(STAFF, "block", "block 2", answered(43.0, {"id": SHOW}, 200), seats=("A-12",), code="c2",
                release_s=60.0, staff=True),
        request(STAFF, "block", "block 3", answered(50.0, {"id": SHOW}, 200), seats=("A-1",), code="c3", staff=True),
        request(STAFF, "block", "block late", answered(51.0, refused("validation"), 400), seats=("A-1",), code="c4",
                release_s=50.5, staff=True),
        request(3, "book", "released", answered(61.0, body("b3", 3, "A-12", 12)), seats=("A-12",)),
        request(3, "hold", "accessible", answered(62.0, body("h4", 3, "A-2", 13, 362, 62)), quantity=1,
                accessible=True, max_price=400, hold_s=300),
        request(4, "book", "companion", answered(63.0, refused("companion_only", "A-3"), 409), seats=("A-3",)),
        request(3, "book", "own companion", answered(64.0, body("b5", 3, "A-3", 15)), seats=("A-3",)),
        request(4, "book", "best", answered(65.0, body("b6", 4, "A-4", 16)), quantity=1),
        request(1, "seats", "another number", answered(66.0, refused("validation"), 400), booking_id="h1",
                seats=("A-4", "A-5")),
    ]  # fmt: skip
    for one in requests:
        one.show_id = SHOW
    rows = [
        StoredBooking("h1", SHOW, 1, "held", ("A-7",), 900, 310.05),
        StoredBooking("b2", SHOW, 2, "confirmed", ("A-5", "A-6"), 1800),
        StoredBooking("w1", SHOW, 0, "confirmed", ("A-8", "A-9", "A-10"), 2700),
        StoredBooking("w2", SHOW, CUSTOMER, "held", ("A-11",), 900, 3632.0),
        StoredBooking("b3", SHOW, 3, "confirmed", ("A-12",), 900),
        StoredBooking("h4", SHOW, 3, "held", ("A-2",), 400, 362.0),
        StoredBooking("b5", SHOW, 3, "confirmed", ("A-3",), 400),
        StoredBooking("b6", SHOW, 4, "confirmed", ("A-4",), 900),
    ]
    claims = {
        seat: Claim(row.booking_id, "h" if row.status == "held" else "s")
        for row in rows
        for seat in row.seats
    }
    letters = {seat: claims[seat].letter if seat in claims else "b" for seat in PLAN.labels}
    stored = StoredState(
        bookings={row.booking_id: row for row in rows},
        claims={SHOW: claims},
        blocks={SHOW: {"A-1": StoredBlock("c3", None)}},
        remarks={"w1": Remark("Aisle seat", "cash", STAFF), "w2": Remark("Rings", None, STAFF)},
        shown_to_staff={"w1": Remark("Aisle seat", "cash"), "w2": Remark("Rings", None)},
        shown_to_owner={"w2": Remark(None, None)},
        kinds={SHOW: PLAN.kinds},
        maps={SHOW: letters},
        decided_events=set(),
        published_events=set(),
        read_at_s=100.0,
    )
    return History(requests=requests, shows=[PLAN]), stored


def more(key: str, **fields: Any) -> Plant:
    """Changes a request itself."""

    def plant(history: History, stored: StoredState) -> None:
        for name, value in fields.items():
            setattr(asked(history, key), name, value)

    return plant


def body_of(key: str, **fields: Any) -> Plant:
    """Changes the responses to a request."""
    return lambda history, stored: alter(history, key, **fields)


def row_of(booking_id: str, **fields: Any) -> Plant:
    """Changes a stored booking."""
    return lambda history, stored: restored(stored, booking_id, **fields)


def block_of(seat: str, code: str, release_s: float | None = None) -> Plant:
    """Changes a stored block."""
    return lambda history, stored: stored.blocks[SHOW].update({seat: StoredBlock(code, release_s)})


def another(user_id: int, kind: Any, sent: float, answer: dict[str, Any], status: int, **which: Any) -> Plant:
    """Adds a request."""
    added = request(user_id, kind, "added", answered(sent, answer, status), show_id=SHOW, **which)
    return lambda history, stored: history.requests.append(added)


def move_remark(history: History, stored: StoredState) -> None:
    stored.remarks["b6"] = stored.remarks.pop("w1")
    stored.shown_to_staff.pop("w1")


def without_swap(booking_id: str, **fields: Any) -> Plant:
    """Changes a stored booking, and leaves the swap out of the history."""

    def plant(history: History, stored: StoredState) -> None:
        restored(stored, booking_id, **fields)
        history.requests.remove(asked(history, "swap"))

    return plant


FAULTS: dict[str, tuple[Plant, str]] = {
    "an extension is lost": (row_of("h1", expires_s=301.0), "acknowledged to expire as in"),
    "an extension is too long": (body_of("extend", expires_at=at(311)), "and not to between"),
    "an extension is too short": (body_of("extend", expires_at=at(309)), "and not to between"),
    "an extension shortens": (body_of("extend", expires_at=at(300)), "extended to 300.0, and was to expire at"),
    "an extension passes the limit": (
        another(STAFF, "extend", 34.0, body("w2", CUSTOMER, "A-11", 10, 3634, 32), 200, booking_id="w2", staff=True),
        "extended to 3634.0",
    ),
    "an extension is refused without need": (
        another(3, "extend", 80.0, refused("hold_limit"), 409, booking_id="h4"),
        "it could be extended to",
    ),
    "a hold has another length": (body_of("hold", expires_at=at(401)), "a hold of 300 s"),
    "a change has other seats": (body_of("change", seats=["A-6", "A-8"]), "other seats than asked for"),
    "a change extends a hold": (body_of("change", expires_at=at(320)), "made it expire at 320.0"),
    "a change is lost": (
        without_swap("h1", seats=("A-4", "A-5")),
        "acknowledged with the seats",
    ),
    "a refused change has an effect": (
        without_swap("h1", seats=("A-6", "A-7")),
        "acknowledged with the seats",
    ),
    "a refused change is seen by the next request": (
        another(1, "extend", 27.0, body("h1", 1, "A-6 A-7", 6, 327.05), 200, booking_id="h1"),
        "extend gave it the seats",
    ),
    "a change to as many seats is refused": (
        lambda h, s: change(h, "change refused", 0, status=400, body=refused("validation")),
        "to as many seats as before",
    ),
    "a change is refused after the end": (
        another(2, "seats", 90.0, refused("already_cancelled"), 409, booking_id="b2", seats=("A-4",)),
        "seats was refused with already_cancelled",
    ),
    "a swap takes seats of a third": (body_of("swap", seats=["A-8"]), "the other booking had"),
    "a swap changes one side only": (row_of("b2", seats=("A-7",), total=900), "acknowledged with the seats"),
    "a swap is refused without need": (
        another(STAFF, "swap", 90.0, refused("hold_expired"), 409, booking_id="b2", with_id="b6", staff=True),
        "swap was refused with hold_expired",
    ),
    "a seat is given away twice": (body_of("best", seats=["A-5"]), "seat A-5 was given to b6 while b2 had it"),
    "a total is wrong": (body_of("book", total=money(400)), "the seats cost"),
    "a total keeps the old price": (row_of("b2", total=900), "its seats cost 1800"),
    "seats are out of order": (body_of("change", seats=["A-6", "A-5"]), "not in layout order"),
    "a walk-in has an owner": (body_of("walk-in", user_id=STAFF), "another owner than None"),
    "a walk-in is stored as staff's": (row_of("w1", user_id=STAFF), "stored as"),
    "a booking for a customer is staff's": (body_of("long hold", user_id=STAFF), "another owner than 2"),
    "accessible seats that were not asked for": (more("accessible", accessible=False), "were not asked for"),
    "ordinary seats instead of accessible ones": (more("best", accessible=True), "neither accessible nor for"),
    "a dear seat": (more("best", max_price=400), "costs more than 400"),
    "seats apart": (
        lambda h, s: (more("change", quantity=2, seats=())(h, s), body_of("change", seats=["A-5", "A-8"])(h, s))[0],
        "not 2 seats side by side",
    ),
    "a companion seat for a stranger": (
        lambda h, s: change(h, "companion", 0, status=201, body=body("b9", 4, "A-3", 14)),
        "companion seat A-3 without an accessible one",
    ),
    "a companion seat is refused beside an accessible one": (
        more("companion", seats=("A-2", "A-3")),
        "refused with companion_only for A-3",
    ),
    "companion_only for staff": (more("companion", staff=True), "refused with 409 companion_only"),
    "a limit where there is none": (
        lambda h, s: change(h, "companion", 0, body=refused("limit_exceeded")),
        "refused with 409 limit_exceeded",
    ),
    "a refusal for other seats": (
        body_of("change refused", seats=["A-8"]),
        "refused with seat_taken for the seats ['A-8']",
    ),
    "a refusal for a seat nobody had": (
        another(4, "book", 90.0, refused("seat_taken", "A-1"), 409, seats=("A-1",)),
        "refused because of seat A-1, which nobody had",
    ),
    "a refusal for a seat that nobody has yet": (
        lambda h, s: alter(h, "own seat", decided={"partition": 0, "offset": 3}),
        "refused because of seat A-7, which nobody had",
    ),
    "a block is refused for a seat that is free": (
        another(STAFF, "block", 19.0, refused("seat_taken", "A-6", offset=2), 409, seats=("A-6",), code="c8",
                staff=True),
        "refused because of seat A-6, which nobody had",
    ),
    "a change is refused because of its own seat": (
        another(1, "seats", 29.0, refused("seat_taken", "A-6", offset=6), 409, booking_id="h1", seats=("A-6", "A-8")),
        "refused because of seat A-6, which nobody had",
    ),
    "kinds are missing in the map": (lambda h, s: s.kinds.update({SHOW: None}), "has the kinds None"),
    "yours is somebody else's": (
        body_of("own seat", yours=[named("h1", "A-7")]),
        "the booking h1 of somebody else",
    ),
    "yours is left out": (body_of("own seat", yours=...), "which yours leaves out"),
    "yours is empty": (body_of("own seat", yours=[]), "nothing to name"),
    "yours is not in the way": (body_of("own seat", yours=[named("b2", "A-9")]), "not in the way"),
    "yours has another status": (
        body_of("own seat", yours=[named("b2", "A-7", status="held")]),
        "and it was only",
    ),
    "yours is the booking itself": (
        body_of("change refused", yours=[named("h1", "A-7", status="held")]),
        "yours has the booking itself",
    ),
    "yours for a walk-in": (
        another(STAFF, "book", 90.0, refused("seat_taken", "A-9", yours=[named("w1", "A-9")]), 409,
                seats=("A-9",), staff=True),
        "the booking w1 of somebody else",
    ),
    "yours with another refusal": (
        body_of("blocked", yours=[named("b3", "A-12")]),
        "nothing to name",
    ),
    "a remark is lost": (lambda h, s: s.remarks.update({"w1": Remark(None, None)}), "and stored for w1 is"),
    "a remark is under another booking": (move_remark, "and stored for b6 is"),
    "a remark is another's": (
        lambda h, s: s.remarks.update({"w2": Remark("Rings", None, 1)}),
        "and stored for w2 is",
    ),
    "a remark without a request": (
        lambda h, s: s.remarks.update({"x1": Remark("?", None, STAFF)}),
        "nobody has noted anything on",
    ),
    "a repeat has no remark": (
        lambda h, s: change(h, "walk-in", 1, body=body("w1", None, "A-8 A-9 A-10", 8)),
        "answered with Remark(note=None, paid=None, staff_id=None)",
    ),
    "a customer gets a note": (body_of("hold", note="Aisle seat"), "is shown to a customer"),
    "the owner sees a note": (
        lambda h, s: s.shown_to_owner.update({"w2": Remark("Rings", None)}),
        "is shown to the owner of the booking w2",
    ),
    "staff see another note": (
        lambda h, s: s.shown_to_staff.update({"w2": Remark(None, None)}),
        "staff are shown",
    ),
    "a block is lost": (lambda h, s: s.blocks[SHOW].clear(), "the block of staff 9, key block 3"),
    "a block is made up": (block_of("A-1", "c9"), "which nobody asked for"),
    "a block is not released": (block_of("A-12", "c2", 60.0), "is not released"),
    "a block is released at another time": (block_of("A-1", "c3", 200.0), "to be released at None"),
    "an unblock is lost": (block_of("A-12", "c1"), "came after it"),
    "a blocked seat is sold": (
        lambda h, s: change(h, "released", 0, sent=45.0, ended=45.1),
        "has seat A-12 that was blocked by",
    ),
    "a seat is released before its time": (more("block 2", release_s=90.0), "has seat A-12 that was blocked by"),
    "a refusal for a seat that is not blocked": (
        another(4, "book", 90.0, refused("seat_blocked", "A-4"), 409, seats=("A-4",)),
        "for A-4, which was not blocked",
    ),
    "a refusal for a seat that was released": (
        another(4, "book", 70.0, refused("seat_blocked", "A-12"), 409, seats=("A-12",)),
        "for A-12, which was not blocked",
    ),
    "the map shows a blocked seat as available": (
        lambda h, s: s.maps[SHOW].update({"A-1": "a"}),
        "is shown as 'a'",
    ),
    "a block is refused as too late before its time": (more("block late", release_s=70.0), "400"),
}  # fmt: skip


def test_a_correct_history_passes() -> None:
    assert violations(*correct()) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_reported(fault: str) -> None:
    history, stored = correct()
    plant, message = FAULTS[fault]
    plant(history, stored)
    found = violations(history, stored)
    assert any(message in violation for violation in found), found

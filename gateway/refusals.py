"""What a refused decision is told as: the problem of its reason, in words that say what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from gateway.problems import Problem, Refusal
from schemas.api import MAX_SEATS_PER_REQUEST, timestamp
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.wire import decode_decision

REPLAYED = (b"idempotency-replayed", b"true")
"""Sent with an answer that was given before."""

_DETAILS = {
    Reason.NOT_FOUND: "There is no such show or booking.",
    Reason.NOT_YOURS: "This booking is somebody else's; only its owner and staff can change it.",
    Reason.SHOW_CLOSED: "The show takes no bookings now; look for another one at /api/shows.",
    Reason.SHOW_CANCELLED: "The show is called off; look for another one at /api/shows.",
    Reason.SHOW_STARTED: "The show has started; look for a later one at /api/shows.",
    Reason.SEAT_UNKNOWN: "These are no seats of this show; its seat map has the labels.",
    Reason.SEAT_TAKEN: "These seats are taken; look at the seat map and choose others.",
    Reason.SEAT_BLOCKED: "These seats are not for sale; look at the seat map and choose others.",
    Reason.NOT_ENOUGH_SEATS: "There are not that many seats left; ask for fewer, or allow them to be apart.",
    Reason.TOO_MANY_SEATS: f"At most {MAX_SEATS_PER_REQUEST} seats in a request; send several.",
    Reason.ALREADY_CANCELLED: "This booking was cancelled before; there is nothing left to do.",
    Reason.ALREADY_CONFIRMED: "This booking is confirmed already; there is nothing left to do.",
    Reason.ALREADY_OPEN: "The show is open already; there is nothing left to do.",
    Reason.HOLD_EXPIRED: "The hold has run out; choose seats again.",
    Reason.NOT_CONFIRMED: "The seats are only held; confirm the booking first.",
    Reason.ALREADY_USED: "Somebody was let in with this ticket before; ask the staff.",
    Reason.CHECKED_IN: "A ticket of this booking was used at the door; ask the staff.",
    Reason.VALIDATION: "The seats are not a set of labels; name each seat once.",
    Reason.KEY_REUSED: "This Idempotency-Key was used for another request; take a new key for a new request.",
    Reason.MALFORMED: "The request could not be read when its turn came; report this.",
    Reason.INTERNAL_ERROR: "Something went wrong when this was decided; nothing was booked. Report this.",
}


def key_reused() -> Problem:
    """The key stands for another request."""
    return Problem("key_reused", _DETAILS[Reason.KEY_REUSED])


_KNOWN = frozenset(Reason)


class _LaterRefusal(Problem):
    """A refusal for a reason that a seat worker of a later release has given."""

    def __init__(self, code: str, seats: Sequence[str], extra: dict[str, Any]) -> None:
        detail = f"This was refused: {code.replace('_', ' ')}."
        super().__init__("internal_error", detail, seats=seats, extra=extra)
        self.code, self.status, self.title = code, 409, code.replace("_", " ").capitalize()


def refusal_of(answer: bytes, position: Position) -> Refusal:
    """A refused decision in the form in which it is sent, from its stored form and its position."""
    refusal, repeats = _refusal_anywhere(answer)
    return decided_at(refusal, repeats or position)


def decided_at(refusal: Refusal, position: Position) -> Refusal:
    """The refusal with the position of its decision."""
    decided = b',"decided":{"partition":%d,"offset":%d}}' % (position.partition, position.offset)
    return refusal._replace(body=refusal.body[:-1] + decided)


@lru_cache(maxsize=4_096)
def _refusal_anywhere(answer: bytes) -> tuple[Refusal, Position | None]:
    """A refusal without its position, and the position of the first decision where it repeats one.

    Cached, since in a rush many requests are refused the same seats.
    """
    decision = decode_decision(answer)
    problem = problem_of(decision)
    if decision.repeats is not None:
        problem.add_headers([REPLAYED])
    return problem.refusal(), decision.repeats


def problem_of(decision: Decision, position: Position | None = None) -> Problem:
    """The problem of a refused decision; of one that went through the log, with its position."""
    reason = decision.reason
    assert reason is not None
    if reason is Reason.LIMIT_EXCEEDED:
        detail = f"A customer can have {decision.limit} seats in this show; ask for fewer."
    elif reason is Reason.NOT_ON_SALE and decision.limit is not None:
        detail = f"Sales start at {timestamp(decision.limit)}; come back then."
    elif reason is Reason.SEAT_UNKNOWN and not decision.seats:
        detail = "There is no such section in this show; its seat map has their names."
    else:
        detail = _DETAILS.get(reason, "")
    extra: dict[str, Any] = {}
    if position is not None:
        position = decision.repeats or position
        extra["decided"] = {"partition": position.partition, "offset": position.offset}
    if reason is Reason.NOT_ON_SALE and decision.limit is not None:
        extra["sales_start_at"] = timestamp(decision.limit)
    if reason not in _KNOWN:
        return _LaterRefusal(reason.value, decision.seats, extra)
    return Problem(reason.value, detail, seats=decision.seats, extra=extra)

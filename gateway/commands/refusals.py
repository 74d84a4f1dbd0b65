"""Problems of refused decisions: one for each reason, with a detail that says what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from gateway.http.problems import EncodedProblem, Problem
from schemas.api import own_booking_body, timestamp
from schemas.commands import MAX_SEATS_PER_REQUEST
from schemas.events import BookingStatus, Decision, Reason
from schemas.ids import Position
from schemas.wire import decode_decision

REPLAYED = (b"idempotency-replayed", b"true")
"""Header of a response that repeats an earlier one."""

_DETAILS = {
    Reason.NOT_FOUND: "There is no such show or booking.",
    Reason.NOT_YOURS: "This booking is somebody else's; only its owner and staff can change it.",
    Reason.SHOW_CLOSED: "The show takes no bookings now; look for another one at /api/shows.",
    Reason.SHOW_CANCELLED: "The show is called off; look for another one at /api/shows.",
    Reason.SHOW_STARTED: "The show has started; look for a later one at /api/shows.",
    Reason.SEAT_UNKNOWN: "These are no seats of this show; its seat map has the labels.",
    Reason.SEAT_TAKEN: "These seats are taken; look at the seat map and choose others.",
    Reason.SEAT_BLOCKED: "These seats are not for sale; look at the seat map and choose others.",
    Reason.COMPANION_ONLY: "These seats are for companions until 24 hours before the start; take them together with an"
    " accessible seat beside them, or choose others.",
    Reason.PAYMENT_REQUIRED: "This show is paid for before a booking is confirmed; hold the seats, pay for the hold.",
    Reason.PRICE_DIFFERS: "These seats have another price than what was paid; choose seats with the same total.",
    Reason.NOT_ENOUGH_SEATS: "There are not that many seats left; ask for fewer, or allow them to be apart.",
    Reason.ALREADY_CANCELLED: "This booking was cancelled before; there is nothing left to do.",
    Reason.ALREADY_CONFIRMED: "This booking is confirmed already; there is nothing left to do.",
    Reason.ALREADY_OPEN: "The show is open already; there is nothing left to do.",
    Reason.HOLD_EXPIRED: "The hold has run out; choose seats again.",
    Reason.HOLD_LIMIT: "This hold cannot be extended any more; confirm it before it runs out.",
    Reason.NOT_CONFIRMED: "The seats are only held; confirm the booking first.",
    Reason.ALREADY_USED: "Somebody was let in with this ticket before; ask the staff.",
    Reason.CHECKED_IN: "A ticket of this booking was used at the door; ask the staff.",
    Reason.NOT_CHECKED_IN: "This seat is not checked in; there is nothing to undo.",
    Reason.WRONG_SHOW: "This ticket is of another show; look at its title and screen.",
    Reason.WRONG_DAY: "This ticket is not valid today; look at its date.",
    Reason.TICKET_UNSIGNED: "This code has no signature and is not valid any more; ask for the ticket of the latest"
    " e-mail.",
    Reason.VALIDATION: "The seats are not a set of labels; name each seat once.",
    Reason.KEY_REUSED: "This Idempotency-Key was used for another request; take a new key for a new request.",
    Reason.MALFORMED: "The request could not be read when its turn came; report this.",
    Reason.INTERNAL_ERROR: "Something went wrong when this was decided; nothing was booked. Report this.",
}


def key_reused() -> Problem:
    """Returns the problem of an Idempotency-Key that was used for another request."""
    return Problem("key_reused", _DETAILS[Reason.KEY_REUSED])


_KNOWN = frozenset(Reason)


class _LaterRefusal(Problem):
    """A refusal for a reason that only seat workers of a later release know."""

    def __init__(self, code: str, seats: Sequence[str], extra: dict[str, Any]) -> None:
        detail = f"This was refused: {code.replace('_', ' ')}."
        super().__init__("internal_error", detail, seats=seats, extra=extra)
        self.code, self.status, self.title = code, 409, code.replace("_", " ").capitalize()


def refusal_of(answer: bytes, position: Position) -> EncodedProblem:
    """Returns the encoded problem of a refused decision, from its stored form and its position."""
    refusal, repeats = _refusal_without_position(answer)
    return decided_at(refusal, repeats or position)


def decided_at(refusal: EncodedProblem, position: Position) -> EncodedProblem:
    """Returns a refusal with the position of its decision."""
    decided = b',"decided":{"partition":%d,"offset":%d}}' % (position.partition, position.offset)
    return refusal._replace(body=refusal.body[:-1] + decided)


def _refusal_without_position(answer: bytes) -> tuple[EncodedProblem, Position | None]:
    """Returns a refusal without its position, and the position of the decision that it repeats, if any.

    Cached, because in a rush many requests are refused the same seats; one that names the customer's own bookings is
    refused once.
    """
    if _YOURS in answer:
        return _encoded_refusal(answer)
    shared, unshared, _ = answer.partition(_UNSHARED)  # the last field, which no client sees
    return _cached_refusal(shared + b"}" if unshared else answer)


# A quotation mark within a text is escaped, so that these bytes are the name of the field and nothing else.
_YOURS = b'"yours":'
_UNSHARED = b',"unshared":'


def _encoded_refusal(answer: bytes) -> tuple[EncodedProblem, Position | None]:
    decision = decode_decision(answer)
    problem = problem_of(decision)
    if decision.repeats is not None:
        problem.add_headers([REPLAYED])
    return problem.encoded(), decision.repeats


_cached_refusal = lru_cache(maxsize=4_096)(_encoded_refusal)


def problem_of(decision: Decision, position: Position | None = None) -> Problem:
    """Returns the problem of a refused decision, with its position if the command went through the log."""
    reason = decision.reason
    assert reason is not None
    extra: dict[str, Any] = {}
    if position is not None:
        position = decision.repeats or position
        extra["decided"] = {"partition": position.partition, "offset": position.offset}
    if reason is Reason.NOT_ON_SALE and decision.limit is not None:
        extra["sales_start_at"] = timestamp(decision.limit)
    if decision.yours:
        extra["yours"] = [msgspec.to_builtins(own_booking_body(booking)) for booking in decision.yours]
    if reason not in _KNOWN:
        return _LaterRefusal(reason.value, decision.seats, extra)
    errors = []
    if reason is Reason.VALIDATION and decision.limit is not None:
        errors.append(("seats", f"as many seats as the booking has are wanted: {decision.limit}"))
    return Problem(reason.value, _detail(decision), errors=errors, seats=decision.seats, extra=extra)


def _detail(decision: Decision) -> str:
    reason, limit = decision.reason, decision.limit
    match reason:
        case Reason.SEAT_TAKEN if decision.yours:
            return f"A booking of the same customer has some of these seats; {_own_bookings(decision)}."
        case Reason.LIMIT_EXCEEDED if decision.yours:
            return f"A customer can have {limit} seats in this show; ask for fewer, or {_own_bookings(decision)}."
        case Reason.LIMIT_EXCEEDED:
            return f"A customer can have {limit} seats in this show; ask for fewer."
        case Reason.TOO_MANY_SEATS:
            return f"At most {limit or MAX_SEATS_PER_REQUEST} seats in a request; send several."
        case Reason.NOT_ON_SALE if limit is not None:
            return f"Sales start at {timestamp(limit)}; come back then."
        case Reason.SEAT_UNKNOWN if not decision.seats:
            return "There is no such section in this show; its seat map has their names."
        case Reason.CHECKED_IN if decision.seats:
            return "Tickets of these seats were used at the door, so they stay as they are; ask the staff."
        case Reason.VALIDATION if limit is not None:
            return (
                f"A change keeps the number of seats, which is {limit}; cancel and book for another number."
            )
        case _:
            return _DETAILS.get(reason, "") if reason is not None else ""


def _own_bookings(decision: Decision) -> str:
    held = any(booking.status is BookingStatus.HELD for booking in decision.yours)
    confirm = "confirm, " if held and decision.reason is Reason.SEAT_TAKEN else ""
    return f"{confirm}change or cancel one that yours names"

"""Conversion of decisions to answers of the model, and to text."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from schemas.events import Booking, BookingChanged, Decision, Event, SeatsBlocked, SeatsSwapped
from tests.unit.model_bookings import Answer


def answer_of(decision: Decision) -> Answer:
    """The decision as an answer of the model."""
    return Answer(
        reason=decision.reason and decision.reason.value,
        seats=decision.seats,
        limit=decision.limit,
        booking=None if decision.booking is None else _facts(decision.booking),
        events=tuple((type(event).__name__, _about(event)) for event in decision.events),
        yours=tuple(_facts(booking) for booking in decision.yours),
        unshared=decision.unshared,
    )


def _about(event: Event) -> Any:
    match event:
        case BookingChanged():
            return _facts(event.booking), event.old_seats, event.old_total
        case SeatsSwapped():
            return _facts(event.booking), _facts(event.other)
        case SeatsBlocked():
            return event.seats, event.code, event.release_ms
    if (booking := getattr(event, "booking", None)) is not None:
        return _facts(booking)
    if (seats := getattr(event, "seats", None)) is not None:
        return seats
    return cast(Any, event).status.value


def _facts(booking: Booking) -> dict[str, Any]:
    fields = msgspec.structs.asdict(booking)
    del fields["show_id"], fields["currency"]
    return fields | {"owner": fields.pop("user_id"), "status": booking.status.value}


def described(decision: Decision) -> str:
    """The decision as text for a trace."""
    outcome = decision.reason.value if decision.reason else "accepted"
    booking = decision.booking
    words = [outcome, *decision.seats]
    if booking is not None:
        words.append(f"booking {booking.booking_id.int} of {', '.join(booking.seats)} {booking.status.value}")
    words += [f"[{type(event).__name__}]" for event in decision.events]
    return " ".join(words)

"""From what a client asks for to the command that goes into the log; the same over HTTP and over a socket."""

from __future__ import annotations

import random
import time
from uuid import UUID

from gateway.auth import Caller
from gateway.bodies import invalid
from gateway.booking_customers import no_customer
from gateway.problems import Problem
from schemas.api import MAX_SEATS_PER_REQUEST, BookRequest, HoldRequest
from schemas.commands import BookSeats, CancelBooking, ConfirmBooking, HoldSeats
from schemas.ids import new_booking_id, show_of_booking


def book_command(caller: Caller, show_id: int, request: BookRequest, command_id: UUID) -> BookSeats:
    """To book seats. Raises Problem for a request that cannot be meant."""
    return BookSeats(
        command_id=command_id,
        show_id=show_id,
        user_id=caller.user_id,
        staff=caller.staff,
        booking_id=_booking_id(show_id),
        seats=_checked_seats(request, caller),
        quantity=request.quantity or 0,
        section=request.section,
        adjacent=request.adjacent is not False,
        customer_id=request.user_id or 0,
    )


def hold_command(caller: Caller, show_id: int, request: HoldRequest, command_id: UUID) -> HoldSeats:
    """To hold seats. Raises Problem for a request that cannot be meant."""
    return HoldSeats(
        command_id=command_id,
        show_id=show_id,
        user_id=caller.user_id,
        staff=caller.staff,
        booking_id=_booking_id(show_id),
        seats=_checked_seats(request, caller),
        quantity=request.quantity or 0,
        section=request.section,
        adjacent=request.adjacent is not False,
        customer_id=request.user_id or 0,
        hold_ms=request.hold_s * 1000,
    )


def move_command(
    kind: type[ConfirmBooking | CancelBooking], caller: Caller, booking_id: UUID, command_id: UUID
) -> ConfirmBooking | CancelBooking:
    """To confirm or cancel a booking. Raises Problem `not_found` for an id that cannot be one."""
    try:
        show_id = show_of_booking(booking_id)
    except ValueError:
        raise no_booking(booking_id) from None
    return kind(
        command_id=command_id,
        show_id=show_id,
        user_id=caller.user_id,
        staff=caller.staff,
        booking_id=booking_id,
    )


def _booking_id(show_id: int) -> UUID:
    return new_booking_id(show_id, int(time.time() * 1000), random.getrandbits(42))


def _checked_seats(request: BookRequest | HoldRequest, caller: Caller) -> tuple[str, ...]:
    """The labels asked for; none where a quantity is."""
    if request.user_id is not None and not caller.staff:
        raise Problem("forbidden", "Only staff can book for somebody else; leave user_id out.")
    if request.user_id == 0:
        raise no_customer()
    seats, quantity = request.seats, request.quantity
    if quantity is not None:
        if seats is not None:
            raise invalid(("seats", "name seats or a quantity, not both"))
        if quantity > MAX_SEATS_PER_REQUEST:
            raise _too_many("quantity", quantity)
        return ()
    for field in ("section", "adjacent"):
        if getattr(request, field) is not None:
            raise invalid((field, "this goes with a quantity"))
    if not seats:
        raise invalid(("seats", "name at least one seat, or a quantity"))
    if len(seats) > MAX_SEATS_PER_REQUEST:
        raise _too_many("seats", len(seats))
    if len(seats) > 1 and len(set(seats)) != len(seats):
        raise invalid(
            *((f"seats[{n}]", "named before") for n, label in enumerate(seats) if label in seats[:n])
        )
    for n, label in enumerate(seats):
        if not label.isprintable():
            raise invalid((f"seats[{n}]", "a label has no control characters"))
    return seats


def _too_many(field: str, count: int) -> Problem:
    return Problem(
        "too_many_seats",
        f"At most {MAX_SEATS_PER_REQUEST} seats in a request; send several.",
        errors=[(field, f"{count} seats")],
    )


def no_booking(booking_id: UUID) -> Problem:
    """There is no such booking."""
    return Problem("not_found", f"There is no booking {booking_id}; yours are at /api/me/bookings.")

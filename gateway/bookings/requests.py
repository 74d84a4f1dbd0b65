"""Commands for the log made from clients' requests; the same over HTTP and WebSockets."""

from __future__ import annotations

import random
import time
from typing import Any, TypeVar
from uuid import UUID

from msgspec.structs import replace

from gateway.auth.access_tokens import Caller
from gateway.commands.customers import no_customer
from gateway.http.bodies import invalid
from gateway.http.problems import Problem
from gateway.seat_maps.labels import check_labels
from schemas.api import MAX_HOLD_S, BookRequest, ChangeSeatsRequest, HoldRequest, SwapSeatsRequest
from schemas.commands import (
    MAX_SEATS_OF_STAFF,
    MAX_SEATS_PER_REQUEST,
    BookSeats,
    CancelBooking,
    ChangeSeats,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
    SwapSeats,
)
from schemas.ids import new_booking_id, show_of_booking
from schemas.layout import Money

_NOTHING_WANTED = (None, None, None, None)

_TakesSeats = TypeVar("_TakesSeats", BookSeats, HoldSeats)

BookingChange = ConfirmBooking | CancelBooking | ExtendHold
"""Commands on one booking that have no fields of their own."""


def book_command(caller: Caller, show_id: int, request: BookRequest, command_id: UUID) -> BookSeats:
    """Returns the command to book seats. Raises Problem for an invalid request."""
    command = BookSeats(
        command_id=command_id,
        show_id=show_id,
        user_id=caller.user_id,
        seats=_checked_seats(request, caller),
        booking_id=_new_booking_id(show_id),
        yours=True,
    )
    return _completed(command, request, caller)


def hold_command(caller: Caller, show_id: int, request: HoldRequest, command_id: UUID) -> HoldSeats:
    """Returns the command to hold seats. Raises Problem for an invalid request."""
    if request.hold_s > MAX_HOLD_S and not caller.staff:
        raise invalid(("hold_s", f"at most {MAX_HOLD_S} seconds; only staff can hold longer"))
    command = HoldSeats(
        command_id=command_id,
        show_id=show_id,
        user_id=caller.user_id,
        seats=_checked_seats(request, caller),
        booking_id=_new_booking_id(show_id),
        hold_ms=request.hold_s * 1000,
        yours=True,
    )
    return _completed(command, request, caller)


def _completed(command: _TakesSeats, request: BookRequest | HoldRequest, caller: Caller) -> _TakesSeats:
    """Returns the command with what belongs to a quantity and what staff ask for; nothing for most requests."""
    if request.quantity is None and not caller.staff:
        return command
    return replace(command, **_quantity_fields(request), **_staff_fields(request, caller))


def _new_booking_id(show_id: int) -> UUID:
    return new_booking_id(show_id, int(time.time() * 1000), random.getrandbits(42))


def _quantity_fields(request: BookRequest | HoldRequest) -> dict[str, Any]:
    """Returns what belongs to a quantity. A `max_price` without a currency is left out: it gets the show's later."""
    if request.quantity is None:
        return {}
    limit = request.max_price
    return {
        "quantity": request.quantity,
        "section": request.section,
        "adjacent": request.adjacent is not False,
        "kind": request.kind,
        "max_price": Money(limit.amount, limit.currency) if isinstance(limit, Money) else None,
    }


def _staff_fields(request: BookRequest | HoldRequest, caller: Caller) -> dict[str, Any]:
    """Returns what only staff can ask for."""
    if not caller.staff:
        return {}
    return {
        "staff": True,
        "customer_id": request.user_id or 0,
        "walk_in": request.user_id is None,
        "lift_limit": request.lift_limit,
        "max_seats": MAX_SEATS_OF_STAFF,
        "paid": request.paid is not None,
        "noted": bool(request.note),
    }


def booking_command(
    kind: type[BookingChange], caller: Caller, booking_id: UUID, command_id: UUID
) -> BookingChange:
    """Returns the command to confirm, cancel or extend. Raises Problem `not_found` for an impossible id."""
    return kind(
        command_id=command_id,
        show_id=_show_of(booking_id),
        user_id=caller.user_id,
        staff=caller.staff,
        booking_id=booking_id,
    )


def change_seats_command(
    caller: Caller, booking_id: UUID, request: ChangeSeatsRequest, command_id: UUID
) -> ChangeSeats:
    """Returns the command to change a booking's seats. Raises Problem for an invalid request."""
    return ChangeSeats(
        command_id=command_id,
        show_id=_show_of(booking_id),
        user_id=caller.user_id,
        staff=caller.staff,
        booking_id=booking_id,
        seats=_checked_labels(request.seats, caller),
        max_seats=_max_seats(caller),
    )


def swap_command(caller: Caller, booking_id: UUID, request: SwapSeatsRequest, command_id: UUID) -> SwapSeats:
    """Returns the command to swap the seats of two bookings. Raises Problem for an invalid request."""
    if not caller.staff:
        raise Problem("forbidden", "Only staff can swap the seats of bookings; change your own with …/seats.")
    other, show_id = request.with_, _show_of(booking_id)
    if other == booking_id:
        raise invalid(("with", "this is the booking itself; another one is wanted"))
    if _show_of(other) != show_id:
        raise invalid(("with", "a booking of the same show is wanted"))
    return SwapSeats(
        command_id=command_id,
        show_id=show_id,
        user_id=caller.user_id,
        staff=True,
        booking_id=booking_id,
        with_booking_id=other,
    )


def _show_of(booking_id: UUID) -> int:
    try:
        return show_of_booking(booking_id)
    except ValueError:
        raise no_booking(booking_id) from None


def _max_seats(caller: Caller) -> int:
    return MAX_SEATS_OF_STAFF if caller.staff else MAX_SEATS_PER_REQUEST


def _checked_seats(request: BookRequest | HoldRequest, caller: Caller) -> tuple[str, ...]:
    """Returns the labels of the request; none when it has a quantity."""
    if not caller.staff:
        _check_no_staff_fields(request)
    if request.user_id == 0:
        raise no_customer()
    seats, quantity = request.seats, request.quantity
    if quantity is not None:
        if seats is not None:
            raise invalid(("seats", "name seats or a quantity, not both"))
        if quantity > _max_seats(caller):
            raise _too_many("quantity", quantity, _max_seats(caller))
        return ()
    wanted = (request.section, request.adjacent, request.kind, request.max_price)
    if wanted != _NOTHING_WANTED:
        fields = zip(("section", "adjacent", "kind", "max_price"), wanted, strict=True)
        raise invalid(*((field, "this goes with a quantity") for field, value in fields if value is not None))
    if not seats:
        raise invalid(("seats", "name at least one seat, or a quantity"))
    return _checked_labels(seats, caller)


def _check_no_staff_fields(request: BookRequest | HoldRequest) -> None:
    if request.user_id is not None:
        raise Problem("forbidden", "Only staff can book for somebody else; leave user_id out.")
    if request.lift_limit:
        raise Problem("forbidden", "Only staff can lift the limit of seats; leave lift_limit out.")
    if request.note is not None or request.paid is not None:
        raise Problem("forbidden", "Only staff can note something or take money; leave note and paid out.")


def _checked_labels(seats: tuple[str, ...], caller: Caller) -> tuple[str, ...]:
    """Returns the labels of named seats. Raises Problem."""
    if not seats:
        raise invalid(("seats", "name at least one seat"))
    if len(seats) > _max_seats(caller):
        raise _too_many("seats", len(seats), _max_seats(caller))
    check_labels(seats)
    return seats


def _too_many(field: str, count: int, limit: int) -> Problem:
    return Problem(
        "too_many_seats",
        f"At most {limit} seats in a request; send several.",
        errors=[(field, f"{count} seats")],
    )


def no_booking(booking_id: UUID) -> Problem:
    """Returns the problem of a booking that does not exist."""
    return Problem("not_found", f"There is no booking {booking_id}; yours are at /api/me/bookings.")


def missing_booking(command: Command) -> Problem | None:
    """Returns the problem of a command on a booking that does not exist; None for a command on a show."""
    match command:
        case ConfirmBooking() | CancelBooking() | ExtendHold() | ChangeSeats():
            return no_booking(command.booking_id)
        case SwapSeats():
            one, other = command.booking_id, command.with_booking_id
            return Problem("not_found", f"Of the bookings {one} and {other} at least one does not exist.")
        case _:
            return None

"""Checks of single decisions: seats of companions, limits, payment, and what refusals name.

They are worked out from the bookings of a SeatBook and the layout, without the writer's code.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.commands import (
    BookSeats,
    ChangeSeats,
    Command,
    ConfirmBooking,
    HoldSeats,
    SwapSeats,
)
from schemas.events import Booking, BookingChanged, BookingStatus, Decision, Reason
from schemas.ids import Position
from tests.simulation.seat_book import SeatBook

COMPANIONS_UNTIL_MS = 24 * 3600 * 1000


def check_decision(
    book: SeatBook, position: Position, command: Command, decision: Decision, now_ms: int
) -> Iterator[str]:
    """All that is wrong with a decision that was made anew. `book`: with the decision's events applied."""
    if decision.reason is not None:
        yield from _check_taken(book, position, command, decision)
        yield from _check_yours(book, position, command, decision)
        yield from _check_unshared(book, position, command, decision)
        return
    if decision.yours or decision.unshared:
        yield f"client view: {position} is accepted and names bookings or customers in the way"
    if isinstance(command, BookSeats | HoldSeats) and decision.booking is not None:
        yield from _check_taking(book, position, command, decision.booking, now_ms)
    if isinstance(command, ChangeSeats) and decision.booking is not None:
        yield from _check_change(book, position, command, decision, now_ms)
    if isinstance(command, ConfirmBooking) and decision.booking is not None and not command.staff:
        yield from _check_payment(book, position, decision.booking)
    if isinstance(command, SwapSeats) and not command.staff:
        yield f"1. one claim: {position} lets a customer swap bookings"


def _check_taking(
    book: SeatBook, position: Position, command: BookSeats | HoldSeats, booking: Booking, now_ms: int
) -> Iterator[str]:
    if booking.user_id != command.owner_id or booking.paid != (command.paid and command.staff):
        yield f"1. one claim: {position} makes a booking of {booking.user_id}, paid: {booking.paid}"
    if command.quantity:
        yield from _check_chosen(book, position, command, booking)
    else:
        if set(booking.seats) != set(command.seats):
            yield f"1. one claim: {position} gives {booking.seats} instead of {command.seats}"
        if not command.staff:
            yield from _check_companions(book, position, booking, now_ms)
    if booking.user_id and not (command.staff and command.lift_limit):
        seats = sum(len(one.seats) for one in book.live_bookings_of(command.show_id, booking.user_id))
        limit = book.terms[command.show_id].seats_per_customer
        if seats > limit:
            yield f"rules: {position} gives a customer {seats} seats, the limit is {limit}"
    if isinstance(command, BookSeats) and not command.staff:
        yield from _check_payment(book, position, booking)


def _check_chosen(
    book: SeatBook, position: Position, command: BookSeats | HoldSeats, booking: Booking
) -> Iterator[str]:
    """Seats that the writer chose."""
    hall, seats = book.hall, booking.seats
    if len(seats) != command.quantity:
        yield f"1. one claim: {position} gives {len(seats)} seats instead of {command.quantity}"
    special = hall.accessible | hall.companions
    if command.kind is None and not special.isdisjoint(seats):
        yield f"rules: {position} gives {seats} to somebody who asked for ordinary seats"
    if command.kind == "accessible":
        if not special.issuperset(seats) or hall.accessible.isdisjoint(seats):
            yield f"rules: {position} gives {seats} to somebody who asked for accessible seats"
        if alone := hall.lone_companions(seats, set()):
            yield f"rules: {position} gives companion seats alone: {alone}"
    dearest = max(hall.prices[label] for label in seats)
    if command.max_price is not None and dearest > command.max_price.amount:
        yield f"rules: {position} gives seats for {dearest} to somebody who asked for {command.max_price.amount}"


def _check_change(
    book: SeatBook, position: Position, command: ChangeSeats, decision: Decision, now_ms: int
) -> Iterator[str]:
    changed = decision.events[-1]
    if not isinstance(changed, BookingChanged) or changed.booking.booking_id != command.booking_id:
        yield f"1. one claim: {position} does not change the booking that the command names"
        return
    booking = changed.booking
    if set(booking.seats) != set(command.seats):
        yield f"1. one claim: {position} gives {booking.seats} instead of {command.seats}"
    if command.staff:
        return
    if len(changed.old_seats) != len(booking.seats):
        yield f"rules: {position} lets a customer change {changed.old_seats} to {booking.seats}"
    if booking.paid and booking.status is BookingStatus.CONFIRMED and changed.old_total != booking.total:
        yield f"rules: {position} changes a paid booking from {changed.old_total} to {booking.total}"
    yield from _check_companions(book, position, booking, now_ms)


def _check_companions(book: SeatBook, position: Position, booking: Booking, now_ms: int) -> Iterator[str]:
    """Until a day before the start a customer gets companion seats only beside accessible seats of their own."""
    if now_ms >= book.terms[booking.show_id].starts_ms - COMPANIONS_UNTIL_MS:
        return
    others = {
        label
        for one in book.live_bookings_of(booking.show_id, booking.user_id)
        if one.booking_id != booking.booking_id
        for label in one.seats
    }
    if alone := book.hall.lone_companions(booking.seats, others):
        yield f"rules: {position} gives a customer companion seats alone: {alone}"


def _check_payment(book: SeatBook, position: Position, booking: Booking) -> Iterator[str]:
    if book.terms[booking.show_id].payment == "required" and booking.total and not booking.paid:
        yield f"rules: {position} confirms a booking that nobody has paid for"


def _check_taken(book: SeatBook, position: Position, command: Command, decision: Decision) -> Iterator[str]:
    """The seats at fault are exactly those requested seats that others have, in layout order."""
    if decision.reason not in (Reason.SEAT_TAKEN, Reason.SEAT_BLOCKED):
        return
    states, own = book.states(command.show_id), set[str]()
    if isinstance(command, ChangeSeats):
        own = set(book.bookings[command.booking_id][0].seats)
    wanted = set(getattr(command, "seats", ())) - own
    letters = "hs" if decision.reason is Reason.SEAT_TAKEN else "b"
    at_fault = tuple(label for label in book.hall.labels if label in wanted and states[label] in letters)
    if decision.seats != at_fault or not at_fault:
        yield f"1. one claim: {position} refuses {decision.seats}, at fault are {at_fault}"


def _check_yours(book: SeatBook, position: Position, command: Command, decision: Decision) -> Iterator[str]:
    """A refusal names live bookings of the very customer whose booking it is: those in the way, in order."""
    owner = 0
    if isinstance(command, BookSeats | HoldSeats) and command.yours:
        owner = command.owner_id
    elif isinstance(command, ChangeSeats) and command.booking_id in book.bookings:
        owner = book.bookings[command.booking_id][0].user_id
    mine = book.live_bookings_of(command.show_id, owner)
    match decision.reason:
        case Reason.SEAT_TAKEN:
            mine = [booking for booking in mine if not set(decision.seats).isdisjoint(booking.seats)]
        case Reason.LIMIT_EXCEEDED:
            pass
        case _:
            mine = []
    if decision.yours != tuple(mine[:10]):
        yield f"client view: {position} names {decision.yours} as bookings of {owner}, should be {mine}"


def _check_unshared(
    book: SeatBook, position: Position, command: Command, decision: Decision
) -> Iterator[str]:
    """A refusal of equal requests names those customers who have one of the taken seats."""
    owners: list[int] = []
    if isinstance(command, BookSeats | HoldSeats) and decision.reason is Reason.SEAT_TAKEN:
        owners = [
            one
            for one in command.sharing
            if any(
                not set(booking.seats).isdisjoint(decision.seats)
                for booking in book.live_bookings_of(command.show_id, one)
            )
        ]
    if decision.unshared != tuple(owners):
        yield f"client view: {position} names {decision.unshared} as customers with seats, should be {owners}"

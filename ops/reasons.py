"""Why a command was refused, in words, and which earlier position is behind it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from ops.asking import listed
from ops.show_before import Change, ShowBefore
from schemas.api import MAX_SEATS_PER_REQUEST, timestamp
from schemas.commands import BookSeats, CancelBooking, CheckIn, Command, ConfirmBooking, HoldSeats
from schemas.events import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    Decision,
    Event,
    HoldExpired,
    HoldReleased,
    Reason,
    SeatsBlocked,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    TicketCheckedIn,
    is_later,
)
from schemas.ids import Position
from schemas.layout import Money
from tickets.formats import money

_VERBS: dict[type, str] = {
    BookingConfirmed: "confirmed",
    BookingHeld: "held",
    BookingCancelled: "cancelled",
    HoldReleased: "released",
    HoldExpired: "expired",
    ShowOpened: "opened",
    ShowChanged: "changed",
    ShowClosed: "closed",
    ShowReopened: "opened again",
    ShowCancelled: "called off",
}

_PLAIN = {
    Reason.TOO_MANY_SEATS: f"a request has at most {MAX_SEATS_PER_REQUEST} seats",
    Reason.VALIDATION: "it names no seats, one twice, seats as well as a number, or a booking id already in use",
    Reason.NOT_YOURS: "only staff, or the owner of the booking, may ask for this",
    Reason.INTERNAL_ERROR: "the rules raised, or PostgreSQL refused its rows: the worker's log of that time has the"
    " error under this position; the show was left as it was",
}


def happened(event: Event) -> str:
    """An event in words."""
    if is_later(event):
        return "an event of a later release, which `aisle explain` of that one can read"
    match event:
        case SeatsBlocked() | SeatsUnblocked():
            verb = "blocked" if isinstance(event, SeatsBlocked) else "put back on sale"
            return f"{listed(event.seats)} {verb}"
        case TicketCheckedIn():
            return f"{event.seat} of booking {event.booking.booking_id} let in"
        case ShowOpened() | ShowChanged() | ShowClosed() | ShowReopened() | ShowCancelled():
            return f"show {event.show_id} {_VERBS[type(event)]}"
        case _:
            booking = event.booking
            total = money(Money(booking.total, booking.currency), "en")
            until = f" until {timestamp(booking.expires_ms)}" if booking.expires_ms is not None else ""
            return (
                f"booking {booking.booking_id} of user {booking.user_id} {_VERBS[type(event)]}{until}:"
                f" {listed(booking.seats)}, {total}"
            )


def reasons(
    position: Position, at_ms: int, command: Command, decision: Decision, before: ShowBefore, total_seats: int
) -> list[str]:
    """Why this was refused, a line for each thing at fault. `total_seats`: of the show's layout."""
    reason, terms = decision.reason, before.terms
    if reason is Reason.INTERNAL_ERROR:
        return [_PLAIN[reason]]
    if terms is None:
        return [f"show {command.show_id} had not been opened on partition {position.partition}"]
    match reason:
        case Reason.SEAT_TAKEN | Reason.SEAT_BLOCKED:
            return _seats(decision.seats, position, command, before)
        case Reason.SEAT_UNKNOWN if isinstance(command, CheckIn):
            return [f"{command.seat} is not a seat of that booking"]
        case Reason.SEAT_UNKNOWN if isinstance(command, BookSeats | HoldSeats) and command.quantity:
            return [f"layout {terms.layout_id} has no section {command.section!r}"]
        case Reason.SEAT_UNKNOWN:
            return [f"layout {terms.layout_id} has no {listed(decision.seats)}"]
        case Reason.LIMIT_EXCEEDED if isinstance(command, BookSeats | HoldSeats):
            return [_limit(command, decision, before)]
        case Reason.NOT_ENOUGH_SEATS:
            return [
                f"{total_seats - before.taken()} of {total_seats} seats were available, not that many in this way"
            ]
        case Reason.NOT_ON_SALE if terms.sales_start_ms is not None:
            return [f"sales start {timestamp(terms.sales_start_ms)}, {terms.sales_start_ms - at_ms} ms later"]
        case Reason.SHOW_STARTED:
            return [f"the show started {timestamp(terms.starts_ms)}, {at_ms - terms.starts_ms} ms before"]
        case Reason.SHOW_CLOSED if before.closed is None and terms.sales_end_ms is not None:
            return [f"sales ended {timestamp(terms.sales_end_ms)}, {at_ms - terms.sales_end_ms} ms before"]
        case Reason.SHOW_CLOSED | Reason.SHOW_CANCELLED if before.closed is not None:
            verb = _VERBS[type(before.closed.event)]
            return [f"the show was {verb} {_when(before.closed, position)}, by {before.closed.by}"]
        case Reason.ALREADY_OPEN:
            return ["the show was open already"]
    if isinstance(command, ConfirmBooking | CancelBooking | CheckIn):
        return _of_booking(
            position, command.booking_id, decision, before.bookings.get(command.booking_id, [])
        )
    return [_PLAIN[reason]] if reason in _PLAIN else []


def _seats(labels: tuple[str, ...], position: Position, command: Command, before: ShowBefore) -> list[str]:
    """A line for each position that took some of the seats."""
    at: dict[Position | None, list[str]] = {}
    for label in labels:
        change = before.seats.get(label)
        at.setdefault(None if change is None else change.position, []).append(label)
    return [_taken(tuple(some), before.seats.get(some[0]), position, command) for some in at.values()]


def _taken(labels: tuple[str, ...], change: Change | None, position: Position, command: Command) -> str:
    seats = f"{listed(labels)} {'was' if len(labels) == 1 else 'were'}"
    if change is None:
        return f"{seats} somebody's, but the stored decisions do not tell since when"
    when = _when(change, position)
    if isinstance(change.event, SeatsBlocked | SeatsUnblocked):
        return f"{seats} blocked {when}, by {change.by}"
    booking = change.booking
    taken = "held" if booking.expires_ms is not None else "taken"
    asked_for = getattr(command, "customer_id", 0) or command.user_id
    whose = "the same customer" if booking.user_id == asked_for else f"user {booking.user_id}"
    return f"{seats} {taken} {when}, by another booking, {booking.booking_id} of {whose}"


def _limit(command: BookSeats | HoldSeats, decision: Decision, before: ShowBefore) -> str:
    mine = before.live_of(command.owner_id)
    have = sum(len(booking.seats) for booking, _ in mine)
    through = ", ".join(str(position) for _, position in mine)
    had = f"{have} through {through}" if have else "none"
    return f"limit of {decision.limit}: the customer had {had}, and asked for {command.quantity or len(command.seats)}"


def _of_booking(
    position: Position, booking_id: UUID, decision: Decision, changes: Iterable[Change]
) -> list[str]:
    found = list(changes)
    if not found:
        return [f"there was no booking {booking_id} in this show"]
    last = next(change for change in reversed(found) if not isinstance(change.event, TicketCheckedIn))
    when = _when(last, position)
    match decision.reason:
        case Reason.NOT_YOURS:
            return [f"the booking is user {last.booking.user_id}'s, and only staff may act for others"]
        case Reason.HOLD_EXPIRED:
            held = next(change for change in found if isinstance(change.event, BookingHeld))
            ran_out = timestamp(held.booking.expires_ms or 0)
            return [f"the hold of {held.position} ran out {ran_out} log time, and was released {when}"]
        case Reason.ALREADY_CANCELLED | Reason.ALREADY_CONFIRMED | Reason.NOT_CONFIRMED:
            return [f"the booking was {_VERBS[type(last.event)]} {when}, by {last.by}"]
        case Reason.ALREADY_USED | Reason.CHECKED_IN:
            return [
                f"{change.event.seat} was let in {_when(change, position)}, {timestamp(change.at_ms)}"
                for change in found
                if isinstance(change.event, TicketCheckedIn)
                and change.event.seat in (decision.seats or change.booking.seats)
            ]
    return []


def _when(change: Change, position: Position) -> str:
    if change.position == position:
        return "just then"
    return f"at {change.position}, {position.offset - change.position.offset} before this"

"""Text for the reason of a refusal, with the earlier position that caused it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from ops.audit.command_text import describe_block, describe_owner, list_seats
from ops.audit.event_text import VERBS, describe_booking
from ops.audit.show_before import Change, ShowBefore
from schemas.api import timestamp
from schemas.commands import (
    MAX_SEATS_PER_REQUEST,
    BookSeats,
    CancelBooking,
    ChangeSeats,
    CheckIn,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
    ScanTicket,
    SwapSeats,
    UndoCheckIn,
)
from schemas.events import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    Decision,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    Reason,
    SeatsBlocked,
    SeatsUnblocked,
    TicketCheckedIn,
)
from schemas.ids import Position
from schemas.layout import Money
from seat_workers.booking_rules import EXTENDED_AT_MOST_MS
from seat_workers.seat_rules import COMPANIONS_UNTIL_MS
from tickets.formats import money

_STATUS_EVENTS = BookingConfirmed | BookingHeld | BookingCancelled | HoldReleased | HoldExpired
"""The events that change the status of a booking."""

_PLAIN = {
    Reason.VALIDATION: "it names no seats, one twice, seats as well as a number, a price in another currency, or a"
    " booking id already in use",
    Reason.NOT_YOURS: "only staff, or the owner of the booking, may ask for this",
    Reason.PAYMENT_REQUIRED: "customers pay for this show before a booking is confirmed, and this one is not paid for",
    Reason.TICKET_UNSIGNED: "unsigned codes are valid for bookings that were confirmed before tickets were signed, and"
    " until their show ends",
    Reason.NOT_CHECKED_IN: "the seat was not checked in",
    Reason.INTERNAL_ERROR: "the rules raised, or PostgreSQL refused its rows: the worker's log of that time has the"
    " error under this position; the show was left as it was",
}


def reasons(
    position: Position, at_ms: int, command: Command, decision: Decision, before: ShowBefore, total_seats: int
) -> list[str]:
    """Returns the reasons of a refusal, one line each. `total_seats`: of the show's layout."""
    reason, terms = decision.reason, before.terms
    if reason is Reason.INTERNAL_ERROR:
        return [_PLAIN[reason]]
    if terms is None:
        return [f"show {command.show_id} had not been opened on partition {position.partition}"]
    match reason:
        case Reason.SEAT_TAKEN | Reason.SEAT_BLOCKED:
            return _seats(decision.seats, position, command, before) + _unshared(decision)
        case Reason.COMPANION_ONLY:
            return _companions(decision.seats, terms.starts_ms)
        case Reason.SEAT_UNKNOWN if isinstance(command, CheckIn):
            return [f"{command.seat} is not a seat of that booking"]
        case Reason.SEAT_UNKNOWN if isinstance(command, ScanTicket | UndoCheckIn):
            return [f"seat {command.seat_index} of the layout is not a seat of that booking"]
        case Reason.WRONG_SHOW if isinstance(command, ScanTicket):
            return [
                f"the ticket is of show {command.show_id}, and the door is for show {command.wanted_show_id}"
            ]
        case Reason.WRONG_DAY if isinstance(command, ScanTicket):
            return [
                f"the show starts {timestamp(terms.starts_ms)} and runs for {command.runs_ms // 60_000} minutes;"
                " tickets are valid from 12 hours before the start until 6 hours after the end"
            ]
        case Reason.SEAT_UNKNOWN if isinstance(command, BookSeats | HoldSeats) and command.quantity:
            return [f"layout {terms.layout_id} has no section {command.section!r}"]
        case Reason.SEAT_UNKNOWN:
            return [f"layout {terms.layout_id} has no {list_seats(decision.seats)}"]
        case Reason.LIMIT_EXCEEDED if isinstance(command, BookSeats | HoldSeats):
            return [_limit(command, decision, before), *_yours(decision)]
        case Reason.TOO_MANY_SEATS:
            return [f"a request has at most {decision.limit or MAX_SEATS_PER_REQUEST} seats"]
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
            verb = VERBS[type(before.closed.event)]
            return [f"the show was {verb} {_when(before.closed, position)}, by {before.closed.by}"]
        case Reason.ALREADY_OPEN:
            return ["the show was open already"]
    return _of_bookings(position, command, decision, before) or ([_PLAIN[reason]] if reason in _PLAIN else [])


def _seats(labels: tuple[str, ...], position: Position, command: Command, before: ShowBefore) -> list[str]:
    """Returns one line for each change that took some of the seats."""
    at: dict[tuple[Position, UUID | None] | None, list[str]] = {}
    for label in labels:
        change = before.seats.get(label)
        booking = None if change is None or change.about is None else change.about.booking_id
        at.setdefault(None if change is None else (change.position, booking), []).append(label)
    return [_taken(tuple(some), before.seats.get(some[0]), position, command, before) for some in at.values()]


def _taken(
    labels: tuple[str, ...], change: Change | None, position: Position, command: Command, before: ShowBefore
) -> str:
    seats = f"{list_seats(labels)} {'was' if len(labels) == 1 else 'were'}"
    if change is None:
        return f"{seats} taken; the stored decisions do not include the one that took them"
    when = _when(change, position)
    if isinstance(change.event, SeatsBlocked | SeatsUnblocked):
        block = ""
        if isinstance(change.event, SeatsBlocked):
            block = describe_block(change.event.code, change.event.release_ms)
        return f"{seats} blocked{block} {when}, by {change.by}"
    booking = change.booking
    taken = "held" if booking.expires_ms is not None else "taken"
    same = booking.owned and booking.user_id == _owner(command, before)
    whose = "the same customer" if same else describe_owner(booking.user_id)
    return f"{seats} {taken} {when}, by another booking, {booking.booking_id} of {whose}"


def _owner(command: Command, before: ShowBefore) -> int:
    """Returns the customer for whom seats were asked for; 0 for none."""
    if isinstance(command, BookSeats | HoldSeats):
        return command.owner_id
    if isinstance(command, ChangeSeats) and (changes := before.bookings.get(command.booking_id)):
        return changes[-1].booking.user_id
    return command.user_id


def _unshared(decision: Decision) -> list[str]:
    """Returns the customers for whom the refusal of an equal request is not meant."""
    if not decision.unshared:
        return []
    customers = ", ".join(describe_owner(user_id) for user_id in decision.unshared)
    return [
        f"not the answer to the equal request of {customers}, who has one of these seats: decided on its own"
    ]


def _companions(labels: tuple[str, ...], starts_ms: int) -> list[str]:
    until = timestamp(starts_ms - COMPANIONS_UNTIL_MS)
    return [
        f"{label} has no accessible seat beside it that was asked for too, or is the customer's"
        for label in labels
    ] + [f"until {until} companion seats are kept for those who sit beside accessible ones"]


def _yours(decision: Decision) -> list[str]:
    """Returns the owner's bookings that the refusal names, one line each."""
    return [f"in the way: the customer's own booking {describe_booking(one)}" for one in decision.yours]


def _limit(command: BookSeats | HoldSeats, decision: Decision, before: ShowBefore) -> str:
    mine = before.live_of(command.owner_id)
    have = sum(len(booking.seats) for booking, _ in mine)
    through = ", ".join(str(position) for _, position in mine)
    had = f"{have} through {through}" if have else "none"
    return f"limit of {decision.limit}: the customer had {had}, and asked for {command.quantity or len(command.seats)}"


def _of_bookings(position: Position, command: Command, decision: Decision, before: ShowBefore) -> list[str]:
    """Returns the reasons that are in the booking of a command, or in the two of a swap."""
    match command:
        case SwapSeats() if not command.staff:
            return ["only staff may exchange the seats of two bookings"]
        case SwapSeats() if decision.reason is Reason.VALIDATION:
            return ["it names one booking twice"]
        case SwapSeats():
            ids = [command.booking_id, command.with_booking_id]
        case ConfirmBooking() | CancelBooking() | ExtendHold() | ChangeSeats():
            ids = [command.booking_id]
        case CheckIn() | ScanTicket() | UndoCheckIn():
            ids = [command.booking_id]
        case _:
            return []
    lines = [_of_booking(position, one, decision, before.bookings.get(one, [])) for one in ids]
    if decision.reason is Reason.CHECKED_IN:
        return [line for some in lines for line in some]
    return next((some for some in lines if some), [])


def _of_booking(
    position: Position, booking_id: UUID, decision: Decision, changes: Iterable[Change]
) -> list[str]:
    """Returns the reasons that are in one booking; none if it is not the cause."""
    found = list(changes)
    if not found:
        return [f"there was no booking {booking_id} in this show"]
    booking = found[-1].booking
    last = next((one for one in reversed(found) if isinstance(one.event, _STATUS_EVENTS)), found[-1])
    when = _when(last, position)
    match decision.reason:
        case Reason.NOT_YOURS:
            return [f"the booking is {describe_owner(booking.user_id)}'s, and only staff may act for others"]
        case Reason.HOLD_EXPIRED if booking.status is BookingStatus.EXPIRED:
            return [f"{_length_of_hold(found, 'ran out')} log time, and was released {when}"]
        case Reason.ALREADY_CANCELLED if booking.status.live:
            return []  # the other booking of a swap is
        case Reason.ALREADY_CANCELLED | Reason.ALREADY_CONFIRMED | Reason.NOT_CONFIRMED:
            return [f"the booking was {VERBS[type(last.event)]} {when}, by {last.by}"]
        case Reason.HOLD_LIMIT:
            longest = timestamp(booking.created_ms + EXTENDED_AT_MOST_MS)
            return [f"{_length_of_hold(found, 'ends')}; no hold is extended beyond {longest}"]
        case Reason.PRICE_DIFFERS:
            total = money(Money(booking.total, booking.currency), "en")
            return [f"the booking is paid for, {total}, and the seats asked for cost another amount"]
        case Reason.VALIDATION if decision.limit is not None:
            return [f"the booking has {decision.limit} seats, and a customer changes to as many"]
        case Reason.ALREADY_USED | Reason.CHECKED_IN:
            return [
                f"{change.event.seat} was let in {_when(change, position)}, {timestamp(change.at_ms)}"
                for change in found
                if isinstance(change.event, TicketCheckedIn)
                and change.event.seat in (decision.seats or change.booking.seats)
            ]
    return []


def _length_of_hold(changes: Iterable[Change], ends: str) -> str:
    """Returns the beginning, the extensions and the end of a hold."""
    holds = [change for change in changes if isinstance(change.event, BookingHeld | HoldExtended)]
    if not holds:
        return f"the hold {ends} before the decisions that are stored"
    extended = ", ".join(str(change.position) for change in holds[1:])
    more = f", extended at {extended}," if extended else ""
    return f"the hold of {holds[0].position}{more} {ends} {timestamp(holds[-1].booking.expires_ms or 0)}"


def _when(change: Change, position: Position) -> str:
    if change.position == position:
        return "just then"
    return f"at {change.position}, {position.offset - change.position.offset} before this"

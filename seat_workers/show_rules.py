"""The rules of a show as a whole: opening, changing, closing, cancelling and blocking seats. Pure."""

from __future__ import annotations

import msgspec

from schemas.commands import (
    BlockSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CloseShow,
    OpenShow,
    ReopenShow,
    UnblockSeats,
)
from schemas.events import (
    Decision,
    Event,
    Reason,
    SeatsBlocked,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    ShowStatus,
    Terms,
)
from seat_workers.seat_rules import labels_of, unknown_seats
from seat_workers.show_state import AVAILABLE, BLOCKED, HELD, PLAIN, SOLD, Block, Show
from seat_workers.transitions import transition

CANCELLED_PER_COMMAND = 1_000
"""Bookings of a cancelled show that one command cancels. A timer of the worker appends the next command."""


def open_show(show: Show, command: OpenShow) -> Decision:
    """Decides opening a show."""
    if show.status is not None:
        return Decision(Reason.ALREADY_OPEN)
    terms = Terms(
        layout_id=command.layout_id,
        layout_digest=command.layout_digest,
        starts_ms=command.starts_ms,
        seats_per_customer=command.seats_per_customer,
        sales_start_ms=command.sales_start_ms or None,
        sales_end_ms=command.sales_end_ms or None,
        payment=command.payment,
    )
    return Decision(events=(ShowOpened(show.show_id, ShowStatus.OPEN, terms),))


def change_show(show: Show, command: ChangeShow | CloseShow | ReopenShow) -> Decision:
    """Decides changing the terms of a show, closing and reopening it."""
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    if show.status is ShowStatus.CANCELLED or show.status is None:
        return Decision(Reason.SHOW_CANCELLED)
    match command:
        case CloseShow():
            return Decision(events=(ShowClosed(show.show_id, ShowStatus.CLOSED, show.terms),))
        case ReopenShow():
            return Decision(events=(ShowReopened(show.show_id, ShowStatus.OPEN, show.terms),))
        case ChangeShow():
            given = {
                name: value
                for name in ("starts_ms", "seats_per_customer", "sales_start_ms", "sales_end_ms")
                if (value := getattr(command, name)) is not None
            }
            for name in ("sales_start_ms", "sales_end_ms"):
                if given.get(name) == 0:
                    given[name] = None
            terms = msgspec.structs.replace(show.terms, **given)
            return Decision(events=(ShowChanged(show.show_id, show.status, terms),))


def cancel_show(show: Show, command: CancelShow) -> Decision:
    """Decides cancelling a show, or the next page of its bookings."""
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    by_timer = command.user_id == 0
    if show.status is ShowStatus.CANCELLED and not by_timer:
        return Decision(Reason.SHOW_CANCELLED)
    events: list[Event] = []
    if show.status is not ShowStatus.CANCELLED:
        events.append(ShowCancelled(show.show_id, ShowStatus.CANCELLED, show.terms))
    page = show.bookings.smallest(CANCELLED_PER_COMMAND)
    events += [transition(show.bookings[booking_id], CancelBooking) for booking_id in page]
    return Decision(events=tuple(events))


def block_seats(show: Show, command: BlockSeats) -> Decision:
    """Decides blocking seats. Those that are blocked already get the new code and release time, if it has either."""
    seats = _free_of_bookings(show, command)
    if isinstance(seats, Decision):
        return seats
    block = Block(command.code, command.release_ms)
    changed, blocked_before = [], []
    for seat in seats:
        if show.states[seat] == AVAILABLE:
            changed.append(seat)
        elif block != PLAIN and show.block(seat) != block:
            changed.append(seat)
            blocked_before.append(seat)
    events: list[Event] = []
    if blocked_before:
        events.append(SeatsUnblocked(show.show_id, labels_of(show, blocked_before)))
    if changed:
        events.append(
            SeatsBlocked(show.show_id, labels_of(show, changed), code=block.code, release_ms=block.release_ms)
        )
    return Decision(events=tuple(events))


def unblock_seats(show: Show, command: UnblockSeats) -> Decision:
    """Decides making blocked seats available."""
    seats = _free_of_bookings(show, command)
    if isinstance(seats, Decision):
        return seats
    changed = [seat for seat in seats if show.states[seat] == BLOCKED]
    return Decision(events=(SeatsUnblocked(show.show_id, labels_of(show, changed)),) if changed else ())


def _free_of_bookings(show: Show, command: BlockSeats | UnblockSeats) -> list[int] | Decision:
    """The indexes of the seats that a command names, in layout order, or the refusal."""
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    labels = command.seats
    if not labels or len(set(labels)) != len(labels):
        return Decision(Reason.VALIDATION)
    seats = sorted([show.seating.find(label) for label in labels])
    if seats[0] < 0:
        return unknown_seats(show, labels)
    taken = [seat for seat in seats if show.states[seat] in (HELD, SOLD)]
    return Decision(Reason.SEAT_TAKEN, labels_of(show, taken)) if taken else seats

"""The writer of a show: takes one command after another. Pure.

A show is a state machine that is replicated by its log. It has one writer, which takes one command after another, so
nothing here needs a lock. For each command, `step` runs three functions:

- `expire(show, now_ms)` returns the events of what has expired: holds, and blocks with a release time. It changes
  nothing.
- `decide(show, command, now_ms)` returns the decision: events, or the reason of a refusal. It changes nothing.
- `apply(show, event)` changes the show as an event says. It decides nothing.

All inputs come from the log: `now_ms` is the log time of the command's record, and new ids travel in the command.
Nothing is random, and no clock is read. The same commands in the same order therefore give the same decisions, on any
machine and at any time. Recovery, `aisle verify` and the tests rely on it.

The rules are in rooms of their own:

    transitions.py     the life of a booking, as one table
    booking_rules.py   making, confirming, cancelling, extending, changing, swapping
    check_in_rules.py  scanning tickets at the door
    seat_rules.py      which seats a command may have
    show_rules.py      opening, changing, closing and cancelling a show, blocking seats

A seat is available, held or sold by the live booking that has it, or blocked by staff. A show is open or closed, in
turns, or cancelled for good; its bookings are then cancelled a page at a time. The seats of a confirmed booking are
checked in one by one; after the first check-in, only staff can cancel it.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeSeats,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    HoldSeats,
    OpenShow,
    ReopenShow,
    ScanTicket,
    SwapSeats,
    UnblockSeats,
    UndoCheckIn,
)
from schemas.events import (
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    CheckInUndone,
    Decision,
    Event,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    Reason,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    TicketCheckedIn,
)
from seat_workers.booking_rules import (
    change_seats,
    confirm_or_cancel,
    extend_hold,
    swap_seats,
    take_seats,
)
from seat_workers.check_in_rules import check_in, scan_ticket, undo_check_in
from seat_workers.seat_rules import labels_of
from seat_workers.show_rules import block_seats, cancel_show, change_show, open_show, unblock_seats
from seat_workers.show_state import Block, Show
from seat_workers.transitions import transition


def step(show: Show, command: Command, now_ms: int) -> Decision:
    """Takes one command: expires, decides, applies. Returns the decision with all its events.

    `now_ms`: log time of the command, Unix milliseconds.
    """
    expired = expire(show, now_ms)
    for event in expired:
        apply(show, event)
    decision = decide(show, command, now_ms)
    for event in decision.events:
        apply(show, event)
    if expired:
        return msgspec.structs.replace(decision, events=(*expired, *decision.events))
    return decision


def expire(show: Show, now_ms: int) -> tuple[Event, ...]:
    """The events of what has expired by `now_ms`. This is the one rule for expiry.

    First the holds, by expiry, then id; then one event with all blocked seats that are to be released.
    """
    holds_due = bool(show.expiries) and show.expiries[0][0] <= now_ms
    blocks_due = bool(show.releases) and show.releases[0][0] <= now_ms
    if not (holds_due or blocks_due):
        return ()
    due = show.next_expiry_ms()  # without entries of holds and blocks that ended before
    if due is None or due > now_ms:
        return ()
    holds = sorted({(ms, booking_id) for ms, booking_id in show.expiries if ms <= now_ms})
    events: list[Event] = [
        transition(show.bookings[booking_id], ExpireHolds)
        for ms, booking_id in holds
        if show.holds_until(booking_id, ms)
    ]
    released = sorted({seat for ms, seat in show.releases if ms <= now_ms and show.blocks_until(seat, ms)})
    if released:
        events.append(SeatsUnblocked(show.show_id, labels_of(show, released)))
    return tuple(events)


def decide(show: Show, command: Command, now_ms: int) -> Decision:
    """The decision on a command. Changes nothing. What has expired must be applied already.

    If several reasons for a refusal apply, the decision has the first in the API's order, with all seats at fault.
    """
    if isinstance(command, OpenShow):
        return open_show(show, command)
    if show.status is None:
        return Decision(Reason.NOT_FOUND)
    match command:
        case BookSeats() | HoldSeats():
            return take_seats(show, command, now_ms)
        case ConfirmBooking() | CancelBooking():
            return confirm_or_cancel(show, command, now_ms)
        case ExtendHold():
            return extend_hold(show, command, now_ms)
        case ChangeSeats():
            return change_seats(show, command, now_ms)
        case SwapSeats():
            return swap_seats(show, command)
        case BlockSeats():
            return block_seats(show, command)
        case UnblockSeats():
            return unblock_seats(show, command)
        case ChangeShow() | CloseShow() | ReopenShow():
            return change_show(show, command)
        case ExpireHolds():
            return Decision()
        case CancelShow():
            return cancel_show(show, command)
        case CheckIn():
            return check_in(show, command, now_ms)
        case ScanTicket():
            return scan_ticket(show, command, now_ms)
        case UndoCheckIn():
            return undo_check_in(show, command)
        case _:
            assert_never(command)


def apply(show: Show, event: Event) -> None:
    """Changes the show as an event says. The event must come from `decide` or `expire` on this very state."""
    match event:
        case BookingConfirmed() | BookingHeld():
            show.claim(event.booking)
        case BookingCancelled() | HoldReleased() | HoldExpired():
            show.free(event.booking)
        case HoldExtended():
            show.extend(event.booking)
        case BookingChanged():
            show.change_seats(event.booking, event.old_seats)
        case SeatsSwapped():
            show.swap_seats(event.booking, event.other)
        case SeatsBlocked():
            show.set_blocked(event.seats, Block(event.code, event.release_ms))
        case SeatsUnblocked():
            show.set_unblocked(event.seats)
        case ShowOpened() | ShowChanged() | ShowClosed() | ShowReopened() | ShowCancelled():
            show.status, show.terms = event.status, event.terms
        case TicketCheckedIn():
            show.bookings[event.booking.booking_id] = event.booking
        case CheckInUndone():
            show.bookings.undo_check_in(event.seat)
        case _:
            assert_never(event)

"""The rules of a show: every transition of its seats and bookings. Pure.

A show is a state machine that is replicated by its log. It has one writer, which takes one command after another, so
nothing here needs a lock. For each command, `step` runs three functions:

- `expire(show, now_ms)` returns an event for each hold that has expired. It changes nothing.
- `decide(show, command, now_ms)` returns the decision: events, or the reason of a refusal. It changes nothing.
- `apply(show, event)` changes the show as an event says. It decides nothing.

All inputs come from the log: `now_ms` is the log time of the command's record, and new ids travel in the command.
Nothing is random, and no clock is read. The same commands in the same order therefore give the same decisions, on any
machine and at any time. Recovery, `aisle verify` and the tests rely on it.

A booking is a two-phase transfer of its seats: held is pending, confirmed is posted, released and expired are voided.
A row is the present status, a column the command; a cell is the next status, or the reason of the refusal:

    status \\ command   BookSeats     HoldSeats   ConfirmBooking      CancelBooking       hold expires
    (none)             confirmed     held        not_found           not_found           –
    held               –             –           confirmed           released            expired
    confirmed          –             –           already_confirmed   cancelled           –
    cancelled          –             –           already_cancelled   already_cancelled   –
    released           –             –           already_cancelled   already_cancelled   –
    expired            –             –           hold_expired        hold_expired        –

`TRANSITIONS` below is this table. Around it:

- A seat is available, held or sold by the live booking that has it, or blocked by staff.
- A show is open or closed, in turns, or cancelled for good. Its bookings are then cancelled a page at a time.
- The seats of a confirmed booking are checked in one by one. After the first check-in, only staff can cancel it.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

import msgspec

from schemas.api import MAX_SEATS_PER_REQUEST
from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    HoldSeats,
    OpenShow,
    ReopenShow,
    UnblockSeats,
)
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingConfirmed,
    BookingEvent,
    BookingHeld,
    BookingStatus,
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
    ShowStatus,
    Terms,
    TicketCheckedIn,
)
from seat_workers.best_seats import best_seats
from seat_workers.show_state import AVAILABLE, BLOCKED, HELD, SOLD, Show

Transition: TypeAlias = tuple[type[BookingEvent], BookingStatus]
"""The event of an accepted command, and the booking's status after it."""

TRANSITIONS: dict[tuple[BookingStatus | None, type[Command]], Transition | Reason] = {
    (None, BookSeats): (BookingConfirmed, BookingStatus.CONFIRMED),
    (None, HoldSeats): (BookingHeld, BookingStatus.HELD),
    (None, ConfirmBooking): Reason.NOT_FOUND,
    (None, CancelBooking): Reason.NOT_FOUND,
    (BookingStatus.HELD, ConfirmBooking): (BookingConfirmed, BookingStatus.CONFIRMED),
    (BookingStatus.HELD, CancelBooking): (HoldReleased, BookingStatus.RELEASED),
    (BookingStatus.HELD, ExpireHolds): (HoldExpired, BookingStatus.EXPIRED),
    (BookingStatus.CONFIRMED, ConfirmBooking): Reason.ALREADY_CONFIRMED,
    (BookingStatus.CONFIRMED, CancelBooking): (BookingCancelled, BookingStatus.CANCELLED),
    (BookingStatus.CANCELLED, ConfirmBooking): Reason.ALREADY_CANCELLED,
    (BookingStatus.CANCELLED, CancelBooking): Reason.ALREADY_CANCELLED,
    (BookingStatus.RELEASED, ConfirmBooking): Reason.ALREADY_CANCELLED,
    (BookingStatus.RELEASED, CancelBooking): Reason.ALREADY_CANCELLED,
    (BookingStatus.EXPIRED, ConfirmBooking): Reason.HOLD_EXPIRED,
    (BookingStatus.EXPIRED, CancelBooking): Reason.HOLD_EXPIRED,
}

CANCELLED_PER_COMMAND = 1_000
"""Bookings of a cancelled show that one command cancels. A timer of the worker appends the next command."""

_BLOCK_TRANSITIONS: dict[type[Command], tuple[int, type[SeatsBlocked] | type[SeatsUnblocked]]] = {
    BlockSeats: (AVAILABLE, SeatsBlocked),
    UnblockSeats: (BLOCKED, SeatsUnblocked),
}


def step(show: Show, command: Command, now_ms: int) -> Decision:
    """Takes one command: expires holds, decides, applies. Returns the decision with all its events.

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
    """The events of the holds that have expired by `now_ms`, by expiry, then id. This is the one rule for expiry."""
    if not show.expiries or show.expiries[0][0] > now_ms:
        return ()
    due = show.next_expiry_ms()
    if due is None or due > now_ms:
        return ()
    holds = sorted({(ms, booking_id) for ms, booking_id in show.expiries if ms <= now_ms})
    due_holds = [show.bookings[booking_id] for ms, booking_id in holds if show.holds_until(booking_id, ms)]
    return tuple(_transition(booking, ExpireHolds) for booking in due_holds)


def decide(show: Show, command: Command, now_ms: int) -> Decision:
    """The decision on a command. Changes nothing. The show's expired holds must be applied already.

    If several reasons for a refusal apply, the decision has the first in the API's order, with all seats at fault.
    """
    if isinstance(command, OpenShow):
        return _open_show(show, command)
    if show.status is None:
        return Decision(Reason.NOT_FOUND)
    match command:
        case BookSeats() | HoldSeats():
            return _take_seats(show, command, now_ms)
        case ConfirmBooking() | CancelBooking():
            return _confirm_or_cancel(show, command, now_ms)
        case BlockSeats() | UnblockSeats():
            return _block_or_unblock(show, command)
        case ChangeShow() | CloseShow() | ReopenShow():
            return _change_show(show, command)
        case ExpireHolds():
            return Decision()
        case CancelShow():
            return _cancel_show(show, command)
        case CheckIn():
            return _check_in(show, command, now_ms)
        case _:
            assert_never(command)


def _open_show(show: Show, command: OpenShow) -> Decision:
    if show.status is not None:
        return Decision(Reason.ALREADY_OPEN)
    terms = Terms(
        layout_id=command.layout_id,
        layout_digest=command.layout_digest,
        starts_ms=command.starts_ms,
        seats_per_customer=command.seats_per_customer,
        sales_start_ms=command.sales_start_ms or None,
        sales_end_ms=command.sales_end_ms or None,
    )
    return Decision(events=(ShowOpened(show.show_id, ShowStatus.OPEN, terms),))


def _take_seats(show: Show, command: BookSeats | HoldSeats, now_ms: int) -> Decision:
    terms = show.terms
    if show.status is not ShowStatus.OPEN:
        return _not_open(show)
    if terms.sales_start_ms is not None and now_ms < terms.sales_start_ms:
        return Decision(Reason.NOT_ON_SALE, limit=terms.sales_start_ms)
    if terms.sales_end_ms is not None and now_ms >= terms.sales_end_ms:
        return Decision(Reason.SHOW_CLOSED)
    if now_ms >= terms.starts_ms:
        return Decision(Reason.SHOW_STARTED)
    seats = _best_seats(show, command) if command.quantity else _requested_seats(show, command.seats)
    if isinstance(seats, Decision):
        return seats
    owner = command.owner_id
    if show.seats_of_customer.of(owner) + len(seats) > terms.seats_per_customer:
        return Decision(Reason.LIMIT_EXCEEDED, limit=terms.seats_per_customer)
    seating = show.seating
    outcome = TRANSITIONS[None, type(command)]
    assert not isinstance(outcome, Reason)
    event_type, status = outcome
    booking = Booking(
        booking_id=command.booking_id,
        show_id=show.show_id,
        user_id=owner,
        status=status,
        seats=tuple([seating.label(seat) for seat in seats]),
        total=sum([seating.price_of(seat) for seat in seats]),
        currency=seating.currency,
        created_ms=now_ms,
        expires_ms=now_ms + command.hold_ms if isinstance(command, HoldSeats) else None,
    )
    if booking.booking_id in show.bookings or booking.booking_id in show.ended:
        return Decision(Reason.VALIDATION)
    return Decision(events=(event_type(booking),), about_last=True)


def _requested_seats(show: Show, labels: tuple[str, ...]) -> list[int] | Decision:
    count = len(labels)
    if count != 1 and (not labels or len(set(labels)) != count):
        return Decision(Reason.VALIDATION)
    if count > MAX_SEATS_PER_REQUEST:
        return Decision(Reason.TOO_MANY_SEATS)
    find, states = show.seating.find, show.states
    seats = sorted([find(label) for label in labels])
    if seats[0] < 0:
        return _unknown_seats(show, labels)
    for seat in seats:
        if states[seat] != AVAILABLE:
            return _unavailable_seats(show, seats)
    return seats


def _best_seats(show: Show, command: BookSeats | HoldSeats) -> list[int] | Decision:
    if command.seats:
        return Decision(Reason.VALIDATION)
    if command.quantity > MAX_SEATS_PER_REQUEST:
        return Decision(Reason.TOO_MANY_SEATS)
    if command.section is not None and command.section not in show.seating.sections:
        return Decision(Reason.SEAT_UNKNOWN)
    seats = best_seats(show.states, show.seating, command.quantity, command.section, command.adjacent)
    return Decision(Reason.NOT_ENOUGH_SEATS) if seats is None else seats


def _unknown_seats(show: Show, labels: tuple[str, ...]) -> Decision:
    return Decision(Reason.SEAT_UNKNOWN, tuple(sorted({one for one in labels if show.seating.find(one) < 0})))


def _unavailable_seats(show: Show, seats: list[int]) -> Decision:
    """The refusal for seats that are not all available: names the taken ones, or else the blocked ones."""
    states, label = show.states, show.seating.label
    taken = tuple([label(seat) for seat in seats if states[seat] in (HELD, SOLD)])
    if taken:
        return Decision(Reason.SEAT_TAKEN, taken)
    return Decision(Reason.SEAT_BLOCKED, tuple([label(seat) for seat in seats if states[seat] == BLOCKED]))


def _confirm_or_cancel(show: Show, command: ConfirmBooking | CancelBooking, now_ms: int) -> Decision:
    booking = show.bookings.get(command.booking_id) or show.ended.get(command.booking_id)
    if booking is None:
        return Decision(Reason.NOT_FOUND)
    if booking.user_id != command.user_id and not command.staff:
        return Decision(Reason.NOT_YOURS)
    outcome = TRANSITIONS[booking.status, type(command)]
    if isinstance(outcome, Reason):
        return Decision(outcome)
    if isinstance(command, ConfirmBooking) and show.status is ShowStatus.CANCELLED:
        return _not_open(show)
    if isinstance(command, CancelBooking) and not command.staff:
        # Confirming has no such limits: a hold may be confirmed until it expires, even after the show has started.
        if now_ms >= show.terms.starts_ms:
            return Decision(Reason.SHOW_STARTED)
        if booking.checked_in:
            return Decision(Reason.CHECKED_IN)
    event = _transition(booking, type(command))
    return Decision(events=(event,), about_last=True)


def _transition(booking: Booking, command: type[Command]) -> BookingEvent:
    """The event of an accepted command, with the booking as it is after it."""
    outcome = TRANSITIONS[booking.status, command]
    assert not isinstance(outcome, Reason), "the caller has looked the refusal up before"
    event_type, status = outcome
    return event_type(msgspec.structs.replace(booking, status=status, expires_ms=None))


def _block_or_unblock(show: Show, command: BlockSeats | UnblockSeats) -> Decision:
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    labels = command.seats
    if not labels or len(set(labels)) != len(labels):
        return Decision(Reason.VALIDATION)
    seats = sorted([show.seating.find(label) for label in labels])
    if seats[0] < 0:
        return _unknown_seats(show, labels)
    state_before, event_type = _BLOCK_TRANSITIONS[type(command)]
    taken = tuple(show.seating.label(seat) for seat in seats if show.states[seat] in (HELD, SOLD))
    if taken:
        return Decision(Reason.SEAT_TAKEN, taken)
    changed = tuple(show.seating.label(seat) for seat in seats if show.states[seat] == state_before)
    return Decision(events=(event_type(show.show_id, changed),) if changed else ())


def _change_show(show: Show, command: ChangeShow | CloseShow | ReopenShow) -> Decision:
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


def _cancel_show(show: Show, command: CancelShow) -> Decision:
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    by_timer = command.user_id == 0
    if show.status is ShowStatus.CANCELLED and not by_timer:
        return Decision(Reason.SHOW_CANCELLED)
    events: list[Event] = []
    if show.status is not ShowStatus.CANCELLED:
        events.append(ShowCancelled(show.show_id, ShowStatus.CANCELLED, show.terms))
    page = show.bookings.smallest(CANCELLED_PER_COMMAND)
    events += [_transition(show.bookings[booking_id], CancelBooking) for booking_id in page]
    return Decision(events=tuple(events))


def _check_in(show: Show, command: CheckIn, now_ms: int) -> Decision:
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    booking = show.bookings.get(command.booking_id) or show.ended.get(command.booking_id)
    if booking is None:
        return Decision(Reason.NOT_FOUND)
    if booking.status is not BookingStatus.CONFIRMED:
        reason = TRANSITIONS[booking.status, ConfirmBooking]
        return Decision(reason if isinstance(reason, Reason) else Reason.NOT_CONFIRMED)
    if show.status is ShowStatus.CANCELLED:
        return _not_open(show)
    if command.seat not in booking.seats:
        return Decision(Reason.SEAT_UNKNOWN, (command.seat,))
    used_ms = booking.checked_in.get(command.seat)
    if used_ms is not None:
        return Decision(Reason.ALREADY_USED, (command.seat,), limit=used_ms, booking_apart=booking)
    used = msgspec.structs.replace(booking, checked_in={**booking.checked_in, command.seat: now_ms})
    return Decision(events=(TicketCheckedIn(used, command.seat),), about_last=True)


def _not_open(show: Show) -> Decision:
    cancelled = show.status is ShowStatus.CANCELLED
    return Decision(Reason.SHOW_CANCELLED if cancelled else Reason.SHOW_CLOSED)


def apply(show: Show, event: Event) -> None:
    """Changes the show as an event says. The event must come from `decide` or `expire` on this very state."""
    match event:
        case BookingConfirmed() | BookingHeld():
            show.claim(event.booking)
        case BookingCancelled() | HoldReleased() | HoldExpired():
            show.free(event.booking)
        case SeatsBlocked() | SeatsUnblocked():
            blocked = isinstance(event, SeatsBlocked)
            for seat in show.indexes(event.seats):
                show.states[seat] = BLOCKED if blocked else AVAILABLE
            show.available += -len(event.seats) if blocked else len(event.seats)
        case ShowOpened() | ShowChanged() | ShowClosed() | ShowReopened() | ShowCancelled():
            show.status, show.terms = event.status, event.terms
        case TicketCheckedIn():
            show.bookings[event.booking.booking_id] = event.booking
        case _:
            assert_never(event)

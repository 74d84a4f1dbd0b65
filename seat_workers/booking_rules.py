"""The rules of bookings: making, confirming, cancelling, extending, changing and swapping. Pure.

Each function decides one kind of command on an open show, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

from schemas.commands import (
    BookSeats,
    CancelBooking,
    ChangeSeats,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
    SwapSeats,
)
from schemas.events import (
    Booking,
    BookingChanged,
    BookingStatus,
    Decision,
    HoldExtended,
    Reason,
    SeatsSwapped,
    ShowStatus,
)
from seat_workers.seat_rules import (
    MAX_YOURS,
    chosen_seats,
    companions_kept,
    labels_of,
    lone_companions,
    not_on_sale,
    not_open,
    requested_seats,
)
from seat_workers.show_state import Show
from seat_workers.transitions import TRANSITIONS, transition

EXTENDED_AT_MOST_MS = 30 * 60 * 1000
"""How long after it was made an extended hold may last."""


def take_seats(show: Show, command: BookSeats | HoldSeats, now_ms: int) -> Decision:
    """Decides booking and holding of seats."""
    refusal = not_on_sale(show, now_ms)
    if refusal is not None:
        return refusal
    owner = command.owner_id
    if command.quantity:
        seats = chosen_seats(show, command)
    else:
        seats = requested_seats(show, command, owner)
        if not command.staff and not isinstance(seats, Decision) and companions_kept(show, now_ms):
            alone = lone_companions(show, seats, owner)
            if alone:
                return Decision(Reason.COMPANION_ONLY, labels_of(show, alone))
    if isinstance(seats, Decision):
        return seats
    terms = show.terms
    limited = owner and not (command.lift_limit and command.staff)
    if limited and show.seats_of_customer.of(owner) + len(seats) > terms.seats_per_customer:
        return _limit_exceeded(show, command, owner)
    seating = show.seating
    total = sum([seating.price_of(seat) for seat in seats])
    if total and terms.payment != "none" and isinstance(command, BookSeats) and not command.staff:
        return Decision(Reason.PAYMENT_REQUIRED)
    outcome = TRANSITIONS[None, type(command)]
    assert not isinstance(outcome, Reason)
    event_type, status = outcome
    booking = Booking(
        booking_id=command.booking_id,
        show_id=show.show_id,
        user_id=owner,
        status=status,
        seats=tuple([seating.label(seat) for seat in seats]),
        total=total,
        currency=seating.currency,
        created_ms=now_ms,
        expires_ms=now_ms + command.hold_ms if isinstance(command, HoldSeats) else None,
        paid=command.paid and command.staff,
    )
    if booking.booking_id in show.bookings or booking.booking_id in show.ended:
        return Decision(Reason.VALIDATION)
    return Decision(events=(event_type(booking),), about_last=True)  # type: ignore[call-arg]


def _limit_exceeded(show: Show, command: BookSeats | HoldSeats, owner: int) -> Decision:
    yours = show.bookings_of(owner)[:MAX_YOURS] if command.yours else []
    return Decision(Reason.LIMIT_EXCEEDED, limit=show.terms.seats_per_customer, yours=tuple(yours))


def confirm_or_cancel(show: Show, command: ConfirmBooking | CancelBooking, now_ms: int) -> Decision:
    """Decides confirming a hold, and cancelling a booking."""
    booking = _booking_of(show, command, command.booking_id)
    if isinstance(booking, Decision):
        return booking
    if isinstance(command, ConfirmBooking):
        # No time limits: a hold may be confirmed until it expires, even after the show has started.
        if show.status is ShowStatus.CANCELLED:
            return not_open(show)
        if show.terms.payment != "none" and booking.total and not (command.staff or booking.paid):
            return Decision(Reason.PAYMENT_REQUIRED)
    elif not command.staff:
        if now_ms >= show.terms.starts_ms:
            return Decision(Reason.SHOW_STARTED)
        if booking.checked_in:
            return Decision(Reason.CHECKED_IN)
    return Decision(events=(transition(booking, type(command)),), about_last=True)


def extend_hold(show: Show, command: ExtendHold, now_ms: int) -> Decision:
    """Decides extending a hold by its own length."""
    booking = _booking_of(show, command, command.booking_id)
    if isinstance(booking, Decision):
        return booking
    if show.status is ShowStatus.CANCELLED:
        return not_open(show)
    assert booking.expires_ms is not None
    hold_ms = booking.hold_ms or booking.expires_ms - booking.created_ms
    expires_ms = min(now_ms + hold_ms, booking.created_ms + EXTENDED_AT_MOST_MS)
    if expires_ms <= booking.expires_ms:
        return Decision(Reason.HOLD_LIMIT)
    extended = msgspec.structs.replace(booking, expires_ms=expires_ms, hold_ms=hold_ms)
    return Decision(events=(HoldExtended(extended),), about_last=True)


def change_seats(show: Show, command: ChangeSeats, now_ms: int) -> Decision:
    """Decides giving a booking other seats."""
    booking = _booking_of(show, command, command.booking_id)
    if isinstance(booking, Decision):
        return booking
    refusal = not_on_sale(show, now_ms)
    if refusal is not None:
        return refusal
    if not command.staff and len(command.seats) != len(booking.seats):
        return Decision(Reason.VALIDATION, limit=len(booking.seats))
    own = set(show.indexes(booking.seats))
    seats = requested_seats(show, command, booking.user_id, own)
    if isinstance(seats, Decision):
        return seats
    labels = labels_of(show, seats)
    left = _left_check_ins(booking, labels)
    if left:
        return Decision(Reason.CHECKED_IN, left)
    if not command.staff and companions_kept(show, now_ms):
        alone = lone_companions(show, seats, booking.user_id, except_booking=booking)
        if alone:
            return Decision(Reason.COMPANION_ONLY, labels_of(show, alone))
    total = sum([show.seating.price_of(seat) for seat in seats])
    if (
        total != booking.total
        and booking.paid
        and not command.staff
        and booking.status is BookingStatus.CONFIRMED
    ):
        return Decision(Reason.PRICE_DIFFERS)
    changed = msgspec.structs.replace(booking, seats=labels, total=total)
    return Decision(events=(BookingChanged(changed, booking.seats, booking.total),), about_last=True)


def swap_seats(show: Show, command: SwapSeats) -> Decision:
    """Decides exchanging the seats of two bookings."""
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    one = _booking_of(show, command, command.booking_id)
    if isinstance(one, Decision):
        return one
    other = _booking_of(show, command, command.with_booking_id)
    if isinstance(other, Decision):
        return other
    if one.booking_id == other.booking_id:
        return Decision(Reason.VALIDATION)
    if show.status is ShowStatus.CANCELLED:
        return not_open(show)
    if one.checked_in or other.checked_in:
        used = {**one.checked_in, **other.checked_in}
        return Decision(Reason.CHECKED_IN, labels_of(show, sorted(show.indexes(used))))
    event = SeatsSwapped(
        msgspec.structs.replace(one, seats=other.seats, total=other.total),
        msgspec.structs.replace(other, seats=one.seats, total=one.total),
    )
    return Decision(events=(event,), about_last=True)


def _booking_of(show: Show, command: Command, booking_id: UUID) -> Booking | Decision:
    """The booking that a command may act on by the table of transitions, or the refusal."""
    booking = show.bookings.get(booking_id) or show.ended.get(booking_id)
    if booking is None:
        return Decision(Reason.NOT_FOUND)
    if booking.user_id != command.user_id and not command.staff:
        return Decision(Reason.NOT_YOURS)
    outcome = TRANSITIONS[booking.status, type(command)]
    return Decision(outcome) if isinstance(outcome, Reason) else booking


def _left_check_ins(booking: Booking, labels: Collection[str]) -> tuple[str, ...]:
    """The checked-in seats of a booking that are not among `labels`."""
    return tuple([seat for seat in booking.seats if seat in booking.checked_in and seat not in labels])

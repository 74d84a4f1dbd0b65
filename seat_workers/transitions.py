"""The life of a booking, as one table. Pure.

A booking is a two-phase transfer of its seats: held is pending, confirmed is posted, released and expired are voided.
A row is the present status, a column the command; a cell is the next status, or the reason of the refusal:

    status \\ command   BookSeats   HoldSeats   ConfirmBooking      CancelBooking       ExtendHold
    (none)             confirmed   held        not_found           not_found           not_found
    held               –           –           confirmed           released            held
    confirmed          –           –           already_confirmed   cancelled           already_confirmed
    cancelled          –           –           already_cancelled   already_cancelled   already_cancelled
    released           –           –           already_cancelled   already_cancelled   already_cancelled
    expired            –           –           hold_expired        hold_expired        hold_expired

    status \\ command   ChangeSeats         SwapSeats           ScanTicket          UndoCheckIn         hold expires
    (none)             not_found           not_found           not_found           not_found           –
    held               held                held                not_confirmed       not_confirmed       expired
    confirmed          confirmed           confirmed           confirmed           confirmed           –
    cancelled          already_cancelled   already_cancelled   already_cancelled   already_cancelled   –
    released           already_cancelled   already_cancelled   already_cancelled   already_cancelled   –
    expired            hold_expired        hold_expired        hold_expired        hold_expired        –

`TRANSITIONS` is this table. What else a command needs to be accepted is in booking_rules.py, seat_rules.py
and check_in_rules.py.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from schemas.commands import (
    BookSeats,
    CancelBooking,
    ChangeSeats,
    Command,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    HoldSeats,
    ScanTicket,
    SwapSeats,
    UndoCheckIn,
)
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingEvent,
    BookingHeld,
    BookingStatus,
    CheckInUndone,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    Reason,
    SeatsSwapped,
    TicketCheckedIn,
)

Transition: TypeAlias = tuple[
    type[BookingEvent | SeatsSwapped | TicketCheckedIn | CheckInUndone], BookingStatus
]
"""The event of an accepted command, and the booking's status after it."""

_ENDED: tuple[tuple[BookingStatus | None, Reason], ...] = (
    (None, Reason.NOT_FOUND),
    (BookingStatus.CANCELLED, Reason.ALREADY_CANCELLED),
    (BookingStatus.RELEASED, Reason.ALREADY_CANCELLED),
    (BookingStatus.EXPIRED, Reason.HOLD_EXPIRED),
)

TRANSITIONS: dict[tuple[BookingStatus | None, type[Command]], Transition | Reason] = {
    (None, BookSeats): (BookingConfirmed, BookingStatus.CONFIRMED),
    (None, HoldSeats): (BookingHeld, BookingStatus.HELD),
    (BookingStatus.HELD, ConfirmBooking): (BookingConfirmed, BookingStatus.CONFIRMED),
    (BookingStatus.HELD, CancelBooking): (HoldReleased, BookingStatus.RELEASED),
    (BookingStatus.HELD, ExtendHold): (HoldExtended, BookingStatus.HELD),
    (BookingStatus.HELD, ChangeSeats): (BookingChanged, BookingStatus.HELD),
    (BookingStatus.HELD, SwapSeats): (SeatsSwapped, BookingStatus.HELD),
    (BookingStatus.HELD, ExpireHolds): (HoldExpired, BookingStatus.EXPIRED),
    (BookingStatus.CONFIRMED, ConfirmBooking): Reason.ALREADY_CONFIRMED,
    (BookingStatus.CONFIRMED, CancelBooking): (BookingCancelled, BookingStatus.CANCELLED),
    (BookingStatus.CONFIRMED, ExtendHold): Reason.ALREADY_CONFIRMED,
    (BookingStatus.CONFIRMED, ChangeSeats): (BookingChanged, BookingStatus.CONFIRMED),
    (BookingStatus.CONFIRMED, SwapSeats): (SeatsSwapped, BookingStatus.CONFIRMED),
    (BookingStatus.HELD, ScanTicket): Reason.NOT_CONFIRMED,
    (BookingStatus.HELD, UndoCheckIn): Reason.NOT_CONFIRMED,
    (BookingStatus.CONFIRMED, ScanTicket): (TicketCheckedIn, BookingStatus.CONFIRMED),
    (BookingStatus.CONFIRMED, UndoCheckIn): (CheckInUndone, BookingStatus.CONFIRMED),
    **{
        (status, command): reason
        for status, reason in _ENDED
        for command in (
            *(ConfirmBooking, CancelBooking, ExtendHold, ChangeSeats, SwapSeats),
            *(ScanTicket, UndoCheckIn),
        )
    },
}


def transition(booking: Booking, command: type[Command]) -> BookingEvent:
    """The event of a command that confirms or ends a booking, with the booking as it is after it."""
    outcome = TRANSITIONS[booking.status, command]
    assert not isinstance(outcome, Reason), "the caller has looked the refusal up before"
    event_type, status = outcome
    event: BookingEvent = event_type(msgspec.structs.replace(booking, status=status, expires_ms=None))  # type: ignore[call-arg, assignment]
    return event

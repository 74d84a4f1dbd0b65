"""The rules of the door: scanning tickets and undoing check-ins. Pure.

A ticket is a seat of a confirmed booking. The first scan of it checks the seat in, each further one is `already_used`;
the writer decides in log order, so exactly one scan wins a race. A late scan is one that its device made while it was
offline. It is decided when it arrives and has the time of its device. The reasons in the order of the rules:

    wrong_show         the door is for another show
    not_found, not_confirmed, hold_expired, already_cancelled      by the table of transitions
    show_cancelled
    ticket_unsigned    an unsigned code of a booking that got a signed one, or after the end of the show
    seat_unknown       the booking does not have this seat, for example after a change of seats
    already_used       before wrong_day, so that a conflict is found however late a scan arrives
    wrong_day          too long before the start, or after the end
"""

from __future__ import annotations

import msgspec

from schemas.commands import CheckIn, ConfirmBooking, ScanTicket, UndoCheckIn
from schemas.events import (
    Booking,
    BookingStatus,
    CheckInUndone,
    Decision,
    Reason,
    ShowStatus,
    TicketCheckedIn,
)
from seat_workers.seat_rules import not_open
from seat_workers.show_state import Show
from seat_workers.transitions import TRANSITIONS

OPENS_BEFORE_MS = 12 * 3600 * 1000
"""How long before the start of a show its tickets are valid, by log time."""
CLOSES_AFTER_MS = 6 * 3600 * 1000
"""How long after the end of a show its tickets are valid, by log time."""


def scan_ticket(show: Show, command: ScanTicket, now_ms: int) -> Decision:
    """Decides scanning a ticket."""
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    if command.wanted_show_id is not None and command.wanted_show_id != show.show_id:
        return Decision(Reason.WRONG_SHOW, booking_apart=_booking_of(show, command))
    booking = _confirmed_booking(show, command)
    if isinstance(booking, Decision):
        return booking
    ends_ms = show.terms.starts_ms + command.runs_ms
    if command.unsigned_until_ms is not None and (
        booking.created_ms >= command.unsigned_until_ms or now_ms >= ends_ms
    ):
        return Decision(Reason.TICKET_UNSIGNED, booking_apart=booking)
    label = _label_of(show, booking, command.seat_index)
    if label is None:
        return Decision(Reason.SEAT_UNKNOWN, booking_apart=booking)
    used_ms = booking.checked_in.get(label)
    if used_ms is not None:
        return Decision(Reason.ALREADY_USED, (label,), limit=used_ms, booking_apart=booking)
    if not show.terms.starts_ms - OPENS_BEFORE_MS <= now_ms <= ends_ms + CLOSES_AFTER_MS:
        return Decision(Reason.WRONG_DAY, (label,), booking_apart=booking)
    at_ms = now_ms if command.at_ms is None else max(booking.created_ms, min(command.at_ms, now_ms))
    used = msgspec.structs.replace(booking, checked_in={**booking.checked_in, label: at_ms})
    return Decision(
        seats=(label,), events=(TicketCheckedIn(used, label, gate=command.gate),), about_last=True
    )


def undo_check_in(show: Show, command: UndoCheckIn) -> Decision:
    """Decides taking back the check-in of a seat."""
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    booking = _confirmed_booking(show, command)
    if isinstance(booking, Decision):
        return booking
    label = _label_of(show, booking, command.seat_index)
    if label is None:
        return Decision(Reason.SEAT_UNKNOWN, booking_apart=booking)
    if label not in booking.checked_in:
        return Decision(Reason.NOT_CHECKED_IN, (label,), booking_apart=booking)
    kept = {seat: at_ms for seat, at_ms in booking.checked_in.items() if seat != label}
    undone = msgspec.structs.replace(booking, checked_in=kept)
    return Decision(seats=(label,), events=(CheckInUndone(undone, label),), about_last=True)


def _confirmed_booking(show: Show, command: ScanTicket | UndoCheckIn) -> Booking | Decision:
    """The booking of a ticket, or the refusal."""
    booking = _booking_of(show, command)
    if booking is None:
        return Decision(Reason.NOT_FOUND)
    outcome = TRANSITIONS[booking.status, type(command)]
    if isinstance(outcome, Reason):
        return Decision(outcome, booking_apart=booking)
    return not_open(show) if show.status is ShowStatus.CANCELLED else booking


def _booking_of(show: Show, command: ScanTicket | UndoCheckIn) -> Booking | None:
    return show.bookings.get(command.booking_id) or show.ended.get(command.booking_id)


def _label_of(show: Show, booking: Booking, seat: int) -> str | None:
    """The label of a seat of the booking; None for another seat."""
    label = show.seating.label(seat) if seat < len(show.seating) else None
    return label if label in booking.seats else None


def check_in(show: Show, command: CheckIn, now_ms: int) -> Decision:
    """Decides the command of the first releases, which checks in a seat by its label."""
    if not command.staff:
        return Decision(Reason.NOT_YOURS)
    booking = show.bookings.get(command.booking_id) or show.ended.get(command.booking_id)
    if booking is None:
        return Decision(Reason.NOT_FOUND)
    if booking.status is not BookingStatus.CONFIRMED:
        reason = TRANSITIONS[booking.status, ConfirmBooking]
        return Decision(reason if isinstance(reason, Reason) else Reason.NOT_CONFIRMED)
    if show.status is ShowStatus.CANCELLED:
        return not_open(show)
    if command.seat not in booking.seats:
        return Decision(Reason.SEAT_UNKNOWN, (command.seat,))
    used_ms = booking.checked_in.get(command.seat)
    if used_ms is not None:
        return Decision(Reason.ALREADY_USED, (command.seat,), limit=used_ms, booking_apart=booking)
    used = msgspec.structs.replace(booking, checked_in={**booking.checked_in, command.seat: now_ms})
    return Decision(events=(TicketCheckedIn(used, command.seat),), about_last=True)

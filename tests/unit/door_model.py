"""The model of the door: scans of tickets and undone check-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.commands import ScanTicket, UndoCheckIn
from tests.unit.model_bookings import Answer, BookingModel, Refused, facts

if TYPE_CHECKING:
    from tests.unit.show_model import ShowModel

HOUR_MS = 3_600_000


def at_the_door(show: ShowModel, command: ScanTicket | UndoCheckIn, now_ms: int) -> Answer:
    """The answer to a scan or to an undone check-in, which is applied."""
    found = [booking for booking in show.bookings if booking.booking_id == command.booking_id]
    if isinstance(command, ScanTicket) and command.wanted_show_id not in (None, command.show_id):
        return Answer("wrong_show", booking=facts(found[0]) if found else None)
    if not found:
        raise Refused("not_found")
    booking = found[0]
    reason = {
        "held": "not_confirmed",
        "cancelled": "already_cancelled",
        "released": "already_cancelled",
        "expired": "hold_expired",
    }.get(booking.status)
    if reason is not None:
        return _refused(booking, reason)
    if show.status == "cancelled":
        raise Refused("show_cancelled")
    seats = show.seats.labels
    label = seats[command.seat_index] if command.seat_index < len(seats) else ""
    if isinstance(command, UndoCheckIn):
        if label not in booking.seats:
            return _refused(booking, "seat_unknown")
        if label not in booking.checked_in:
            return _refused(booking, "not_checked_in", seats=(label,))
        del booking.checked_in[label]
        return Answer(seats=(label,), booking=facts(booking), events=(("CheckInUndone", facts(booking)),))
    ends_ms = show.starts_ms + command.runs_ms
    signed_since = command.unsigned_until_ms
    if signed_since is not None and (signed_since <= booking.created_ms or ends_ms <= now_ms):
        return _refused(booking, "ticket_unsigned")
    if label not in booking.seats:
        return _refused(booking, "seat_unknown")
    if label in booking.checked_in:
        return _refused(booking, "already_used", seats=(label,), limit=booking.checked_in[label])
    if now_ms < show.starts_ms - 12 * HOUR_MS or now_ms > ends_ms + 6 * HOUR_MS:
        return _refused(booking, "wrong_day", seats=(label,))
    at_ms = now_ms
    if command.at_ms is not None and command.at_ms < now_ms:
        at_ms = max(command.at_ms, booking.created_ms)
    booking.checked_in[label] = at_ms
    return Answer(seats=(label,), booking=facts(booking), events=(("TicketCheckedIn", facts(booking)),))


def _refused(booking: BookingModel, reason: str, **more: Any) -> Answer:
    return Answer(reason, booking=facts(booking), **more)

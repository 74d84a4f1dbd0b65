"""Commands of the door, made from scanned tickets, and the results of their decisions."""

from __future__ import annotations

import random
import time
from typing import Any, get_args
from uuid import UUID

import msgspec

from gateway.check_in.tickets import ScannedTicket
from schemas.api_check_in import ScanResult, UndoResult
from schemas.commands import ScanTicket, UndoCheckIn
from schemas.events import Decision, Reason
from schemas.ids import fresh_command_id

_FACTS_SQL = """
    SELECT m.duration_minutes, g.since_ms,
           EXISTS (SELECT FROM held_at_signing WHERE booking_id = $2) AS held
      FROM shows s JOIN movies m USING (movie_id) LEFT JOIN ticket_signing g ON true
     WHERE s.show_id = $1"""
_BEGIN_SIGNING_SQL = """
    WITH begun AS (
        INSERT INTO ticket_signing (since_ms) VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint)
            ON CONFLICT DO NOTHING RETURNING since_ms)
    INSERT INTO held_at_signing
    SELECT DISTINCT booking_id FROM claims WHERE state = 'h' AND EXISTS (SELECT FROM begun)"""
_GATE_SQL = """
    SELECT gate FROM check_ins
     WHERE show_id = $1 AND seat = $2 AND booking_id = $3 AND at_ms = $4 AND used_ms IS NULL
     ORDER BY log_offset DESC LIMIT 1"""

_RESULTS: dict[Reason, str] = {
    Reason.ALREADY_USED: "already_used",
    Reason.WRONG_SHOW: "wrong_show",
    Reason.WRONG_DAY: "wrong_day",
    Reason.NOT_CHECKED_IN: "not_checked_in",
    Reason.ALREADY_CANCELLED: "cancelled",
    Reason.SHOW_CANCELLED: "cancelled",
    **dict.fromkeys(
        (
            *(Reason.NOT_FOUND, Reason.SEAT_UNKNOWN, Reason.NOT_CONFIRMED, Reason.HOLD_EXPIRED),
            Reason.TICKET_UNSIGNED,
        ),
        "invalid",
    ),
}


async def begin_signing(pool: Any) -> None:
    """Notes the moment since which tickets are signed, at the first start of a release that signs them."""
    await pool.execute(_BEGIN_SIGNING_SQL)


async def scan_command(
    pool: Any,
    ticket: ScannedTicket,
    *,
    user_id: int,
    command_id: UUID,
    wanted_show_id: int | None = None,
    at_ms: int | None = None,
    gate: str | None = None,
) -> ScanTicket | None:
    """The command that scans a ticket; None for one of a show that is not there."""
    row = await pool.fetchrow(_FACTS_SQL, ticket.show_id, ticket.booking_id)
    if row is None:
        return None
    unsigned_until_ms = None
    if not ticket.signed:
        unsigned_until_ms = 0 if row["held"] else row["since_ms"] or 0
    return ScanTicket(
        command_id=command_id,
        show_id=ticket.show_id,
        user_id=user_id,
        staff=True,
        booking_id=ticket.booking_id,
        seat_index=ticket.seat_index,
        runs_ms=row["duration_minutes"] * 60_000,
        wanted_show_id=wanted_show_id,
        at_ms=at_ms,
        gate=gate,
        unsigned_until_ms=unsigned_until_ms,
    )


def undo_command(ticket: ScannedTicket, *, user_id: int, command_id: UUID) -> UndoCheckIn:
    """The command that takes the check-in of a ticket back."""
    return UndoCheckIn(
        command_id=command_id,
        show_id=ticket.show_id,
        user_id=user_id,
        staff=True,
        booking_id=ticket.booking_id,
        seat_index=ticket.seat_index,
    )


def id_of(ticket: ScannedTicket, action: str, nonce: str | None) -> UUID:
    """The command id of a scan: that of ticket and nonce, a fresh one without a nonce."""
    if nonce is None:
        return fresh_command_id(int(time.time() * 1000), random.getrandbits(74))
    return ticket.command_id(action, nonce)


class Scanned(msgspec.Struct, frozen=True):
    """What a decision says about a ticket."""

    result: ScanResult | UndoResult
    seat: str | None
    used_ms: int | None


def result_of(decision: Decision, accepted: ScanResult | UndoResult) -> Scanned | None:
    """The result of a decided scan; None for a refusal that says nothing about the ticket."""
    if decision.reason is None:
        result: Any = accepted
    else:
        result = _RESULTS.get(decision.reason)
        if result not in (*get_args(ScanResult), *get_args(UndoResult)):
            return None
    seat = decision.seats[0] if decision.seats else None
    used_ms = decision.limit if decision.reason is Reason.ALREADY_USED else None
    if decision.reason is None and decision.booking is not None and seat is not None:
        used_ms = decision.booking.checked_in.get(seat)
    return Scanned(result, seat, used_ms)


async def gate_of(pool: Any, show_id: int, booking_id: UUID, seat: str, used_ms: int) -> str | None:
    """The gate at which a seat was checked in at a time."""
    gate: str | None = await pool.fetchval(_GATE_SQL, show_id, seat, booking_id, used_ms)
    return gate

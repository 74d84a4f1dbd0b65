"""Check-ins through the log, and the state of a show's door."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

from gateway.catalogue.shows import show_not_found
from gateway.check_in.commands import gate_of, id_of, result_of, scan_command, undo_command
from gateway.check_in.tickets import TicketReader
from gateway.commands.outcomes import Outcome, Pending, StoredDecision
from gateway.commands.refusals import problem_of
from gateway.commands.sender import CommandSender
from gateway.http.problems import Problem
from gateway.seat_maps.cache import SeatMapCache
from schemas.api import PendingBody, PositionBody, booking_body, timestamp
from schemas.api_check_in import (
    CheckInBody,
    CheckInRequest,
    DoorBody,
    ScanConflictBody,
    UndoCheckInRequest,
    UndoneBody,
)
from schemas.events import Decision
from schemas.seating import Seating

MAX_CONFLICTS = 1_000

_COUNTS_SQL = """
    SELECT (SELECT count(*) FROM claims c WHERE c.show_id = s.show_id AND c.state = 's') AS sold,
           (SELECT coalesce(sum((SELECT count(*) FROM json_object_keys(b.checked_in::json))), 0)
              FROM bookings b
             WHERE b.booking_id IN (SELECT booking_id FROM claims WHERE show_id = s.show_id AND state = 's')
               AND b.checked_in IS NOT NULL) AS checked_in
      FROM shows s WHERE s.show_id = $1"""
_CONFLICTS_SQL = """
    SELECT c.booking_id, c.seat, c.used_ms, c.at_ms, c.gate, c.partition, c.log_offset,
           (SELECT f.gate FROM check_ins f
             WHERE f.show_id = c.show_id AND f.seat = c.seat AND f.booking_id = c.booking_id
               AND f.at_ms = c.used_ms AND f.used_ms IS NULL AND f.log_offset < c.log_offset
             ORDER BY f.log_offset DESC LIMIT 1) AS used_gate
      FROM check_ins c WHERE c.show_id = $1 AND c.used_ms IS NOT NULL
     ORDER BY c.log_offset DESC LIMIT $2"""


class Decided(msgspec.Struct, frozen=True):
    """A response to a call at the door. `replayed`: it repeats an earlier one."""

    body: CheckInBody | UndoneBody | PendingBody
    replayed: bool = False


class Door:
    """Scans tickets and takes check-ins back."""

    def __init__(self, pool: Any, commands: CommandSender, tickets: TicketReader) -> None:
        self._pool = pool
        self._commands = commands
        self._tickets = tickets

    async def scan(
        self, request: CheckInRequest, at_ms: int | None, user_id: int, key_id: UUID | None, wait_s: float
    ) -> Decided:
        """Scans a ticket. `key_id`: the command id of an Idempotency-Key, of a scan without a nonce. Raises Problem."""
        ticket = await self._tickets.read(request.token)
        if ticket is None:
            return Decided(CheckInBody("invalid"))
        command_id = id_of(ticket, "scan", request.nonce)
        command = await scan_command(
            self._pool,
            ticket,
            user_id=user_id,
            command_id=key_id if key_id is not None and request.nonce is None else command_id,
            wanted_show_id=request.show_id,
            at_ms=at_ms,
            gate=request.gate,
        )
        if command is None:
            return Decided(CheckInBody("invalid"))
        outcome = await self._submit(command, wait_s)
        if not isinstance(outcome, StoredDecision):
            return Decided(outcome)
        decision = outcome.decision
        scanned = result_of(decision, "valid")
        if scanned is None:
            raise problem_of(decision, outcome.position)
        gate = request.gate
        used = scanned.seat is not None and scanned.used_ms is not None and decision.booking is not None
        if used and (scanned.result != "valid" or decision.repeats is not None):
            gate = await gate_of(
                self._pool, ticket.show_id, ticket.booking_id, scanned.seat or "", scanned.used_ms or 0
            )
        body = CheckInBody(
            scanned.result,  # type: ignore[arg-type]
            _booking(decision, outcome),
            _given(scanned.seat),
            msgspec.UNSET if scanned.used_ms is None else timestamp(scanned.used_ms),
            _given(gate if used else None),
        )
        return Decided(body, decision.repeats is not None)

    async def undo(
        self, request: UndoCheckInRequest, user_id: int, key_id: UUID | None, wait_s: float
    ) -> Decided:
        """Takes a check-in back. Raises Problem."""
        ticket = await self._tickets.read(request.token)
        if ticket is None:
            return Decided(UndoneBody("invalid"))
        command_id = id_of(ticket, "undo", request.nonce)
        if key_id is not None and request.nonce is None:
            command_id = key_id
        outcome = await self._submit(undo_command(ticket, user_id=user_id, command_id=command_id), wait_s)
        if not isinstance(outcome, StoredDecision):
            return Decided(outcome)
        decision = outcome.decision
        scanned = result_of(decision, "undone")
        if scanned is None:
            raise problem_of(decision, outcome.position)
        body = UndoneBody(scanned.result, _booking(decision, outcome), _given(scanned.seat))  # type: ignore[arg-type]
        return Decided(body, decision.repeats is not None)

    async def _submit(self, command: Any, wait_s: float) -> StoredDecision | PendingBody:
        try:
            outcome: Outcome = await self._commands.submit(command, wait_s=wait_s)
        except Problem as problem:
            if problem.code == "not_found":  # a show that was never opened
                raise show_not_found() from None
            raise
        return PendingBody(str(outcome.position)) if isinstance(outcome, Pending) else outcome

    async def state(self, show_id: int) -> DoorBody:
        """Who is in, and the conflicts. Raises Problem `not_found`."""
        counts = await self._pool.fetchrow(_COUNTS_SQL, show_id)
        if counts is None:
            raise show_not_found()
        rows = await self._pool.fetch(_CONFLICTS_SQL, show_id, MAX_CONFLICTS)
        conflicts = [
            ScanConflictBody(
                row["booking_id"],
                row["seat"],
                timestamp(row["used_ms"]),
                row["used_gate"],
                timestamp(row["at_ms"]),
                row["gate"],
                PositionBody(row["partition"], row["log_offset"]),
            )
            for row in rows
        ]
        return DoorBody(show_id, counts["sold"], int(counts["checked_in"]), conflicts)


def seating_from(seat_maps: SeatMapCache) -> Any:
    """The seatings of shows by way of their seat maps."""

    async def seating_of(show_id: int) -> Seating | None:
        try:
            return (await seat_maps.get(show_id)).layout.seating
        except Problem:
            return None

    return seating_of


def _booking(decision: Decision, stored: StoredDecision) -> Any:
    if decision.booking is None:
        return msgspec.UNSET
    return booking_body(decision.booking, decision.repeats or stored.position)


def _given(text: str | None) -> str | Literal[msgspec.UnsetType.UNSET]:
    return msgspec.UNSET if text is None else text

"""Remarks of staff on bookings: a note, and how it was paid. They stand beside the log, which has no text of people.

A remark is stored before its command is appended, under the booking's id. A repeated request has another id than the
booking that was made: its row is deleted, and the remark must be the first one's, or the key was reused. A row whose
command was never decided, or was refused, is deleted once no repeat can ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog

from gateway.commands.outcomes import Outcome, StoredDecision
from gateway.commands.refusals import key_reused
from gateway.commands.used_keys import KEY_LIFETIME_S
from runtime.postgres import DATABASE_ERRORS
from schemas.api import BookingBody, Paid
from schemas.commands import BookSeats, HoldSeats
from schemas.events import Reason
from schemas.ids import is_keyed
from schemas.wire import decode_command

_UNUSED_AFTER_S = 7 * 24 * 3600
"""Time after which a remark without a booking is deleted: by then its command is decided."""

_STORE_SQL = "INSERT INTO booking_remarks (booking_id, note, paid, staff_id) VALUES ($1, $2, $3, $4)"
_DELETE_SQL = "DELETE FROM booking_remarks WHERE booking_id = $1"
_READ_SQL = "SELECT booking_id, note, paid FROM booking_remarks WHERE booking_id = ANY($1::uuid[])"
_DECIDED_AT_SQL = "SELECT command FROM decisions WHERE partition = $1 AND log_offset = $2"
_DECIDED_BY_KEY_SQL = """
SELECT d.command FROM command_ids c JOIN decisions d USING (partition, log_offset)
 WHERE c.command_id = $1 AND c.at_ms > extract(epoch FROM now()) * 1000 - $2
"""
_DELETE_UNUSED_SQL = """
DELETE FROM booking_remarks r
 WHERE r.created_at < now() - make_interval(secs => $1)
   AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.booking_id = r.booking_id)
"""

_log = structlog.get_logger()


class Remark(msgspec.Struct, frozen=True):
    """A remark of staff on a booking."""

    note: str | None
    paid: Paid | None


class Remarks:
    """The remarks on all bookings."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def of(self, booking_ids: Sequence[UUID]) -> dict[UUID, Remark]:
        """Reads the remarks on those of the bookings that have one."""
        rows = await self._pool.fetch(_READ_SQL, booking_ids)
        return {row["booking_id"]: Remark(row["note"], row["paid"]) for row in rows}

    async def on_decided(self, outcome: Outcome) -> Remark | None:
        """Reads the remark on the booking that a command has changed; None if the database is away."""
        if not isinstance(outcome, StoredDecision) or (booking := outcome.decision.booking) is None:
            return None
        try:
            return (await self.of([booking.booking_id])).get(booking.booking_id)
        except DATABASE_ERRORS as error:
            _log.warning("remark_left_out", error=str(error) or type(error).__name__)
            return None

    async def store(self, command: BookSeats | HoldSeats, remark: Remark) -> None:
        """Stores the remark of a command that is about to be sent.

        Raises Problem `key_reused` if its key was used with another remark.
        """
        if is_keyed(command.command_id):
            lifetime_ms = KEY_LIFETIME_S * 1000
            first = await self._pool.fetchval(_DECIDED_BY_KEY_SQL, command.command_id, lifetime_ms)
            if first is not None:
                await self._check_same(_booking_of(first), remark)
        await self._pool.execute(
            _STORE_SQL, command.booking_id, remark.note, remark.paid, command.user_id or None
        )

    async def settle(self, command: BookSeats | HoldSeats, remark: Remark, stored: StoredDecision) -> None:
        """Deletes the remark of a decided command if its booking was not made.

        Raises Problem `key_reused` if the decision repeats an earlier one with another remark.
        """
        decision = stored.decision
        if decision.repeats is not None:
            row = await self._pool.fetchval(
                _DECIDED_AT_SQL, decision.repeats.partition, decision.repeats.offset
            )
            first = None if row is None else _booking_of(row)
            if first != command.booking_id:
                await self.delete(command)
                await self._check_same(first, remark)
        elif decision.reason is Reason.KEY_REUSED or (stored.refused and not is_keyed(command.command_id)):
            await self.delete(command)

    async def delete(self, command: BookSeats | HoldSeats) -> None:
        """Deletes the remark of a command that was not sent, or made no booking; later, if the database is away."""
        try:
            await self._pool.execute(_DELETE_SQL, command.booking_id)
        except DATABASE_ERRORS as error:
            _log.warning("remark_deferred", error=str(error) or type(error).__name__)

    async def delete_unused(self) -> None:
        """Deletes remarks without a booking: left by refusals, by gateways that stopped, and by pruning."""
        await self._pool.execute(_DELETE_UNUSED_SQL, float(_UNUSED_AFTER_S))

    async def _check_same(self, booking_id: UUID | None, remark: Remark) -> None:
        first = (await self.of([booking_id])).get(booking_id) if booking_id is not None else None
        # A note may have been erased since, with its customer's account.
        if first is not None and (first.paid != remark.paid or first.note not in (None, remark.note)):
            raise key_reused()


def _booking_of(command_bytes: bytes) -> UUID | None:
    """The booking id of a decided command for seats; None for another command."""
    command = decode_command(command_bytes)
    return command.booking_id if isinstance(command, BookSeats | HoldSeats) else None


def with_remark(body: BookingBody, remark: Remark | None) -> BookingBody:
    """Returns a booking as staff see it, with the remark on it, if there is one."""
    if remark is None:
        return body
    given = {name: value for name in ("note", "paid") if (value := getattr(remark, name)) is not None}
    return msgspec.structs.replace(body, **given)

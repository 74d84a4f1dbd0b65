"""`aisle explain`: what was asked at a position of the log, what was decided, and why.

The reason is looked for where it lies: in the decisions on the same show before this one. Only reads.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ops.asking import asked, who
from ops.reasons import happened, reasons
from ops.show_before import ShowBefore
from ops.show_history import changes_of
from runtime.log import Log
from runtime.postgres import open_connection
from schemas.api import timestamp
from schemas.commands import Command
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC, decode_command, decode_decision
from seat_workers.fold import Decided

_DECISION = "SELECT at_ms, command, answer, rules FROM decisions WHERE partition = $1 AND log_offset = $2"
_NEXT = "SELECT next_offset FROM partitions WHERE partition = $1"
_LATER = "SELECT status, partition, log_offset FROM bookings WHERE booking_id = $1"
_FIRST_USE = "SELECT partition, log_offset FROM command_ids WHERE command_id = $1"
_LAYOUT = """
    SELECT l.total_seats FROM show_states s JOIN layouts l ON l.digest = s.layout_digest WHERE s.show_id = $1"""

_SHOWN_BYTES = 200


class NoSuchPosition(Exception):
    """There is nothing to explain. The message says why."""


async def explain(database_url: str, log: Log, position: Position) -> list[str]:
    """The explanation, line by line. Raises NoSuchPosition."""
    database = await open_connection(database_url, server_settings={"application_name": "aisle explain"})
    try:
        async with database.transaction(isolation="repeatable_read", readonly=True):
            row = await database.fetchrow(_DECISION, position.partition, position.offset)
            if row is None:
                return await _undecided(database, log, position)
            return await _decided(database, position, row)
    finally:
        await database.close()


async def _undecided(database: Any, log: Log, position: Position) -> list[str]:
    next_offset = await database.fetchval(_NEXT, position.partition)
    bounds = await log.bounds(COMMANDS_TOPIC)
    if position.partition not in bounds:
        raise NoSuchPosition(f"{position}: the log has {len(bounds)} partitions, from 0 on")
    begin, end = bounds[position.partition]
    if position.offset >= end:
        raise NoSuchPosition(
            f"{position}: partition {position.partition} of the log has {begin} to {end - 1}"
        )
    if position.offset < begin:
        raise NoSuchPosition(
            f"{position}: neither the log, which begins at {begin}, nor the decisions have it"
        )
    record = (await log.read(COMMANDS_TOPIC, position.partition, position.offset, 1))[0]
    lines = _heading(position, record.at_ms, None) + _asking(record.body)
    if next_offset is not None and position.offset < next_offset:
        return [*lines, "decided  its decision is not stored any more, or is missing: see `aisle verify`"]
    waiting = position.offset - (next_offset or 0)
    before = "next" if waiting == 0 else f"after {waiting} more"
    return [*lines, f"decided  not yet; it comes {before}"]


async def _decided(database: Any, position: Position, row: Any) -> list[str]:
    decision = decode_decision(row["answer"])
    command = _command(row["command"])
    lines = _heading(position, row["at_ms"], row["rules"]) + _asking(row["command"])
    lines.append("decided  " + _outcome(decision))
    if decision.repeats is not None:
        lines.append(f"why      repeats {decision.repeats}, which has the same command id: the same answer")
        first = await database.fetchrow(_DECISION, decision.repeats.partition, decision.repeats.offset)
        if first is None:
            return lines
        lines.append(f"         {decision.repeats} was decided at {timestamp(first['at_ms'])}, because:")
        found = await _why(database, decision.repeats, first)
        return lines + [f"         {line}" for line in found]
    if decision.reason is Reason.KEY_REUSED and command is not None:
        used = await database.fetchrow(_FIRST_USE, command.command_id)
        where = f"at {Position(*used)}" if used else "before"
        return [*lines, f"why      its command id was used {where} for another request"]
    found = await _why(database, position, row)
    lines += [("why      " if n == 0 else "         ") + line for n, line in enumerate(found)]
    if decision.booking is not None:
        lines += await _since(database, position, decision)
    return lines


async def _why(database: Any, position: Position, row: Any) -> list[str]:
    """Why this was decided, and what happened with it."""
    decision, command = decode_decision(row["answer"]), _command(row["command"])
    found = [happened(event) for event in decision.events]
    if decision.reason is None:
        return found or ["there was nothing to do"]
    if command is None:
        return [_malformed(row["command"])]
    before = ShowBefore()
    async for earlier in changes_of(database, position.partition, command.show_id, 0, position.offset):
        before.note(earlier)
    before.note(
        Decided.stored(position.partition, position.offset, row["at_ms"], row["command"], row["answer"])
    )
    total_seats = await database.fetchval(_LAYOUT, command.show_id) or 0
    return reasons(position, row["at_ms"], command, decision, before, total_seats) + found


async def _since(database: Any, position: Position, decision: Decision) -> list[str]:
    assert decision.booking is not None
    row = await database.fetchrow(_LATER, decision.booking.booking_id)
    if row is None or Position(row["partition"], row["log_offset"]) == position:
        return []
    return [f"since    the booking is {row['status']}, by {row['partition']}-{row['log_offset']}"]


def _heading(position: Position, at_ms: int, rules: int | None) -> list[str]:
    return [f"{position}  {timestamp(at_ms)} ({at_ms} ms)" + (f", rules {rules}" if rules else "")]


def _asking(body: bytes) -> list[str]:
    command = _command(body)
    if command is None:
        shown = body[:_SHOWN_BYTES]
        more = f" … ({len(body)} bytes)" if len(body) > len(shown) else ""
        return [f"asked    nothing that can be read: {shown!r}{more}"]
    return [f"asked    {asked(command)}", f"by       {who(command)}; command id {command.command_id}"]


def _outcome(decision: Decision) -> str:
    if decision.reason is None:
        return "accepted"
    seats = f": {', '.join(decision.seats)}" if decision.seats else ""
    return f"refused, {decision.reason.value}{seats}"


def _malformed(body: bytes) -> str:
    try:
        decode_command(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return f"the record is not a command: {error}"
    return "the record was not a command to the worker that decided it, and would be one to this release"


def _command(body: bytes) -> Command | None:
    try:
        command: Command = decode_command(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return command

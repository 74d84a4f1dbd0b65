"""`aisle explain`: the command at a position of the log, its decision and the reason.

The reason follows from the earlier decisions on the same show. Only reads.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ops.audit.carried import BY, carried_to
from ops.audit.command_text import describe_caller, describe_command, list_seats
from ops.audit.event_text import describe_event
from ops.audit.pruned import read_pruned
from ops.audit.reasons import reasons
from ops.audit.show_before import ShowBefore
from ops.audit.show_history import changes_of
from runtime.log import Log
from runtime.postgres import open_connection
from schemas.api import timestamp
from schemas.commands import Command
from schemas.events import Booking, Decision, Reason, SeatsSwapped
from schemas.ids import Position
from schemas.wire import COMMANDS_TOPIC, decode_command, decode_decision
from seat_workers.fold import DecidedRecord

_DECISION = "SELECT at_ms, command, answer, rules FROM decisions WHERE partition = $1 AND log_offset = $2"
_NEXT = "SELECT next_offset FROM partitions WHERE partition = $1"
_LATER = "SELECT status, seats, partition, log_offset FROM bookings WHERE booking_id = $1"
_FIRST_USE = "SELECT partition, log_offset FROM command_ids WHERE command_id = $1"
_LAYOUT = """
    SELECT l.total_seats FROM show_states s JOIN layouts l ON l.digest = s.layout_digest WHERE s.show_id = $1"""

_SHOWN_BYTES = 200


class NoSuchPosition(Exception):
    """The position has no command. The message is the reason."""


async def explain(database_url: str, log: Log, position: Position) -> list[str]:
    """Returns the lines of the explanation. Raises NoSuchPosition."""
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
    pruned = await read_pruned(database)
    if pruned.has(position):
        raise NoSuchPosition(
            f"{position} is pruned: decisions before {pruned.until} are not kept; partition {position.partition} has"
            f" them from {pruned.first[position.partition]} on"
        )
    if position.offset < begin:
        raise NoSuchPosition(
            f"{position}: neither the log, which begins at {begin}, nor the decisions have it"
        )
    record = (await log.read(COMMANDS_TOPIC, position.partition, position.offset, 1))[0]
    lines = _heading(position, record.at_ms, None) + _command_lines(record.body)
    if next_offset is not None and position.offset < next_offset:
        return [*lines, "decided  its decision is not stored any more, or is missing: see `aisle verify`"]
    waiting = position.offset - (next_offset or 0)
    before = "next" if waiting == 0 else f"after {waiting} more"
    return [*lines, f"decided  not yet; it comes {before}"]


async def _decided(database: Any, position: Position, row: Any) -> list[str]:
    decision = decode_decision(row["answer"])
    command = _command(row["command"])
    lines = _heading(position, row["at_ms"], row["rules"]) + _command_lines(row["command"])
    lines.append("decided  " + _outcome(decision))
    if decision.repeats is not None:
        lines.append(f"why      repeats {decision.repeats}, which has the same command id: the same answer")
        first = await database.fetchrow(_DECISION, decision.repeats.partition, decision.repeats.offset)
        if first is None:
            pruned = (await read_pruned(database)).has(decision.repeats)
            return [*lines, f"         {decision.repeats} is pruned"] if pruned else lines
        lines.append(f"         {decision.repeats} was decided at {timestamp(first['at_ms'])}, because:")
        found = await _why(database, decision.repeats, first)
        return lines + [f"         {line}" for line in found]
    if decision.reason is Reason.KEY_REUSED and command is not None:
        used = await database.fetchrow(_FIRST_USE, command.command_id)
        where = f"at {Position(*used)}" if used else "before"
        return [*lines, f"why      its command id was used {where} for another request"]
    found = await _why(database, position, row)
    lines += [("why      " if n == 0 else "         ") + line for n, line in enumerate(found)]
    for booking in _bookings_of(decision):
        lines += await _since(database, position, booking)
    return lines


def _bookings_of(decision: Decision) -> list[Booking]:
    """The booking of the command, or both bookings of a swap."""
    last = decision.events[-1] if decision.about_last else None
    if isinstance(last, SeatsSwapped):
        return [last.booking, last.other]
    return [] if decision.booking is None else [decision.booking]


async def _why(database: Any, position: Position, row: Any) -> list[str]:
    """Returns the reason of a decision and its events."""
    decision, command = decode_decision(row["answer"]), _command(row["command"])
    found = [describe_event(event) for event in decision.events]
    if decision.reason is None:
        return found or ["there was nothing to do"]
    if command is None:
        return [_malformed(row["command"])]
    before = ShowBefore()
    carried = await carried_to(database, position.partition, command.show_id)
    for record in carried.records:
        before.note(record, by=BY)
    start = carried.next_offset
    async for earlier in changes_of(database, position.partition, command.show_id, start, position.offset):
        before.note(earlier)
    before.note(
        DecidedRecord.stored(position.partition, position.offset, row["at_ms"], row["command"], row["answer"])
    )
    total_seats = await database.fetchval(_LAYOUT, command.show_id) or 0
    return reasons(position, row["at_ms"], command, decision, before, total_seats) + found


async def _since(database: Any, position: Position, booking: Booking) -> list[str]:
    row = await database.fetchrow(_LATER, booking.booking_id)
    if row is None or Position(row["partition"], row["log_offset"]) == position:
        return []
    seats = tuple(row["seats"])
    other_seats = "" if seats == booking.seats else f" and has {list_seats(seats)}"
    return [
        f"since    the booking is {row['status']}{other_seats}, by {row['partition']}-{row['log_offset']}"
    ]


def _heading(position: Position, at_ms: int, rules: int | None) -> list[str]:
    return [f"{position}  {timestamp(at_ms)} ({at_ms} ms)" + (f", rules {rules}" if rules else "")]


def _command_lines(body: bytes) -> list[str]:
    command = _command(body)
    if command is None:
        shown = body[:_SHOWN_BYTES]
        more = f" … ({len(body)} bytes)" if len(body) > len(shown) else ""
        return [f"asked    nothing that can be read: {shown!r}{more}"]
    return [
        f"asked    {describe_command(command)}",
        f"by       {describe_caller(command)}; command id {command.command_id}",
    ]


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

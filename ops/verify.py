"""`aisle verify`: decides the whole log again and compares with what is stored.

Every command of every partition is decided anew, from the start, by the same rules and from nothing but the
log and the layouts; then decisions, claims, bookings and shows must be what PostgreSQL has. It only reads,
from one snapshot, so it can run beside everything else.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from runtime.log import Log, Record, WrongLog
from runtime.log.opening import bind_log
from schemas.commands import Command, OpenShow
from schemas.events import Booking, Decision, Reason
from schemas.ids import Position
from schemas.layout import Seating, decode_layout
from schemas.wire import COMMANDS_TOPIC, decode_command, decode_decision
from seat_workers.recent import ID_LIFETIME_MS, First
from seat_workers.show import step
from seat_workers.show_state import Show

_PAGE = 1_000

_PARTITIONS = "SELECT partition, next_offset FROM partitions ORDER BY partition"
_DECISIONS = """
    SELECT d.log_offset, d.at_ms, d.command, d.answer FROM decisions d
     WHERE d.partition = $1 AND d.log_offset >= $2 AND d.log_offset < $3 ORDER BY d.log_offset"""
_LAYOUT = "SELECT body FROM layouts WHERE digest = $1"
_USED_IDS = (
    "SELECT command_id, partition, log_offset, at_ms FROM command_ids WHERE command_id = ANY ($1::uuid[])"
)
_FIRST = """
    SELECT d.partition, d.log_offset, d.at_ms, d.command, d.answer
      FROM command_ids i JOIN decisions d USING (partition, log_offset) WHERE i.command_id = $1"""
_CLAIMS = "SELECT seat, state::text, booking_id FROM claims WHERE show_id = $1"
_BOOKINGS = """
    SELECT booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, checked_in,
           partition, log_offset
      FROM bookings WHERE show_id = $1"""
_STATE = "SELECT * FROM show_states WHERE show_id = $1"
_STRAYS = """
    SELECT 'claims' AS what, show_id FROM claims WHERE show_id <> ALL ($1::int[])
     UNION SELECT 'bookings', show_id FROM bookings WHERE show_id <> ALL ($1::int[])
     UNION SELECT 'show_states', show_id FROM show_states WHERE show_id <> ALL ($1::int[])"""


class Verdict(msgspec.Struct):
    """What was compared, and every difference, in words."""

    commands: int = 0
    shows: int = 0
    bookings: int = 0
    failed: int = 0
    """Commands answered `internal_error`: stored as such, and not decided again."""
    differences: list[str] = msgspec.field(default_factory=list)


async def verify(database_url: str, log: Log) -> Verdict:
    """Decides the log again. Raises WrongLog when the database belongs to another one."""
    database = await asyncpg.connect(database_url, server_settings={"application_name": "aisle verify"})
    try:
        await bind_log(database, log)
        async with database.transaction(isolation="repeatable_read", readonly=True):
            verdict = Verdict()
            bounds = await log.bounds(COMMANDS_TOPIC)
            shows: set[int] = set()
            for partition, next_offset in await database.fetch(_PARTITIONS):
                begin, end = bounds.get(partition, (0, 0))
                if next_offset > end:
                    raise WrongLog(
                        f"partition {partition} is decided up to {next_offset}, but the log ends at {end}:"
                        " records are missing from the log; restore it from a backup"
                    )
                if begin > 0:
                    raise WrongLog(f"partition {partition} of the log begins at {begin}: its start is gone")
                replay = _Replay(database, partition, verdict)
                await replay.decide_all(log, next_offset)
                await replay.compare_shows()
                shows.update(replay.shows)
            for what, show_id in await database.fetch(_STRAYS, sorted(shows)):
                verdict.differences.append(f"{what} has rows of show {show_id}, which the log never opened")
            verdict.shows = len(shows)
            return verdict
    finally:
        await database.close()


class _Replay:
    """One partition, decided again."""

    def __init__(self, database: Any, partition: int, verdict: Verdict) -> None:
        self._database = database
        self._partition = partition
        self._verdict = verdict
        self._seatings: dict[str, Seating | None] = {}
        self._last_ms = 0
        self._unopened: dict[int, Show] = {}
        self._decided_at: dict[UUID, int] = {}
        """For each booking, the offset of its last decision."""

    @property
    def shows(self) -> dict[int, Show]:
        """The shows that this partition's log opened."""
        return {show_id: show for show_id, show in self._unopened.items() if show.status is not None}

    async def decide_all(self, log: Log, next_offset: int) -> None:
        start = 0
        while start < next_offset:
            records = await log.read(COMMANDS_TOPIC, self._partition, start, min(_PAGE, next_offset - start))
            if not records:
                raise WrongLog(f"partition {self._partition} has nothing at {start}: records are missing")
            end = records[-1].offset + 1
            rows = await self._database.fetch(_DECISIONS, self._partition, start, end)
            stored = {row["log_offset"]: row for row in rows}
            firsts: dict[UUID, tuple[int, int]] = {}
            for record in records:
                row = stored.get(record.offset)
                if row is None:
                    self._differ(record.offset, "has no decision")
                    continue
                await self._compare(record, row, firsts)
            await self._compare_ids(firsts)
            start = end

    async def _compare(self, record: Record, row: Any, firsts: dict[UUID, tuple[int, int]]) -> None:
        self._verdict.commands += 1
        now_ms = self._last_ms = max(record.at_ms, self._last_ms)
        if row["at_ms"] != now_ms:
            self._differ(record.offset, f"was decided at {row['at_ms']} ms, log time is {now_ms}")
        if row["command"] != record.body:
            self._differ(record.offset, "is stored with another command than the log has")
        decision = decode_decision(row["answer"])
        again = await self._decide(record, decision, now_ms)
        if again != decision:
            self._differ(
                record.offset, f"is stored as {_brief(decision)} and decided again as {_brief(again)}"
            )
        command = _command(record.body)
        if command is not None and decision.repeats is None and decision.reason is not Reason.KEY_REUSED:
            firsts[command.command_id] = (record.offset, now_ms)
        for event in again.events:
            booking = getattr(event, "booking", None)
            if booking is not None:
                self._decided_at[booking.booking_id] = record.offset

    async def _decide(self, record: Record, stored: Decision, now_ms: int) -> Decision:
        command = _command(record.body)
        if command is None:
            return Decision(Reason.MALFORMED)
        if stored.reason is Reason.INTERNAL_ERROR and stored.repeats is None:
            self._verdict.failed += 1
            return stored
        if stored.repeats is not None or stored.reason is Reason.KEY_REUSED:
            first = await self._database.fetchrow(_FIRST, command.command_id)
            if first is None:
                return Decision(Reason.NOT_FOUND)
            position = Position(first["partition"], first["log_offset"])
            return First(position, first["at_ms"], first["command"], first["answer"]).answer_to(command)
        show = self._unopened.get(command.show_id)
        if show is None and isinstance(command, OpenShow):
            seating = await self._seating(command.layout_digest)
            if seating is not None:
                show = self._unopened[command.show_id] = Show(command.show_id, seating)
        return Decision(Reason.NOT_FOUND) if show is None else step(show, command, now_ms)

    async def _seating(self, digest: str) -> Seating | None:
        if digest not in self._seatings:
            body = await self._database.fetchval(_LAYOUT, digest)
            self._seatings[digest] = None if body is None else Seating(decode_layout(body))
        return self._seatings[digest]

    async def _compare_ids(self, firsts: dict[UUID, tuple[int, int]]) -> None:
        rows = await self._database.fetch(_USED_IDS, list(firsts))
        used = {row["command_id"]: row for row in rows}
        for command_id, (offset, at_ms) in firsts.items():
            row = used.get(command_id)
            here = row is not None and (row["partition"], row["log_offset"]) == (self._partition, offset)
            outlived = row is not None and row["at_ms"] > at_ms + ID_LIFETIME_MS
            if not here and not outlived:
                self._differ(offset, f"is not the position stored for its command id {command_id}")

    async def compare_shows(self) -> None:
        for show_id, show in self.shows.items():
            await self._compare_show(show_id, show)

    async def _compare_show(self, show_id: int, show: Show) -> None:
        claims = {
            row["seat"]: (row["state"], row["booking_id"])
            for row in await self._database.fetch(_CLAIMS, show_id)
        }
        for seat, claim in _claims_of(show).items():
            if claims.pop(seat, None) != claim:
                self._say(f"show {show_id}: seat {show.seating.label(seat)} is not claimed as {claim}")
        for seat, claim in claims.items():
            self._say(f"show {show_id}: seat index {seat} is claimed as {claim}, and should be free")
        rows = {row["booking_id"]: row for row in await self._database.fetch(_BOOKINGS, show_id)}
        for booking_id, booking in {**show.past, **show.bookings}.items():
            self._verdict.bookings += 1
            row = rows.pop(booking_id, None)
            if row is None or not self._same(booking, row):
                self._say(f"booking {booking_id} is stored as {_stored(row)}, and should be {booking}")
        for booking_id in rows:
            self._say(f"booking {booking_id} is stored, and never was made")
        state = await self._database.fetchrow(_STATE, show_id)
        terms, status = show.terms, show.status
        assert status is not None
        wanted = {
            "partition": self._partition,
            "status": status.value,
            "available": show.available,
            **msgspec.structs.asdict(terms),
        }
        for name, value in wanted.items():
            if state is None or state[name] != value:
                self._say(f"show {show_id}: {name} is {state and state[name]}, and should be {value}")

    def _same(self, booking: Booking, row: Any) -> bool:
        stored = {name: row[name] for name in Booking.__struct_fields__}
        stored["checked_in"] = msgspec.json.decode(row["checked_in"]) if row["checked_in"] else {}
        wanted = msgspec.structs.asdict(booking) | {
            "status": booking.status.value,
            "seats": list(booking.seats),
        }
        position = (row["partition"], row["log_offset"])
        return stored == wanted and position == (self._partition, self._decided_at[booking.booking_id])

    def _differ(self, offset: int, text: str) -> None:
        self._say(f"{self._partition}-{offset} {text}")

    def _say(self, difference: str) -> None:
        self._verdict.differences.append(difference)


def _claims_of(show: Show) -> dict[int, tuple[str, UUID | None]]:
    claims: dict[int, tuple[str, UUID | None]] = {
        seat: ("b", None) for seat, letter in enumerate(show.states) if letter == ord("b")
    }
    for booking_id, booking in show.bookings.items():
        letter = "s" if booking.status.value == "confirmed" else "h"
        claims.update(dict.fromkeys(show.indexes(booking.seats), (letter, booking_id)))
    return claims


def _command(body: bytes) -> Command | None:
    try:
        command: Command = decode_command(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return command


def _brief(decision: Decision) -> str:
    return "accepted" if decision.reason is None else decision.reason.value


def _stored(row: Any) -> str:
    return "nothing" if row is None else str(dict(row))

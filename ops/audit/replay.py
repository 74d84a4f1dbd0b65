"""Replay of one partition, with a comparison of every decision."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from ops.audit.findings import Findings, WrongRules
from ops.audit.pruned import NOTHING_PRUNED
from runtime.log import Log, Record, WrongLog
from schemas.commands import ChangeSeats, Command, ExtendHold, HoldSeats, OpenShow, SwapSeats
from schemas.events import RULES, Decision, Reason
from schemas.ids import Position
from schemas.layout import decode_layout
from schemas.seating import Seating
from schemas.wire import COMMANDS_TOPIC, decode_command, decode_decision
from seat_workers.command_ids import ID_LIFETIME_MS, FirstDecision
from seat_workers.show import step
from seat_workers.show_state import Show

_PAGE = 1_000
_MAX_HOLD_MS_OF_RULES_1 = 3_600_000

_DECISIONS = """
    SELECT log_offset, at_ms, command, answer, rules FROM decisions
     WHERE partition = $1 AND log_offset >= $2 AND log_offset < $3 ORDER BY log_offset"""
_LAYOUT = "SELECT body FROM layouts WHERE digest = $1"
_USED_IDS = (
    "SELECT command_id, partition, log_offset, at_ms FROM command_ids WHERE command_id = ANY ($1::uuid[])"
)
_FIRST_AT = """
    SELECT partition, log_offset, at_ms, command, answer FROM decisions WHERE partition = $1 AND log_offset = $2"""
_FIRST_OF_ID = """
    SELECT d.partition, d.log_offset, d.at_ms, d.command, d.answer
      FROM command_ids i JOIN decisions d USING (partition, log_offset) WHERE i.command_id = $1"""


class Replay:
    """Decides the commands of a partition again, from the start of its log or from a checkpoint."""

    def __init__(self, database: Any, partition: int, findings: Findings) -> None:
        self.partition = partition
        self.next_offset = 0
        self.last_ms = 0
        self.shows: dict[int, Show] = {}
        """Shows that the log opened, with their ended bookings."""
        self.decided_at: dict[UUID, int] = {}
        """For each booking, the offset of its last decision."""
        self.load_show: Callable[[int], Awaitable[None]] | None = None
        """Adds a show that is not in `shows`, if a checkpoint has it."""
        self.pruned = NOTHING_PRUNED
        self._database = database
        self._findings = findings
        self._seatings: dict[str, Seating | None] = {}

    async def decide_all(self, log: Log, bounds: tuple[int, int], next_offset: int) -> None:
        """Replays all commands before `next_offset`. `bounds`: first and next offset of the log of this partition.

        Raises WrongLog when neither log nor `decisions` have a command, WrongRules for a decision by rules of a later
        release. Those of earlier rules are decided again by these, to the very same decisions.
        """
        begin, end = bounds
        if next_offset > end:
            raise WrongLog(
                f"partition {self.partition} is decided up to {next_offset}, but the log ends at {end}:"
                " records are missing from the log; restore it from a backup"
            )
        while self.next_offset < next_offset:
            start = self.next_offset
            stop = min(start + _PAGE, next_offset, begin if start < begin else next_offset)
            rows = {
                row["log_offset"]: row
                for row in await self._database.fetch(_DECISIONS, self.partition, start, stop)
            }
            records = await self._records(log, start, stop, rows.values() if start < begin else None)
            firsts: dict[UUID, tuple[int, int]] = {}
            for record in records:
                row = rows.get(record.offset)
                if row is None:
                    self._differ(record.offset, "has no decision")
                else:
                    await self._compare(record, row, firsts)
            await self._compare_ids(firsts)
            self.next_offset = records[-1].offset + 1

    async def _records(self, log: Log, start: int, stop: int, stored: Any) -> Sequence[Record]:
        """Returns the commands of a page: from the log, or from `stored` decisions before its beginning."""
        if stored is None:
            records = await log.read(COMMANDS_TOPIC, self.partition, start, stop - start)
            if not records:
                raise WrongLog(f"partition {self.partition} has nothing at {start}: records are missing")
            return records
        records = [Record(self.partition, row["log_offset"], row["at_ms"], row["command"]) for row in stored]
        missing = next(
            (n for n, record in enumerate(records, start) if record.offset != n), start + len(records)
        )
        if missing < stop:
            raise WrongLog(
                f"{self.partition}-{missing} is neither in the log, which begins later, nor in `decisions`, and no"
                " `aisle prune` has dropped it: a replay from here is impossible. Only a checkpoint written after it"
                " can be the start of one"
            )
        self._findings.beyond_log += len(records)
        return records

    async def _compare(self, record: Record, row: Any, firsts: dict[UUID, tuple[int, int]]) -> None:
        if row["rules"] > RULES:
            raise WrongRules(
                f"{self.partition}-{record.offset} was decided by rules {row['rules']} of a later release, this one has"
                f" rules {RULES}: run `aisle verify` of that release"
            )
        self._findings.commands += 1
        now_ms = self.last_ms = max(record.at_ms, self.last_ms)
        if row["at_ms"] != now_ms:
            self._differ(record.offset, f"was decided at {row['at_ms']} ms, log time is {now_ms}")
        if row["command"] != record.body:
            self._differ(record.offset, "is stored with another command than the log has")
        decision = self._stored(record.offset, row["answer"])
        command = _command(record.body)
        if command is not None and not _known_to(row["rules"], command):
            command = None
        again = await self._decide(record.offset, command, decision or Decision(), now_ms)
        if decision is not None and _comparable(again) != _comparable(decision):
            self._differ(
                record.offset, f"is stored as {_brief(decision)} and decided again as {_brief(again)}"
            )
        if command is None:
            return
        if again.repeats is None and again.reason not in (Reason.KEY_REUSED, Reason.INTERNAL_ERROR):
            firsts[command.command_id] = (record.offset, now_ms)
        show = self.shows.get(command.show_id)
        if again.events and show is not None:
            show.version = record.offset
        for event in again.events:
            for name in ("booking", "other"):
                if (booking := getattr(event, name, None)) is not None:
                    self.decided_at[booking.booking_id] = record.offset

    def _stored(self, offset: int, answer: bytes) -> Decision | None:
        try:
            return decode_decision(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._differ(offset, f"has a decision that cannot be read: {error}")
            return None

    async def _decide(self, offset: int, command: Command | None, stored: Decision, now_ms: int) -> Decision:
        if command is None:
            return Decision(Reason.MALFORMED)
        if stored.repeats is not None or stored.reason is Reason.KEY_REUSED:
            return await self._repeat(offset, command, stored, now_ms)
        if stored.reason is Reason.INTERNAL_ERROR:
            self._findings.failed += 1
            return stored
        if command.show_id not in self.shows and self.load_show is not None:
            await self.load_show(command.show_id)
        show = self.shows.get(command.show_id)
        if show is not None:
            return step(show, command, now_ms)
        seating = await self.seating(command.layout_digest) if isinstance(command, OpenShow) else None
        if seating is None:
            return Decision(Reason.NOT_FOUND)
        show = Show(command.show_id, seating)
        decision = step(show, command, now_ms)
        if show.status is not None:
            self.shows[command.show_id] = show
        return decision

    async def _repeat(self, offset: int, command: Command, stored: Decision, now_ms: int) -> Decision:
        """Returns the decision of a repeat, whose first use is named by the decision or by `command_ids`."""
        if stored.repeats is not None:
            at = stored.repeats
            row = await self._database.fetchrow(_FIRST_AT, at.partition, at.offset)
        else:
            row = await self._database.fetchrow(_FIRST_OF_ID, command.command_id)
            # The id was used again since: the position of its first use is not known any more.
            reused = row is not None and row["at_ms"] > now_ms + ID_LIFETIME_MS
            if reused:
                return stored
        if row is None and self.pruned.may_have_been(stored.repeats, now_ms - ID_LIFETIME_MS):
            self._findings.repeats_of_pruned += 1
            return stored
        if row is None:
            return Decision(Reason.NOT_FOUND)
        position = Position(row["partition"], row["log_offset"])
        first, answer = _command(row["command"]), decode_decision(row["answer"])
        known = first is not None and first.command_id == command.command_id and answer.repeats is None
        if (
            not known
            or position == Position(self.partition, offset)
            or row["at_ms"] < now_ms - ID_LIFETIME_MS
        ):
            self._differ(offset, f"is answered like {position}, which is not the first use of its command id")
            return stored
        return FirstDecision(position, row["at_ms"], row["command"], row["answer"]).answer_to(command)

    async def seating(self, digest: str) -> Seating | None:
        """Returns the seating of a layout; None when there is no such layout."""
        if digest not in self._seatings:
            body = await self._database.fetchval(_LAYOUT, digest)
            self._seatings[digest] = None if body is None else Seating(decode_layout(body))
        return self._seatings[digest]

    async def _compare_ids(self, firsts: dict[UUID, tuple[int, int]]) -> None:
        rows = await self._database.fetch(_USED_IDS, list(firsts))
        used = {row["command_id"]: row for row in rows}
        for command_id, (offset, at_ms) in firsts.items():
            row = used.get(command_id)
            here = row is not None and (row["partition"], row["log_offset"]) == (self.partition, offset)
            outlived = (
                at_ms < self.pruned.ids_before_ms if row is None else row["at_ms"] > at_ms + ID_LIFETIME_MS
            )
            if not here and not outlived:
                self._differ(offset, f"is not the position stored for its command id {command_id}")

    def _differ(self, offset: int, text: str) -> None:
        self._findings.differences.append(f"{self.partition}-{offset} {text}")


def _command(body: bytes) -> Command | None:
    try:
        command: Command = decode_command(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return command


def _known_to(rules: int, command: Command) -> bool:
    """Whether seat workers with these rules could decode the command. To others it was, and stays, `malformed`."""
    if rules >= 2:
        return True
    return not isinstance(command, ExtendHold | ChangeSeats | SwapSeats) and (
        not isinstance(command, HoldSeats) or command.hold_ms <= _MAX_HOLD_MS_OF_RULES_1
    )


def _comparable(decision: Decision) -> Decision:
    """Returns the decision without the second copy of its booking, which earlier releases stored beside the events."""
    return msgspec.structs.replace(decision, about_last=False, booking_apart=decision.booking)


def _brief(decision: Decision) -> str:
    return "accepted" if decision.reason is None else decision.reason.value

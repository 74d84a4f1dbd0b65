"""Replays the log from its start and compares the result with what is stored, as `aisle verify` does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

import msgspec

from runtime.log import Record
from schemas.commands import Command, OpenShow
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.wire import decode_command, decode_decision
from seat_workers.command_ids import FirstDecision
from seat_workers.show import step
from seat_workers.show_state import Show
from tests.simulation.database import Database
from tests.simulation.halls import Hall
from tests.simulation.rule_checks import check_decision
from tests.simulation.seat_book import SeatBook, decided_anew


def command_of(body: bytes) -> Command | None:
    """The command in a record; None when there is none."""
    try:
        command: Command = decode_command(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return command


class Replay:
    """The replay of one partition."""

    def __init__(self, database: Database, partition: int, hall: Hall) -> None:
        self._database = database
        self._partition = partition
        self._hall = hall
        self.shows: dict[int, Show] = {}
        self.book = SeatBook(hall)
        self.last_ms = 0
        self.changed_at: dict[int, int] = {}
        """Show → the offset of its last change."""

    def follow(self, records: list[Record]) -> Iterator[str]:
        """Decides the records again; yields a violation for each difference from what is stored."""
        for record in records:
            position = Position(self._partition, record.offset)
            now_ms = self.last_ms = max(record.at_ms, self.last_ms)
            row = self._database.decisions.get(position)
            if row is None:
                yield f"2. one decision: {position} has none"
                continue
            if row.command != record.body:
                yield f"2. one decision: {position} is stored with another command"
            if row.at_ms != now_ms:
                yield f"7. decide is pure: {position} was decided at {row.at_ms}, log time is {now_ms}"
            stored = decode_decision(row.answer)
            again = self._decide(record, stored, now_ms)
            if again != stored:
                yield f"7. decide is pure: {position} is stored as {stored}, decided again it is {again}"
            command = command_of(record.body)
            yield from self.book.take(position, command, stored, now_ms)
            if command is not None:
                if stored.events:
                    self.changed_at[command.show_id] = record.offset
                if decided_anew(stored):
                    if late := self.book.overdue(command.show_id, now_ms):
                        yield f"8. one rule for expiry: {position} leaves {late} held at {now_ms}"
                    yield from check_decision(self.book, position, command, stored, now_ms)

    def _decide(self, record: Record, stored: Decision, now_ms: int) -> Decision:
        command = command_of(record.body)
        if command is None:
            return Decision(Reason.MALFORMED)
        if stored.repeats is not None or stored.reason is Reason.KEY_REUSED:
            return self._repeat(command, stored)
        if stored.reason is Reason.INTERNAL_ERROR:
            return stored
        show = self.shows.get(command.show_id)
        if show is None and isinstance(command, OpenShow) and command.layout_digest in self._database.layouts:
            show = self.shows[command.show_id] = Show(command.show_id, self._hall.seating)
        return Decision(Reason.NOT_FOUND) if show is None else step(show, command, now_ms)

    def _repeat(self, command: Command, stored: Decision) -> Decision:
        firsts = [stored.repeats] if stored.repeats is not None else self._firsts()[command.command_id]
        answers = []
        for position in firsts:
            row = self._database.decisions[position]
            answers.append(FirstDecision(position, row.at_ms, row.command, row.answer).answer_to(command))
        # An expired id that was used anew has several first decisions; one of them was in force.
        return stored if stored in answers else answers[0] if answers else Decision(Reason.NOT_FOUND)

    def _firsts(self) -> dict[UUID, list[Position]]:
        """Command id → the positions of its first decisions."""
        firsts: dict[UUID, list[Position]] = defaultdict(list)
        for position, row in self._database.decisions.items():
            command, decision = command_of(row.command), decode_decision(row.answer)
            if command is not None and decision.repeats is None and decision.reason is not Reason.KEY_REUSED:
                firsts[command.command_id].append(position)
        return firsts

    def compare(self) -> Iterator[str]:
        """Compares claims, bookings and shows with what is stored."""
        database = self._database
        labels = self._hall.labels
        claims = {
            (show_id, labels.index(label)): claim for (show_id, label), claim in self.book.claims.items()
        }
        opened = {show_id: show for show_id, show in self.shows.items() if show.status is not None}
        stored = {at: claim for at, claim in database.claims.items() if at[0] in opened}
        if stored != claims:
            yield f"1. one claim: claims of partition {self._partition} are {stored}, should be {claims}"
        of_shows = {i: row for i, row in database.bookings.items() if row[0].show_id in opened}
        for booking_id in of_shows.keys() | self.book.bookings.keys():
            now, should = of_shows.get(booking_id), self.book.bookings.get(booking_id)
            if now != should:
                yield f"6. memory is a cache: booking {booking_id} is stored as {now}, should be {should}"
        for show_id, show in opened.items():
            row = database.show_states.get(show_id)
            wanted = (show.status, show.terms, show.available, self.changed_at[show_id])
            if row is None or (row.status, row.terms, row.available, row.version) != wanted:
                yield f"6. memory is a cache: show {show_id} is stored as {row}, should be {wanted}"

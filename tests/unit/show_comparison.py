"""The rules and a simple model side by side: both get each command, and their answers are compared."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from runtime.log import Record
from schemas.commands import Command, request_of
from schemas.events import Decision
from schemas.wire import encode
from seat_workers.command_ids import ID_LIFETIME_MS, FirstDecision, RecentCommandIds
from seat_workers.decider import Decider, OwnedPartition
from seat_workers.fold import DecidedRecord
from seat_workers.show_cache import ShowCache
from seat_workers.show_state import Show
from tests.unit.model_answers import answer_of, described
from tests.unit.model_bookings import Answer
from tests.unit.model_hall import KINDS, MODEL_LAYOUT, SEATING, SHOW, USERS, OneShowCache
from tests.unit.seats_model import SeatsModel
from tests.unit.show_model import ShowModel
from tests.unit.tables_model import TablesModel

PAGE = 2
"""Bookings that one command cancels when the show is cancelled."""


class ShowComparison(RuleBasedStateMachine):
    """A show of the rules, a show of the model, and the time of both. A subclass has the commands."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = OneShowCache(Show(SHOW, SEATING))
        self.tables = TablesModel(SHOW, SEATING)
        self.unwritten: list[DecidedRecord] = []
        self.firsts: list[tuple[UUID, FirstDecision]] = []
        self.start_decider()
        self.owned = OwnedPartition(1, 0, 0)
        self.chosen: tuple[str, ...] = ()
        self.model = ShowModel(
            SeatsModel(MODEL_LAYOUT, prices={"C6": 700}, **KINDS), PAGE, lambda _: self.chosen
        )
        self.answers: dict[UUID, tuple[int, Command, Answer]] = {}
        self.commands: list[Command] = []
        self.now_ms = 1_000
        self.last_ms = 0
        self.ids = 0
        self.description = ""

    def start_decider(self) -> None:
        recent = RecentCommandIds()
        for command_id, first in self.firsts:
            recent.remember(command_id, first)
        self.decider = Decider(cast(ShowCache, self.cache), recent)

    def next_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def send(self, kind: type[Any], who: str, /, **fields: Any) -> Decision:
        command: Command = kind(
            command_id=self.next_id(), show_id=SHOW, user_id=USERS[who], staff=who == "staff", **fields
        )
        return self.put(command)

    def put(self, command: Command | None, clock_ms: int | None = None) -> Decision:
        """Gives a record to both and compares their answers."""
        body = b"garbage" if command is None else encode(command)
        at_ms = self.now_ms if clock_ms is None else clock_ms
        now_ms = self.last_ms = max(at_ms, self.last_ms)
        record = Record(0, self.owned.next_offset, at_ms, body)
        batch = self.decider.decide([(record, command)], {0: self.owned}, {0: 0})
        one = batch.decided[0]
        self.unwritten.append(one)
        decision = one.decision
        self.chosen = decision.booking.seats if decision.booking else ()
        expected = Answer("malformed") if command is None else self.expected(command, now_ms)
        self.description = f"  # at {now_ms} ms: {described(decision)}"
        if (answer := answer_of(decision)) != expected:
            note(f"{self.description}, and should be {expected}")
        assert answer == expected
        if command is not None:
            self.commands.append(command)
            if one.first:
                self.firsts.append(
                    (command.command_id, FirstDecision(one.position, now_ms, body, one.answer))
                )
        return decision

    def expected(self, command: Command, now_ms: int) -> Answer:
        at_ms, first, answer = self.answers.get(command.command_id, (0, command, Answer()))
        if command.command_id in self.answers and now_ms <= at_ms + ID_LIFETIME_MS:
            same = request_of(first) == request_of(command)
            return answer._replace(events=()) if same else Answer("key_reused")
        answer = self.model.ask(command, now_ms)
        self.answers[command.command_id] = (now_ms, command, answer)
        return answer

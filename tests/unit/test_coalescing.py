"""Who asks for the same seats in the same moment may share a refusal, and nothing but a refusal."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from gateway.commands.coalescing import SHARED_REASONS, RequestCoalescer
from gateway.commands.outcomes import OnOutcome, Outcome, Pending, StoredDecision
from gateway.http.problems import Problem
from schemas.commands import BookSeats, HoldSeats
from schemas.events import Decision, Reason
from schemas.ids import Position
from schemas.wire import encode

TAKEN = Decision(Reason.SEAT_TAKEN, ("A1",))
BOOKED = Decision()


class FakeCommands:
    """Takes what is sent and answers it when told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[BookSeats | HoldSeats, float, OnOutcome]] = []
        self.admitted = 0
        self.refuses = False

    def admit(self, command: Any) -> None:
        if self.refuses:
            raise Problem("rate_limited", "Too many.", retry_after_s=1)
        self.admitted += 1

    def dismiss(self, command: Any) -> None:
        self.admitted -= 1

    def send_admitted(self, command: Any, *, wait_s: float, on_outcome: OnOutcome) -> None:
        self.sent.append((command, wait_s, on_outcome))

    def answer(self, n: int, decision: Decision) -> None:
        self.admitted -= 1
        self.sent[n][2](StoredDecision(Position(0, n), encode(decision)))

    def seats(self) -> list[tuple[str, ...]]:
        return [command.seats for command, _, _ in self.sent]


class Fixture:
    """Some customers of one gateway."""

    def __init__(self) -> None:
        self.commands = FakeCommands()
        self.now_s = 1_000.0
        self.together = RequestCoalescer(self.commands, clock=lambda: self.now_s)  # type: ignore[arg-type]
        self.told: list[tuple[str, Outcome | BaseException]] = []

    def asks(self, who: str, *seats: str, show_id: int = 7, wait_s: float = 10, hold: bool = False) -> None:
        common: dict[str, Any] = {
            "command_id": uuid4(),
            "booking_id": uuid4(),
            "show_id": show_id,
            "seats": seats,
        }
        command = HoldSeats(hold_ms=60_000, **common) if hold else BookSeats(**common)
        self.together.send(
            command, wait_s=wait_s, on_outcome=lambda outcome: self.told.append((who, outcome))
        )

    def decisions(self) -> dict[str, Decision]:
        return {who: one.decision for who, one in self.told if isinstance(one, StoredDecision)}


async def the_moment_is_over() -> None:
    await asyncio.sleep(0)


async def test_what_came_in_one_moment_shares_a_refusal() -> None:
    fixture = Fixture()
    for who in ("a", "b", "c"):
        fixture.asks(who, "A1")
    assert fixture.commands.sent == []
    await the_moment_is_over()
    assert fixture.commands.seats() == [("A1",)]
    assert fixture.commands.admitted == 3, "they count as under way, all of them"
    fixture.commands.answer(0, TAKEN)
    assert fixture.decisions() == dict.fromkeys("abc", TAKEN)
    assert fixture.commands.admitted == 0


async def test_what_comes_later_is_sent_for_itself() -> None:
    fixture = Fixture()
    fixture.asks("a", "A1")
    await the_moment_is_over()
    fixture.asks("b", "A1")
    await the_moment_is_over()
    assert fixture.commands.seats() == [("A1",), ("A1",)]


async def test_a_booking_is_nobody_elses() -> None:
    fixture = Fixture()
    for who in ("a", "b", "c"):
        fixture.asks(who, "A1")
    await the_moment_is_over()
    fixture.commands.answer(0, BOOKED)
    assert fixture.decisions() == {"a": BOOKED}
    assert fixture.commands.seats() == [("A1",), ("A1",)], "the next one asks for itself"
    fixture.commands.answer(1, TAKEN)
    assert fixture.decisions() == {"a": BOOKED, "b": TAKEN, "c": TAKEN}
    assert fixture.commands.admitted == 0


@pytest.mark.parametrize("reason", Reason)
async def test_only_a_reason_that_holds_for_everybody_is_shared(reason: Reason) -> None:
    fixture = Fixture()
    fixture.asks("a", "A1")
    fixture.asks("b", "A1")
    await the_moment_is_over()
    fixture.commands.answer(0, Decision(reason))
    assert ("b" in fixture.decisions()) == (reason in SHARED_REASONS)
    assert len(fixture.commands.sent) == (1 if reason in SHARED_REASONS else 2)


async def test_only_the_same_wish_is_shared() -> None:
    fixture = Fixture()
    fixture.asks("a", "A1", "A2")
    fixture.asks("the same set", "A2", "A1")
    fixture.asks("another seat", "A1")
    fixture.asks("another show", "A1", "A2", show_id=8)
    fixture.asks("a hold", "A1", "A2", hold=True)
    fixture.asks("who waits less", "A1", "A2", wait_s=1)
    await the_moment_is_over()
    assert len(fixture.commands.sent) == 5
    fixture.commands.answer(0, TAKEN)
    assert set(fixture.decisions()) == {"a", "the same set"}


async def test_where_the_first_is_not_decided_each_is_sent_for_itself() -> None:
    for outcome in (Pending(Position(0, 1)), Problem("log_unavailable", "Away.", retry_after_s=1)):
        fixture = Fixture()
        for who in ("a", "b", "c"):
            fixture.asks(who, "A1")
        await the_moment_is_over()
        fixture.commands.sent[0][2](outcome)
        assert fixture.told == [("a", outcome)]
        assert [wait_s for _, wait_s, _ in fixture.commands.sent] == [10, 10, 10]


async def test_nobody_waits_longer_for_having_been_behind_another() -> None:
    fixture = Fixture()
    for who in ("a", "b", "c"):
        fixture.asks(who, "A1", wait_s=10)
    await the_moment_is_over()
    fixture.now_s += 4
    fixture.commands.answer(0, BOOKED)
    fixture.now_s += 7
    fixture.commands.sent[1][2](Pending(Position(0, 1)))
    assert [wait_s for _, wait_s, _ in fixture.commands.sent] == [10, 6, 0]


async def test_after_a_refusal_of_ones_own_the_others_do_not_stand_in_line() -> None:
    fixture = Fixture()
    for who in ("a", "b", "c", "d"):
        fixture.asks(who, "A1")
    await the_moment_is_over()
    fixture.commands.answer(0, Decision(Reason.LIMIT_EXCEEDED))
    assert len(fixture.commands.sent) == 4


async def test_who_asks_too_often_is_refused_and_not_counted() -> None:
    fixture = Fixture()
    fixture.commands.refuses = True
    with pytest.raises(Problem):
        fixture.asks("a", "A1")
    await the_moment_is_over()
    assert (fixture.commands.sent, fixture.commands.admitted) == ([], 0)

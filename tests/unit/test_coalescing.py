"""Equal requests of one iteration of the event loop may share a refusal, and nothing but a refusal."""

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
    """Records the commands sent, and answers them when the test says so."""

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
    """A coalescer with the requests of some customers and their outcomes."""

    def __init__(self) -> None:
        self.commands = FakeCommands()
        self.now_s = 1_000.0
        self.coalescer = RequestCoalescer(self.commands, clock=lambda: self.now_s)  # type: ignore[arg-type]
        self.outcomes: list[tuple[str, Outcome | BaseException]] = []

    def asks(self, name: str, *seats: str, show_id: int = 7, wait_s: float = 10, hold: bool = False) -> None:
        common: dict[str, Any] = {
            "command_id": uuid4(),
            "booking_id": uuid4(),
            "show_id": show_id,
            "seats": seats,
        }
        command = HoldSeats(hold_ms=60_000, **common) if hold else BookSeats(**common)
        self.coalescer.send(
            command, wait_s=wait_s, on_outcome=lambda outcome: self.outcomes.append((name, outcome))
        )

    def decisions(self) -> dict[str, Decision]:
        return {name: one.decision for name, one in self.outcomes if isinstance(one, StoredDecision)}


async def iteration_ends() -> None:
    await asyncio.sleep(0)


async def test_requests_of_one_iteration_share_a_refusal() -> None:
    fixture = Fixture()
    for name in ("a", "b", "c"):
        fixture.asks(name, "A1")
    assert fixture.commands.sent == []
    await iteration_ends()
    assert fixture.commands.seats() == [("A1",)]
    assert fixture.commands.admitted == 3, "they count as under way, all of them"
    fixture.commands.answer(0, TAKEN)
    assert fixture.decisions() == dict.fromkeys("abc", TAKEN)
    assert fixture.commands.admitted == 0


async def test_a_later_request_is_sent_separately() -> None:
    fixture = Fixture()
    fixture.asks("a", "A1")
    await iteration_ends()
    fixture.asks("b", "A1")
    await iteration_ends()
    assert fixture.commands.seats() == [("A1",), ("A1",)]


async def test_an_acceptance_is_not_shared() -> None:
    fixture = Fixture()
    for name in ("a", "b", "c"):
        fixture.asks(name, "A1")
    await iteration_ends()
    fixture.commands.answer(0, BOOKED)
    assert fixture.decisions() == {"a": BOOKED}
    assert fixture.commands.seats() == [("A1",), ("A1",)], "the next one asks for itself"
    fixture.commands.answer(1, TAKEN)
    assert fixture.decisions() == {"a": BOOKED, "b": TAKEN, "c": TAKEN}
    assert fixture.commands.admitted == 0


@pytest.mark.parametrize("reason", Reason)
async def test_only_reasons_independent_of_the_customer_are_shared(reason: Reason) -> None:
    fixture = Fixture()
    fixture.asks("a", "A1")
    fixture.asks("b", "A1")
    await iteration_ends()
    fixture.commands.answer(0, Decision(reason))
    assert ("b" in fixture.decisions()) == (reason in SHARED_REASONS)
    assert len(fixture.commands.sent) == (1 if reason in SHARED_REASONS else 2)


async def test_only_equal_requests_are_coalesced() -> None:
    fixture = Fixture()
    fixture.asks("a", "A1", "A2")
    fixture.asks("the same set", "A2", "A1")
    fixture.asks("another seat", "A1")
    fixture.asks("another show", "A1", "A2", show_id=8)
    fixture.asks("a hold", "A1", "A2", hold=True)
    fixture.asks("who waits less", "A1", "A2", wait_s=1)
    await iteration_ends()
    assert len(fixture.commands.sent) == 5
    fixture.commands.answer(0, TAKEN)
    assert set(fixture.decisions()) == {"a", "the same set"}


async def test_after_an_undecided_first_request_each_is_sent() -> None:
    for outcome in (Pending(Position(0, 1)), Problem("log_unavailable", "Away.", retry_after_s=1)):
        fixture = Fixture()
        for name in ("a", "b", "c"):
            fixture.asks(name, "A1")
        await iteration_ends()
        fixture.commands.sent[0][2](outcome)
        assert fixture.outcomes == [("a", outcome)]
        assert [wait_s for _, wait_s, _ in fixture.commands.sent] == [10, 10, 10]


async def test_coalesced_requests_share_a_deadline() -> None:
    fixture = Fixture()
    for name in ("a", "b", "c"):
        fixture.asks(name, "A1", wait_s=10)
    await iteration_ends()
    fixture.now_s += 4
    fixture.commands.answer(0, BOOKED)
    fixture.now_s += 7
    fixture.commands.sent[1][2](Pending(Position(0, 1)))
    assert [wait_s for _, wait_s, _ in fixture.commands.sent] == [10, 6, 0]


async def test_after_a_customers_own_refusal_the_others_are_sent_at_once() -> None:
    fixture = Fixture()
    for name in ("a", "b", "c", "d"):
        fixture.asks(name, "A1")
    await iteration_ends()
    fixture.commands.answer(0, Decision(Reason.LIMIT_EXCEEDED))
    assert len(fixture.commands.sent) == 4


async def test_a_rate_limited_request_is_rejected_and_not_counted() -> None:
    fixture = Fixture()
    fixture.commands.refuses = True
    with pytest.raises(Problem):
        fixture.asks("a", "A1")
    await iteration_ends()
    assert (fixture.commands.sent, fixture.commands.admitted) == ([], 0)

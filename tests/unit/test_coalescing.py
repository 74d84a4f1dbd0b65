"""Equal requests of one iteration of the event loop may share a refusal, and nothing but a refusal."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.commands.coalescing import MAX_SHARING, SHARED_REASONS, RequestCoalescer
from gateway.commands.outcomes import OnOutcome, Outcome, Pending, StoredDecision
from gateway.commands.refusals import refusal_of
from gateway.http.problems import Problem
from schemas.commands import BlockSeats, BookSeats, HoldSeats
from schemas.events import Booking, BookingStatus, Decision, Reason
from schemas.ids import Position
from schemas.wire import encode
from tests.unit.show_fixture import ANN, BEN, STAFF, ask, book, opened, unopened
from tests.unit.test_show import FAULTS

TAKEN = Decision(Reason.SEAT_TAKEN, ("A1",))
BOOKED = Decision()


class FakeCommands:
    """Records the commands sent, and answers them when the test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[BookSeats | HoldSeats, float, OnOutcome]] = []
        self.admitted: list[UUID] = []
        """Ids of the commands under way."""
        self.refuses = False

    def admit(self, command: Any) -> None:
        if self.refuses:
            raise Problem("rate_limited", "Too many.", retry_after_s=1)
        self.admitted.append(command.command_id)

    def dismiss(self, command: Any) -> None:
        self.admitted.remove(command.command_id)

    def send_admitted(self, command: Any, *, wait_s: float, on_outcome: OnOutcome) -> None:
        self.sent.append((command, wait_s, on_outcome))

    def answer(self, n: int, decision: Decision) -> None:
        self.admitted.remove(self.sent[n][0].command_id)
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

    def asks(
        self,
        name: str,
        *seats: str,
        show_id: int = 7,
        wait_s: float = 10,
        hold: bool = False,
        user_id: int | None = None,
        **fields: Any,
    ) -> None:
        common: dict[str, Any] = {
            "command_id": uuid4(),
            "booking_id": uuid4(),
            "show_id": show_id,
            "seats": seats,
            "user_id": ord(name[0]) if user_id is None else user_id,
            "yours": True,
            **fields,
        }
        command = HoldSeats(hold_ms=60_000, **common) if hold else BookSeats(**common)
        self.coalescer.send(
            command, wait_s=wait_s, on_outcome=lambda outcome: self.outcomes.append((name, outcome))
        )

    def problems(self) -> dict[str, dict[str, Any]]:
        return {
            name: json.loads(refusal_of(one.answer, one.position).body)
            for name, one in self.outcomes
            if isinstance(one, StoredDecision)
        }

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
    assert len(fixture.commands.admitted) == 3, "they count as under way, all of them"
    fixture.commands.answer(0, TAKEN)
    assert fixture.decisions() == dict.fromkeys("abc", TAKEN)
    assert fixture.commands.admitted == []


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
    assert fixture.commands.admitted == []


@pytest.mark.parametrize("reason", Reason)
async def test_only_reasons_independent_of_the_customer_are_shared(reason: Reason) -> None:
    fixture = Fixture()
    fixture.asks("a", "A1")
    fixture.asks("b", "A1")
    await iteration_ends()
    fixture.commands.answer(0, Decision(reason))
    assert ("b" in fixture.decisions()) == (reason in SHARED_REASONS)
    assert len(fixture.commands.sent) == (1 if reason in SHARED_REASONS else 2)


def test_the_shared_reasons_are_those_that_all_customers_get() -> None:
    """The rules decide requests of Ann, who has all the seats that a customer may have, and of Ben, who has none."""
    refused_to_ann, refused_to_both = set(), set()
    causes = [(cause, seats) for reason, cause, seats in FAULTS if reason is not Reason.LIMIT_EXCEEDED]
    for cause, seats in [(None, ()), *causes]:
        show = opened(seats_per_customer=2)
        book(show, "A1", "A3", by=STAFF)
        book(show, "C5", "C6", by=ANN)
        ask(show, BlockSeats, by=STAFF, seats=("B1", "B2"))
        if cause is not None:
            cause(show)
        anns, bens = (book(show, *(seats or ("C1",)), by=customer, at=100) for customer in (ANN, BEN))
        refused_to_ann.add(anns.reason)
        if anns == bens:
            refused_to_both.add(anns.reason)
    show = unopened()
    assert book(show, "A1", by=ANN) == book(show, "A1", by=BEN) == Decision(Reason.NOT_FOUND)
    assert refused_to_both | {Reason.NOT_FOUND} == SHARED_REASONS
    assert refused_to_ann - refused_to_both == {Reason.LIMIT_EXCEEDED}


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
        fixture.commands.answer(1, BOOKED)
        fixture.commands.answer(2, TAKEN)
        assert fixture.decisions() == {"b": BOOKED, "c": TAKEN}


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


def live_booking(number: int, *seats: str, user_id: int) -> Booking:
    return Booking(UUID(int=number), 7, user_id, BookingStatus.HELD, seats, 0, "EUR", 0, 60_000)


async def test_the_command_lists_the_customers_of_the_others_once() -> None:
    fixture = Fixture()
    for user_id in (1, 2, 3, 2, 1):
        fixture.asks("a", "A1", user_id=user_id)
    fixture.asks("for ada", "A1", user_id=4, staff=True, customer_id=9)
    fixture.asks("walk-in", "A1", user_id=4, staff=True, walk_in=True)
    fixture.asks("alone", "A2")
    await iteration_ends()
    assert [command.sharing for command, _, _ in fixture.commands.sent] == [(2, 3, 1, 9), ()]


async def test_those_who_have_seats_in_the_show_are_sent_themselves() -> None:
    fixture = Fixture()
    for name in ("a", "b", "c", "d"):
        fixture.asks(name, "A1")
    await iteration_ends()
    refused = Decision(Reason.SEAT_TAKEN, ("A1",), unshared=(ord("b"), ord("d")))
    fixture.commands.answer(0, refused)
    assert fixture.decisions() == {"a": refused, "c": refused}
    assert [command.user_id for command, _, _ in fixture.commands.sent] == [ord("a"), ord("b"), ord("d")]
    own = Decision(Reason.SEAT_TAKEN, ("A1",), yours=(live_booking(5, "A1", user_id=ord("b")),))
    fixture.commands.answer(1, own)
    fixture.commands.answer(2, TAKEN)
    assert fixture.decisions() == {"a": refused, "c": refused, "b": own, "d": TAKEN}
    assert fixture.commands.admitted == []
    assert [name for name, problem in fixture.problems().items() if "yours" in problem] == ["b"]


@pytest.mark.parametrize("reason", sorted(SHARED_REASONS, key=str))
async def test_a_refusal_with_yours_is_shared_with_nobody_and_the_next_request_leads(reason: Reason) -> None:
    fixture = Fixture()
    for name in ("a", "b", "c"):
        fixture.asks(name, "A1")
    await iteration_ends()
    own = Decision(reason, ("A1",), yours=(live_booking(5, "A1", user_id=ord("a")),))
    fixture.commands.answer(0, own)
    assert fixture.decisions() == {"a": own}
    assert [command.sharing for command, _, _ in fixture.commands.sent] == [(ord("b"), ord("c")), (ord("c"),)]
    fixture.commands.answer(1, TAKEN)
    assert fixture.decisions() == {"a": own, "b": TAKEN, "c": TAKEN}
    assert fixture.commands.admitted == []


async def test_a_command_speaks_for_a_hundred_others_at_most() -> None:
    fixture = Fixture()
    for number in range(250):
        fixture.asks(f"{number}", "A1", user_id=number + 1)
    await iteration_ends()
    assert [len(command.sharing) for command, _, _ in fixture.commands.sent] == [MAX_SHARING, MAX_SHARING, 47]
    for n in range(3):
        fixture.commands.answer(n, TAKEN)
    assert len(fixture.decisions()) == 250
    assert fixture.commands.admitted == []


class Writer:
    """Decides commands for one seat by what its customers have in the show."""

    def __init__(self, holder: int, others: set[int]) -> None:
        self.holder, self.others = holder, others

    def decide(self, command: BookSeats | HoldSeats) -> Decision:
        if not self.holder:
            self.holder = command.owner_id
            return BOOKED
        own = command.owner_id == self.holder
        yours = (live_booking(self.holder, "A1", user_id=self.holder),) if own else ()
        known = self.others | {self.holder}
        unshared = tuple(user_id for user_id in command.sharing if user_id in known)
        return Decision(Reason.SEAT_TAKEN, ("A1",), yours=yours, unshared=unshared)


@given(
    askers=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    holder=st.integers(0, 6),
    others=st.sets(st.integers(1, 6)),
)
@settings(deadline=None)
def test_anothers_yours_is_never_got_and_ones_own_never_lost(
    askers: list[int], holder: int, others: set[int]
) -> None:
    async def run() -> Fixture:
        fixture, writer = Fixture(), Writer(holder, others)
        for n, user_id in enumerate(askers):
            fixture.asks(f"{n}", "A1", user_id=user_id)
        await iteration_ends()
        for n, _ in enumerate(askers):
            if n < len(fixture.commands.sent):
                fixture.commands.answer(n, writer.decide(fixture.commands.sent[n][0]))
        return fixture

    fixture = asyncio.run(run())
    owner = holder or askers[0]
    assert fixture.commands.admitted == []
    problems = {
        int(name): json.loads(refusal_of(one.answer, one.position).body)
        for name, one in fixture.outcomes
        if isinstance(one, StoredDecision) and one.refused
    }
    for n, user_id in enumerate(askers):
        booked = not holder and n == 0
        assert booked == (n not in problems)
        if not booked:
            named = [one["id"] for one in problems[n].get("yours", [])]
            assert named == ([str(UUID(int=owner))] if user_id == owner else [])


async def test_a_rate_limited_request_is_rejected_and_not_counted() -> None:
    fixture = Fixture()
    fixture.commands.refuses = True
    with pytest.raises(Problem):
        fixture.asks("a", "A1")
    await iteration_ends()
    assert (fixture.commands.sent, fixture.commands.admitted) == ([], [])


def test_refusals_that_differ_in_whom_they_are_shared_with_are_encoded_once() -> None:
    assert Decision.__struct_fields__[-1] == "unshared"
    refused = [Decision(Reason.SEAT_TAKEN, ('A"1',), unshared=ids) for ids in ((), (5,), (6, 7))]
    bodies = [refusal_of(encode(one), Position(0, 3)).body for one in refused]
    assert bodies[0] == bodies[1] == bodies[2]
    assert b"unshared" not in bodies[0]

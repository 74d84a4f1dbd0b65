"""The limit of holds: what costs a token, what is refunded, and what gateways share."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest
import structlog

from gateway.commands.hold_limit import HoldLimit
from gateway.commands.outcomes import StoredDecision
from gateway.commands.pending import PendingRequests
from gateway.commands.sender import CommandSender
from gateway.http.problems import Problem
from gateway.limits.admission import AdmissionControl
from gateway.limits.rate_limits import RateLimits
from gateway.limits.rejections import LOG_EVERY_S, Rejections
from gateway.metrics import GatewayMetrics
from runtime.log import LogUnavailable
from runtime.metrics import Histogram
from runtime.settings import read_settings
from schemas.commands import BookSeats, HoldSeats
from schemas.events import Decision, Reason
from schemas.ids import Position, fresh_command_id, is_keyed, keyed_command_id
from schemas.wire import encode

HERE = Position(0, 7)


class Script:
    """A Redis script that always fails, so that the gateway counts alone."""

    def register_script(self, _: str) -> Any:
        async def run(keys: list[str], args: list[Any]) -> Any:
            raise OSError("away")

        return run


class Log:
    """An appender whose results the test sets."""

    def __init__(self) -> None:
        self.appended: list[asyncio.Future[int]] = []

    def append(self, partition: int, body: bytes) -> asyncio.Future[int]:
        self.appended.append(asyncio.get_running_loop().create_future())
        return self.appended[-1]


class Pool:
    """A database with the partitions of all shows but 99, and with used keys."""

    def __init__(self) -> None:
        self.used: set[UUID] = set()
        self.looked_up: list[UUID] = []

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        if "command_ids" in sql:
            self.looked_up.append(arguments[0])
            return arguments[0] in self.used
        return None if arguments[0] == 99 else 0


class Gateway:
    """The command sender of a gateway, without servers."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.limits = RateLimits(Script(), read_settings({}), lambda: self.now_s)
        self.pool, self.log = Pool(), Log()
        self.pending = PendingRequests()
        self.admission = AdmissionControl(1000, 1000, 1000)
        self.hold_limit = HoldLimit(self.limits.holds, self.pool)
        log: Any = self.log
        self.commands = CommandSender(
            self.pool, log, self.pending, self.admission, cast("Any", None), None, self.hold_limit
        )
        self.outcomes: list[Any] = []
        self._number = 0

    def hold(self, key: str | None = None, show_id: int = 7, staff: bool = False) -> HoldSeats:
        self._number += 1
        command_id = fresh_command_id(1, self._number) if key is None else keyed_command_id(5, key)
        return HoldSeats(
            command_id=command_id,
            show_id=show_id,
            user_id=5,
            staff=staff,
            booking_id=UUID(int=self._number),
            quantity=1,
            hold_ms=60_000,
        )

    async def send(self, hold: HoldSeats) -> None:
        try:
            self.commands.send(hold, wait_s=1.0, on_outcome=self.outcomes.append)
        except Problem as problem:
            self.outcomes.append(problem)
        for _ in range(4):
            await asyncio.sleep(0)

    async def decide(self, decision: Decision) -> None:
        """Decides all undecided commands in the log."""
        for n, answer in enumerate(self.log.appended):
            if not answer.done():
                answer.set_result(n)
        await asyncio.sleep(0)
        for number in [*self.pending._requests]:
            self.pending.resolve(number, HERE, encode(decision))

    @property
    def left(self) -> float:
        return self.limits.holds.buckets.refilled("5.7", self.now_s).tokens

    @property
    def codes(self) -> list[str]:
        return [outcome.code if isinstance(outcome, Problem) else "decided" for outcome in self.outcomes]


@pytest.fixture
async def gateway() -> Gateway:
    return Gateway()


ACCEPTED = Decision()


async def test_an_accepted_hold_costs_a_token_and_thirty_come_back_in_an_hour(gateway: Gateway) -> None:
    for _ in range(31):
        await gateway.send(gateway.hold())
    await gateway.decide(ACCEPTED)
    assert sorted(gateway.codes) == ["decided"] * 30 + ["rate_limited"]
    assert gateway.left == 0
    (problem,) = [outcome for outcome in gateway.outcomes if isinstance(outcome, Problem)]
    assert problem.retry_after_s == 120
    gateway.now_s += 119
    await gateway.send(gateway.hold())
    assert gateway.outcomes[-1].retry_after_s == 1
    gateway.now_s += 2
    await gateway.send(gateway.hold())
    assert len(gateway.log.appended) == 31
    await gateway.decide(ACCEPTED)
    gateway.now_s += 3600
    assert gateway.left == 30, "never above the burst"


@pytest.mark.parametrize(
    "decision",
    [
        Decision(Reason.SEAT_TAKEN, ("1",)),
        Decision(Reason.LIMIT_EXCEEDED, limit=10),
        Decision(Reason.KEY_REUSED),
        Decision(repeats=HERE),
        Decision(Reason.SEAT_TAKEN, repeats=HERE),
    ],
)
async def test_a_hold_without_seats_is_refunded(gateway: Gateway, decision: Decision) -> None:
    for key in (None, "a"):
        for _ in range(40):
            await gateway.send(gateway.hold(key))
            await gateway.decide(decision)
    assert gateway.left == 30
    assert set(gateway.codes) == {"decided"}


async def test_a_label_that_looks_like_the_field_repeats_is_not_a_repeat(gateway: Gateway) -> None:
    await gateway.send(gateway.hold())
    hold = gateway.hold()
    answer = encode({"events": [{"seats": ['"repeats":1', '\\"repeats":']}]})
    gateway.hold_limit.settle(hold, StoredDecision(HERE, answer))
    assert gateway.left == 29


async def test_a_failed_append_is_refunded_only_when_certain(gateway: Gateway) -> None:
    for unknown, left in ((False, 30), (True, 29)):
        await gateway.send(gateway.hold())
        gateway.log.appended[-1].set_exception(LogUnavailable("gone", outcome_unknown=unknown))
        await asyncio.sleep(0)
        assert gateway.left == left
    await gateway.send(gateway.hold(show_id=99))
    assert gateway.outcomes[-1].code == "not_found"
    assert gateway.limits.holds.buckets.refilled("5.99", gateway.now_s).tokens == 30


async def test_a_hold_rejected_by_admission_control_costs_nothing(gateway: Gateway) -> None:
    gateway.commands._admission = AdmissionControl(0, 0, 0)
    for key in (None, "a"):
        await gateway.send(gateway.hold(key))
    assert gateway.codes == ["overloaded"] * 2
    assert gateway.left == 30


async def test_a_coalesced_hold_that_is_refused_costs_nothing(gateway: Gateway) -> None:
    hold = gateway.hold()
    gateway.commands.admit(hold)
    assert gateway.left == 29
    gateway.commands.dismiss(hold)
    assert gateway.left == 30


async def test_a_repeat_is_sent_without_a_token_and_looked_up_only_then(gateway: Gateway) -> None:
    await gateway.send(gateway.hold("first"))
    for _ in range(29):
        await gateway.send(gateway.hold())
    assert gateway.pool.looked_up == []
    await gateway.send(gateway.hold("first"))
    assert (gateway.pool.looked_up, len(gateway.log.appended)) == ([], 31), "it is not decided yet"
    await gateway.decide(ACCEPTED)
    gateway.hold_limit.refund(gateway.hold())  # the repeat's token, which this decision did not refund
    assert gateway.left == 0
    first = keyed_command_id(5, "first")
    gateway.pool.used.add(first)
    await gateway.send(gateway.hold("first"))
    await gateway.decide(Decision(repeats=HERE))
    assert (gateway.pool.looked_up, gateway.left) == ([first], 0)
    await gateway.send(gateway.hold("other"))
    await gateway.send(gateway.hold())
    assert gateway.codes[-2:] == ["rate_limited"] * 2
    assert len(gateway.pool.looked_up) == 2, "without a key nothing is looked up"
    assert gateway.admission.total == 0


async def test_the_key_of_an_undecided_hold_in_another_show_is_no_repeat(gateway: Gateway) -> None:
    for _ in range(30):
        await gateway.send(gateway.hold())
    await gateway.send(gateway.hold("first", show_id=8))
    await gateway.send(gateway.hold("first"))
    assert (len(gateway.log.appended), gateway.codes) == (31, ["rate_limited"]), "it may be decided first"


@pytest.mark.parametrize(("reason", "cost"), [(Reason.KEY_REUSED, 20), (Reason.SEAT_TAKEN, 1)])
async def test_a_command_with_a_reused_key_costs_twenty(gateway: Gateway, reason: Reason, cost: int) -> None:
    gateway.commands._limit = limit = gateway.limits.commands
    await gateway.send(gateway.hold("first"))
    await gateway.decide(Decision(reason))
    assert limit.buckets.refilled(5, gateway.now_s).tokens == limit.rate.burst - cost
    await gateway.send(gateway.hold("first", staff=True))
    await gateway.decide(Decision(reason))
    assert limit.buckets.refilled(5, gateway.now_s).tokens == limit.rate.burst - cost


async def test_staff_and_bookings_cost_nothing(gateway: Gateway) -> None:
    for _ in range(40):
        await gateway.send(gateway.hold(staff=True))
        fields = {"command_id": fresh_command_id(1, 1), "show_id": 7, "user_id": 5, "quantity": 1}
        gateway.commands.admit(BookSeats(booking_id=UUID(int=1), **fields))  # type: ignore[arg-type]
    await gateway.decide(Decision(Reason.SEAT_TAKEN))
    assert gateway.left == 30


async def test_tokens_are_reported_later_after_redis_was_unavailable(gateway: Gateway) -> None:
    for _ in range(3):
        await gateway.send(gateway.hold())
    await gateway.limits.report_once()
    assert not gateway.limits.unreported, "nothing to do until there is more to tell"
    await gateway.send(gateway.hold())
    ((_, bucket),) = gateway.limits.unreported.items()
    assert bucket.unreported == 4


async def test_without_redis_nothing_is_fetched(gateway: Gateway) -> None:
    hold = gateway.hold()
    for _ in range(2):
        assert not gateway.hold_limit.has_to_fetch(hold)
        await gateway.send(gateway.hold())
    assert gateway.hold_limit.has_to_fetch(hold)
    assert not gateway.hold_limit.has_to_fetch(gateway.hold(staff=True))
    fetching = asyncio.create_task(gateway.limits.fetch())
    await gateway.commands.prepare(hold)
    for _ in range(28):
        assert not gateway.commands.has_to_prepare(hold)
        await gateway.send(gateway.hold())
    assert gateway.left == 0
    assert not gateway.commands.has_to_prepare(hold)
    fetching.cancel()


async def test_rejections_are_counted_and_logged_at_most_every_ten_seconds() -> None:
    now_s = 100.0
    rejections = Rejections(lambda: now_s)
    with structlog.testing.capture_logs() as entries:
        for _ in range(5):
            rejections.count("holds", "5.7")
        rejections.count("address", "::1")
        now_s += LOG_EVERY_S
        rejections.count("holds", "6.7")
    assert [(entry["limit"], entry["rejected"], entry["key"]) for entry in entries] == [
        ("holds", 1, "5.7"),
        ("address", 1, "::1"),
        ("holds", 5, "6.7"),
    ]
    gateway_metrics = GatewayMetrics(
        PendingRequests(), AdmissionControl(1, 1, 1), Histogram((1,)), rejections
    )
    families = {family.name: family async for family in gateway_metrics.metrics()}
    samples = families["aisle_rate_limited"].samples
    assert {sample.labels["limit"]: sample.value for sample in samples} == {"holds": 6, "address": 1}


async def test_rejections_are_kept_when_they_cannot_be_written(gateway: Gateway) -> None:
    written: list[Any] = []

    class Away:
        async def execute(self, sql: str, *arguments: Any) -> None:
            if not written:
                written.append(None)
                raise OSError("away")
            written.append(arguments)

    limit = HoldLimit(gateway.limits.holds, Away())
    for _ in range(3):
        limit.rejection(gateway.hold())
    with pytest.raises(OSError, match="away"):
        await limit.write_rejections()
    limit.rejection(gateway.hold())
    await limit.write_rejections()
    await limit.write_rejections()
    assert written == [None, ([7], [5], [4])]


def test_command_ids_with_and_without_a_key_are_distinguished() -> None:
    assert is_keyed(keyed_command_id(5, "a"))
    assert not is_keyed(fresh_command_id(2**48 - 1, 2**74 - 1))

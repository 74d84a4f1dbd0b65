"""Rate limits of several gateways that share a real Redis, and without Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import redis.asyncio

from gateway.http.problems import Problem
from gateway.limits.rate_limits import RateLimit, RateLimits
from ops.local.embedded import run_servers
from ops.local.embedded_redis import EmbeddedRedis
from runtime.redis import connect
from runtime.settings import Settings


class Gateways:
    """Rate limits of several gateways on one Redis, with a manual clock."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self.now_s = 1000.0
        self.clients: list[redis.asyncio.Redis] = []

    def add(self) -> RateLimits:
        self.clients.append(connect(self.url))
        return RateLimits(self.clients[-1], self.settings, lambda: self.now_s)

    @contextlib.asynccontextmanager
    async def fetching(self, count: int) -> AsyncIterator[list[RateLimits]]:
        """The limits of some gateways that fetch tokens."""
        made = [self.add() for _ in range(count)]
        tasks = [asyncio.create_task(limits.fetch()) for limits in made]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def gateways(redis_url: str, settings: Callable[..., Settings]) -> AsyncIterator[Gateways]:
    slow = settings(
        rate_limit_customer=20, rate_limit_address=1, rate_limit_logins=10, rate_limit_accounts=20
    )
    made = Gateways(redis_url, slow)
    yield made
    for client in made.clients:
        await client.aclose()


def spend_all(limit: RateLimit, key: int, at_most: int = 10_000) -> int:
    """Spends tokens until none is left; returns their number."""
    for count in range(at_most):
        try:
            limit.spend(key)
        except Problem:
            return count
    return at_most


async def try_take(limits: RateLimits, account: str, address: str) -> bool:
    try:
        await limits.take((limits.accounts, address), (limits.logins, account))
    except Problem:
        return False
    return True


async def hold(limits: RateLimits, key: str = "5.7") -> bool:
    """Spends a token of the limit of holds, as a request does."""
    await limits.holds.fetch(key)
    return limits.holds.try_spend(key)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_holds_at_several_gateways_at_once_exceed_the_limit_by_two_for_each_further_one(
    gateways: Gateways, count: int
) -> None:
    async with gateways.fetching(count) as all_limits:
        at_once = [hold(limits) for _ in range(40) for limits in all_limits]
        spent = sum(await asyncio.gather(*at_once))
        assert 30 <= spent <= 30 + 2 * (count - 1)
        assert not any([await hold(limits) for limits in all_limits])


async def test_a_gateway_learns_what_another_spent_with_the_third_hold(gateways: Gateways) -> None:
    async with gateways.fetching(2) as (one, other):
        assert [await hold(one) for _ in range(31)] == [True] * 30 + [False]
        assert [await hold(other) for _ in range(4)] == [True, True, False, False]
        assert await hold(other, "6.7")


async def test_refunded_holds_are_available_at_every_gateway(gateways: Gateways) -> None:
    async with gateways.fetching(2) as (one, other):
        for _ in range(30):
            assert await hold(one)
        assert [await hold(other) for _ in range(3)] == [True, True, False]
        for _ in range(10):
            one.holds.adjust("5.7", 1.0)
        await one.report_once()
        assert [await hold(other) for _ in range(9)] == [True] * 8 + [False], "two were spent before"
        assert [await hold(one) for _ in range(3)] == [True, True, False]


async def test_a_refund_is_spent_again_without_redis(gateways: Gateways) -> None:
    async with gateways.fetching(1) as (limits,):
        for _ in range(6):
            assert await hold(limits)
        for _ in range(100):
            limits.holds.adjust("5.7", 1.0)
            assert not limits.holds.has_to_fetch("5.7")
            assert limits.holds.try_spend("5.7")


async def test_many_holds_wait_for_one_call(gateways: Gateways) -> None:
    async with gateways.fetching(1) as (limits,):
        assert all([await hold(limits) for _ in range(3)])
        keys = [f"{user}.8" for user in range(500)]
        for key in keys * 2:
            assert not limits.holds.has_to_fetch(key)
            assert limits.holds.try_spend(key)
        called = await calls(gateways)
        assert all(await asyncio.gather(*(hold(limits, key) for key in keys)))
        assert await calls(gateways) - called <= 2


async def calls(gateways: Gateways) -> int:
    stats = await gateways.clients[0].info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_taken_tokens_are_gone_on_every_gateway(gateways: Gateways) -> None:
    one, other = gateways.add(), gateways.add()
    results = [await try_take(limits, "ada", "a") for _ in range(8) for limits in (one, other)]
    assert sum(results) == 10
    assert results == [True] * 10 + [False] * 6


async def test_a_take_spends_from_all_limits_or_none(gateways: Gateways) -> None:
    limits = gateways.add()
    for n in range(40):
        assert await try_take(limits, f"account {n}", "a")
    assert not await try_take(limits, "ada", "a")
    assert [await try_take(limits, "ada", "b") for _ in range(11)] == [True] * 10 + [False]


async def test_refunded_tokens_are_available_again(gateways: Gateways) -> None:
    one, other = gateways.add(), gateways.add()
    for limits in (one, other) * 30:
        await limits.take((limits.logins, "ada"))
        await limits.refund((limits.logins, "ada"))


async def test_a_rejection_has_the_time_to_wait(gateways: Gateways) -> None:
    limits = gateways.add()
    for _ in range(10):
        await limits.take((limits.logins, "ada"))
    with pytest.raises(Problem, match="Too many tries for this account") as rejected:
        await limits.take((limits.logins, "ada"), (limits.accounts, "a"))
    assert (rejected.value.code, rejected.value.status, rejected.value.retry_after_s) == (
        "rate_limited",
        429,
        6,
    )
    assert dict(rejected.value.headers())[b"retry-after"] == b"6"
    assert spend_all(limits.commands, 7) == 50
    with pytest.raises(Problem, match="booking requests of this account") as rejected:
        limits.commands.spend(7)
    assert (rejected.value.code, rejected.value.retry_after_s) == ("rate_limited", 1)


async def test_reported_tokens_become_debt_on_other_gateways(gateways: Gateways) -> None:
    one, other = gateways.add(), gateways.add()
    assert spend_all(one.commands, 7) == 50
    assert spend_all(other.commands, 7) == 50, "nothing is reported yet"
    await one.report_once()
    await other.report_once()
    await asyncio.sleep(0)
    assert spend_all(other.commands, 7) == 0
    gateways.now_s += 1.0
    assert spend_all(other.commands, 7) == 0, "the excess burst is debt"
    assert spend_all(other.commands, 8) == 50


async def test_small_amounts_are_not_reported(gateways: Gateways) -> None:
    limits = gateways.add()
    for customer in range(100):
        assert spend_all(limits.commands, customer, at_most=4) == 4
    assert not limits.unreported
    assert spend_all(limits.commands, 1, at_most=1) == 1
    assert [key for _, key in limits.unreported] == [1]


async def test_tokens_spent_during_a_report_still_count(gateways: Gateways) -> None:
    limits = gateways.add()
    assert spend_all(limits.commands, 7, at_most=20) == 20
    report = asyncio.create_task(limits.report_once())
    await asyncio.sleep(0)
    assert spend_all(limits.commands, 7, at_most=10) == 10
    await report
    # Redis has a clock of its own, which runs on.
    assert 20 <= spend_all(limits.commands, 7) <= 25


async def test_a_bucket_expires_in_redis_once_full_and_has_no_user_name(gateways: Gateways) -> None:
    limits = gateways.add()
    await limits.take((limits.logins, "x"), (limits.accounts, "a"))
    for key, longest_s in ((b"aisle.limit.logins.x", 6), (b"aisle.limit.accounts.a", 3)):
        assert 0 < await gateways.clients[0].pttl(key) <= longest_s * 1000


async def test_disabled_limits_never_call_redis(redis_url: str, settings: Callable[..., Settings]) -> None:
    unavailable = connect("unix:///nonexistent/redis.sock")
    limits = RateLimits(unavailable, settings(rate_limits=False))
    assert spend_all(limits.commands, 7, at_most=1000) == 1000
    for _ in range(100):
        await limits.take((limits.logins, "ada"))
    await limits.refund((limits.logins, "ada"))
    assert not limits.unreported
    await unavailable.aclose()


async def test_without_redis_each_gateway_keeps_its_own_limits(
    tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    server = EmbeddedRedis(tmp_path)
    gateways = Gateways(server.url, settings(rate_limit_logins=10, rate_limit_customer=20))
    one, other = gateways.add(), gateways.add()
    try:
        for limits in (one, other):
            assert [await try_take(limits, "ada", "a") for _ in range(11)] == [True] * 10 + [False]
            assert spend_all(limits.commands, 7) == 50
            await limits.report_once()
            assert spend_all(limits.commands, 7) == 0
        gateways.now_s += 2.0
        with run_servers(server):
            assert [await try_take(one, "bob", "b") for _ in range(5)] == [True] * 5
            assert [await try_take(other, "bob", "b") for _ in range(6)] == [True] * 5 + [False]
    finally:
        for client in gateways.clients:
            await client.aclose()

"""Freshness of cached catalogue responses, and one read for concurrent requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.catalogue import response_cache
from gateway.catalogue.response_cache import (
    DEPENDS_ON_ALL_SHOWS,
    DEPENDS_ON_CATALOGUE,
    ReadResult,
    ResponseCache,
)
from gateway.http.problems import Problem


class FakeCatalogue:
    """A database with versions and a text to be read."""

    def __init__(self) -> None:
        self.changes = 1
        self.heads: dict[int, list[int]] = {0: [1, 10], 1: [1, 20]}
        self.decided: dict[int, int] = {}
        self.reads = 0
        self.text = "first"

    async def fetchrow(self, _: str) -> dict[str, Any]:
        return {
            "changes": self.changes,
            "partitions": list(self.heads) or None,
            "heads": list(self.heads.values()) or None,
        }

    def reading(
        self, depends_on: int = DEPENDS_ON_CATALOGUE, max_age_s: float = 1e9
    ) -> Callable[[], Awaitable[ReadResult]]:
        async def read() -> ReadResult:
            self.reads += 1
            return ReadResult(self.text.encode(), depends_on, max_age_s)

        return read


@pytest.fixture
def catalogue() -> FakeCatalogue:
    return FakeCatalogue()


@pytest.fixture
async def cache(catalogue: FakeCatalogue, monkeypatch: pytest.MonkeyPatch) -> ResponseCache:
    monkeypatch.setattr(response_cache, "_MIN_READ_INTERVAL_S", 0.0)
    cache = ResponseCache(catalogue, catalogue.decided)
    await cache.refresh()
    return cache


async def test_a_response_is_fresh_until_its_dependency_changes(
    cache: ResponseCache, catalogue: FakeCatalogue
) -> None:
    async def read_again(depends_on: int) -> bool:
        before = catalogue.reads
        await cache.get(depends_on, catalogue.reading(depends_on))
        return catalogue.reads > before

    depends_on = (DEPENDS_ON_CATALOGUE, DEPENDS_ON_ALL_SHOWS, 0, 1, 7)
    for kind in depends_on:
        assert await read_again(kind)
        assert not await read_again(kind)
    await cache.refresh()
    assert [kind for kind in depends_on if await read_again(kind)] == []
    catalogue.heads[1] = [1, 21]
    await cache.refresh()
    assert [kind for kind in depends_on if await read_again(kind)] == [DEPENDS_ON_ALL_SHOWS, 1]
    catalogue.heads[0] = [2, 10]
    await cache.refresh()
    assert [kind for kind in depends_on if await read_again(kind)] == [DEPENDS_ON_ALL_SHOWS, 0]
    catalogue.heads[7] = [1, 0]
    await cache.refresh()
    assert [kind for kind in depends_on if await read_again(kind)] == [DEPENDS_ON_ALL_SHOWS, 7]
    catalogue.changes = 2
    await cache.refresh()
    assert [kind for kind in depends_on if await read_again(kind)] == list(depends_on)
    cache.invalidate()
    assert [kind for kind in depends_on if await read_again(kind)] == list(depends_on)


async def test_a_decision_received_here_invalidates_its_show(
    cache: ResponseCache, catalogue: FakeCatalogue
) -> None:
    for show_id in (5, 6):
        await cache.get(show_id, catalogue.reading(0), show_id)
    catalogue.decided[5] = 11
    for _ in range(2):
        for show_id in (5, 6):
            await cache.get(show_id, catalogue.reading(0), show_id)
    assert catalogue.reads == 3


async def test_a_response_expires_after_its_max_age(cache: ResponseCache, catalogue: FakeCatalogue) -> None:
    for _ in range(3):
        await cache.get("now", catalogue.reading(max_age_s=0.0))
    assert catalogue.reads == 3


async def test_a_change_during_a_read_makes_the_response_stale(
    cache: ResponseCache, catalogue: FakeCatalogue
) -> None:
    changing = catalogue.reading()

    async def read() -> ReadResult:
        found = await changing()
        catalogue.changes += 1  # after the read, before the response is cached
        catalogue.text = "second"
        await cache.refresh()
        return found

    assert (await cache.get("key", read)).body == b"first"
    assert (await cache.get("key", catalogue.reading())).body == b"second"


async def test_concurrent_requests_share_a_read_that_began_after_the_last_local_change(
    cache: ResponseCache, catalogue: FakeCatalogue
) -> None:
    go_on = asyncio.Event()

    async def slowly() -> ReadResult:
        text = catalogue.text
        catalogue.reads += 1
        await go_on.wait()
        return ReadResult(text.encode(), DEPENDS_ON_CATALOGUE)

    early = [asyncio.create_task(cache.get("key", slowly)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    catalogue.text = "second"
    cache.invalidate()
    late = [asyncio.create_task(cache.get("key", slowly)) for _ in range(3)]
    await asyncio.sleep(0)
    early[0].cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert [(await task).body for task in early[1:]] == [b"first"] * 2
    assert {(await task).body for task in late} == {b"second"}
    assert catalogue.reads == 2
    assert (await cache.get("key", slowly)).body == b"second"
    assert catalogue.reads == 2


async def test_a_failed_read_fails_all_its_requests_and_is_not_cached(
    cache: ResponseCache, catalogue: FakeCatalogue
) -> None:
    async def read() -> ReadResult:
        raise Problem("not_found", "There is none.")

    requests = [cache.get("key", read) for _ in range(3)]
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(one) for one in results] == [Problem] * 3
    assert (await cache.get("key", catalogue.reading())).body == b"first"


async def test_the_cache_is_bounded_and_keeps_the_most_recently_used(
    cache: ResponseCache, catalogue: FakeCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_cache, "MAX_RESPONSES", 3)
    monkeypatch.setattr(response_cache, "MAX_BYTES", 100)

    async def cached(key: str) -> bool:
        before = catalogue.reads
        await cache.get(key, catalogue.reading())
        return catalogue.reads == before

    for key in ("a", "b", "c", "a", "d"):
        await cached(key)
    assert await cached("a")
    assert await cached("c")
    assert not await cached("b")
    catalogue.text = "x" * 98
    assert not await cached("long")
    assert not await cached("a")


async def test_too_many_concurrent_reads_are_rejected(
    cache: ResponseCache, catalogue: FakeCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_cache, "_MAX_PENDING_READS", 2)
    requests = [cache.get(number, catalogue.reading()) for number in range(3)]
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [getattr(one, "code", "") for one in results] == ["", "", "overloaded"]


async def test_responses_are_served_for_a_while_without_a_database(
    cache: ResponseCache, catalogue: FakeCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cache.get("key", catalogue.reading())
    await cache.get("key", catalogue.reading())
    assert catalogue.reads == 1
    monkeypatch.setattr(response_cache, "_MAX_STALE_S", 0.0)
    await cache.get("key", catalogue.reading())
    assert catalogue.reads == 2

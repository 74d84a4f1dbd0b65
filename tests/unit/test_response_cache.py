"""How long an answer of the catalogue stands, and that it is read once for all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.catalogue import response_cache as catalogue_memory
from gateway.catalogue.response_cache import ON_EVERYTHING, ON_MOVIES, CatalogueMemory, Found
from gateway.http.problems import Problem


class Changes:
    """What the database says has changed, and what is there to be read."""

    def __init__(self) -> None:
        self.catalogue = 1
        self.heads: dict[int, list[int]] = {0: [1, 10], 1: [1, 20]}
        self.told: dict[int, int] = {}
        self.reads = 0
        self.text = "first"

    async def fetchrow(self, _: str) -> dict[str, Any]:
        return {
            "changes": self.catalogue,
            "partitions": list(self.heads) or None,
            "heads": list(self.heads.values()) or None,
        }

    def reading(self, made_of: int = ON_MOVIES, lasts_s: float = 1e9) -> Callable[[], Awaitable[Found]]:
        async def read() -> Found:
            self.reads += 1
            return Found(self.text.encode(), made_of, lasts_s)

        return read


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
async def memory(changes: Changes, monkeypatch: pytest.MonkeyPatch) -> CatalogueMemory:
    monkeypatch.setattr(catalogue_memory, "_READ_EVERY_S", 0.0)
    made = CatalogueMemory(changes, changes.told)
    await made.refresh()
    return made


async def test_an_answer_stands_until_what_it_is_made_of_moves(
    memory: CatalogueMemory, changes: Changes
) -> None:
    async def read_again(made_of: int) -> bool:
        before = changes.reads
        await memory.answer(made_of, changes.reading(made_of))
        return changes.reads > before

    made_of = (ON_MOVIES, ON_EVERYTHING, 0, 1, 7)
    for kind in made_of:
        assert await read_again(kind)
        assert not await read_again(kind)
    await memory.refresh()
    assert [kind for kind in made_of if await read_again(kind)] == []
    changes.heads[1] = [1, 21]
    await memory.refresh()
    assert [kind for kind in made_of if await read_again(kind)] == [ON_EVERYTHING, 1]
    changes.heads[0] = [2, 10]
    await memory.refresh()
    assert [kind for kind in made_of if await read_again(kind)] == [ON_EVERYTHING, 0]
    changes.heads[7] = [1, 0]
    await memory.refresh()
    assert [kind for kind in made_of if await read_again(kind)] == [ON_EVERYTHING, 7]
    changes.catalogue = 2
    await memory.refresh()
    assert [kind for kind in made_of if await read_again(kind)] == list(made_of)
    memory.changed_here()
    assert [kind for kind in made_of if await read_again(kind)] == list(made_of)


async def test_a_decision_told_here_makes_its_show_be_read_again(
    memory: CatalogueMemory, changes: Changes
) -> None:
    for show_id in (5, 6):
        await memory.answer(show_id, changes.reading(0), show_id)
    changes.told[5] = 11
    for _ in range(2):
        for show_id in (5, 6):
            await memory.answer(show_id, changes.reading(0), show_id)
    assert changes.reads == 3


async def test_an_answer_stands_no_longer_than_the_clock_allows(
    memory: CatalogueMemory, changes: Changes
) -> None:
    for _ in range(3):
        await memory.answer("now", changes.reading(lasts_s=0.0))
    assert changes.reads == 3


async def test_a_change_while_reading_is_not_lost(memory: CatalogueMemory, changes: Changes) -> None:
    changing = changes.reading()

    async def read() -> Found:
        found = await changing()
        changes.catalogue += 1  # after the look, before the answer is kept
        changes.text = "second"
        await memory.refresh()
        return found

    assert (await memory.answer("key", read)).body == b"first"
    assert (await memory.answer("key", changes.reading())).body == b"second"


async def test_all_who_ask_at_once_share_one_reading_unless_something_was_changed_here(
    memory: CatalogueMemory, changes: Changes
) -> None:
    go_on = asyncio.Event()

    async def slowly() -> Found:
        text = changes.text
        changes.reads += 1
        await go_on.wait()
        return Found(text.encode(), ON_MOVIES)

    early = [asyncio.create_task(memory.answer("key", slowly)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    changes.text = "second"
    memory.changed_here()
    late = [asyncio.create_task(memory.answer("key", slowly)) for _ in range(3)]
    await asyncio.sleep(0)
    early[0].cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert [(await task).body for task in early[1:]] == [b"first"] * 2
    assert {(await task).body for task in late} == {b"second"}
    assert changes.reads == 2
    assert (await memory.answer("key", slowly)).body == b"second"
    assert changes.reads == 2


async def test_what_cannot_be_read_is_told_to_all_and_not_kept(
    memory: CatalogueMemory, changes: Changes
) -> None:
    async def read() -> Found:
        raise Problem("not_found", "There is none.")

    asked = [memory.answer("key", read) for _ in range(3)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in told] == [Problem] * 3
    assert (await memory.answer("key", changes.reading())).body == b"first"


async def test_memory_is_bounded_and_keeps_what_was_asked_for_last(
    memory: CatalogueMemory, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_memory, "MAX_ANSWERS", 3)
    monkeypatch.setattr(catalogue_memory, "MAX_BYTES", 100)

    async def kept(key: str) -> bool:
        before = changes.reads
        await memory.answer(key, changes.reading())
        return changes.reads == before

    for key in ("a", "b", "c", "a", "d"):
        await kept(key)
    assert await kept("a")
    assert await kept("c")
    assert not await kept("b")
    changes.text = "x" * 98
    assert not await kept("long")
    assert not await kept("a")


async def test_too_many_readings_at_once_are_refused(
    memory: CatalogueMemory, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_memory, "_MAX_READING", 2)
    asked = [memory.answer(number, changes.reading()) for number in range(3)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [getattr(one, "code", "") for one in told] == ["", "", "overloaded"]


async def test_the_last_answers_stand_for_a_while_without_a_database(
    memory: CatalogueMemory, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await memory.answer("key", changes.reading())
    await memory.answer("key", changes.reading())
    assert changes.reads == 1
    monkeypatch.setattr(catalogue_memory, "_STANDS_WITHOUT_DATABASE_S", 0.0)
    await memory.answer("key", changes.reading())
    assert changes.reads == 2

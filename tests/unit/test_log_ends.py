"""End offsets of the log: read anew for each question, kept for known positions, one read at a time."""

from __future__ import annotations

import asyncio

import pytest

from gateway.commands.log_ends import LogEnds
from runtime.log import LogUnavailable
from schemas.ids import Position


class SlowLog:
    """A log whose reads end when the test says so; each returns the end as of its beginning."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.running: list[tuple[asyncio.Future[None], int]] = []
        self.begun = 0

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        self.begun += 1
        end, done = self.end, asyncio.get_running_loop().create_future()
        self.running.append((done, end))
        await done
        return {0: (0, end), 1: (0, 0)}

    def finish(self, error: Exception | None = None) -> None:
        done, _ = self.running.pop(0)
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_position_exists_below_the_end_offset_and_not_at_it() -> None:
    log = SlowLog(5)
    ends = LogEnds(log)
    asked = [asyncio.create_task(ends.has(Position(*at))) for at in [(0, 0), (0, 4), (0, 5), (1, 0), (77, 0)]]
    await settled()
    log.finish()
    assert await asyncio.gather(*asked) == [True, True, False, False, False]
    assert log.begun == 1, "one look-up for all that ask in the same moment"
    assert await ends.has(Position(0, 3))
    assert log.begun == 1, "a position below an end that was seen needs no look-up"


async def test_a_read_that_began_earlier_does_not_answer_a_later_question() -> None:
    log = SlowLog(5)
    ends = LogEnds(log)
    early = asyncio.create_task(ends.has(Position(0, 5)))
    await settled()
    log.end = 6  # another gateway appends, while the first look-up is under way
    late = [asyncio.create_task(ends.has(Position(0, 5))) for _ in range(20)]
    await settled()
    assert log.begun == 1
    log.finish()
    await settled()
    assert not early.done() or not early.result()
    assert log.begun == 2, "twenty later questions share one look-up"
    log.finish()
    assert await asyncio.gather(*late) == [True] * 20


async def test_a_failed_read_fails_its_callers_and_is_repeated_for_the_next() -> None:
    log = SlowLog(1)
    ends = LogEnds(log)
    asked = [asyncio.create_task(ends.has(Position(0, 0))) for _ in range(3)]
    await settled()
    log.finish(LogUnavailable("gone"))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, LogUnavailable) for outcome in outcomes)
    again = asyncio.create_task(ends.has(Position(0, 0)))
    await settled()
    log.finish()
    assert await again


async def test_an_appended_position_exists_while_the_log_does_not_answer() -> None:
    log = SlowLog(0)
    ends = LogEnds(log)
    ends.add(Position(3, 41))
    ends.add(Position(3, 7))
    assert await ends.has(Position(3, 41))
    assert await ends.has(Position(3, 40))
    assert log.begun == 0


async def test_a_read_of_end_offsets_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.commands.log_ends._TIMEOUT_S", 0.01)
    with pytest.raises(LogUnavailable, match="gave no answer"):
        await LogEnds(SlowLog(0)).has(Position(0, 0))

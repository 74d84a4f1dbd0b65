"""Requests that are due by a clock."""

from __future__ import annotations

import asyncio

import pytest

from loadtest.bench.generator import generate
from loadtest.bench.open_loop import normal_after_s
from loadtest.bench.orders import Due, Failed, Line, Order, Overload, Tally
from loadtest.bench.requests import FreshSeats
from loadtest.bench.statistics import Latencies

CALM = Latencies(5, 8, 10, 12, 15)
CREATED = b"HTTP/1.1 201 X\r\ncontent-length: 2\r\n\r\n{}"
AWAY = b"HTTP/1.1 503 X\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}"
RUDE = b"HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\n{}"


class OneAtATime:
    """A service that has one pair of hands: so long for each request, whoever asks."""

    def __init__(self, takes_s: float, answers: tuple[bytes, ...]) -> None:
        self.takes_s = takes_s
        self.answers = answers
        self.served = 0
        self._hands = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))
                async with self._hands:
                    if self.takes_s:
                        await asyncio.sleep(self.takes_s)
                    writer.write(self.answers[self.served % len(self.answers)])
                    self.served += 1
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()

    async def finished(self) -> None:
        await asyncio.gather(*self._tasks)


async def run(due: Due, service: OneAtATime, *, connections: int, measured_s: float) -> Tally:
    listening = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    order = Order(
        host="127.0.0.1",
        port=listening.sockets[0].getsockname()[1],
        tokens=("a",),
        asks=FreshSeats(((7, 1, 100_000),), "k"),
        connections=connections,
        warm_up_s=0.3,
        measured_s=measured_s,
        due=due,
    )
    said: asyncio.Queue[Line] = asyncio.Queue()
    await generate(order, said)
    listening.close()
    await service.finished()
    lines = [said.get_nowait() for _ in range(said.qsize())]
    tally = lines[-1]
    assert not isinstance(tally, Failed)
    assert isinstance(tally, Tally)
    return tally


def overload_of(tally: Tally) -> Overload:
    assert tally.overload is not None
    return tally.overload


@pytest.mark.slow
async def test_what_is_due_is_asked_for_by_the_clock_and_all_of_it_is_answered() -> None:
    service = OneAtATime(0, (CREATED,))
    tally = await run(
        Due(a_second=200, calm_a_second=50, after_s=0.4), service, connections=8, measured_s=0.5
    )
    overload = overload_of(tally)
    assert overload.due == 100
    assert service.served == tally.ever[201] == 15 + 100 + 20
    assert overload.calm is not None
    assert overload.turned_away is None
    assert (tally.broken, tally.unanswered, tally.examples) == (0, 0, {})


@pytest.mark.slow
async def test_the_clock_runs_from_when_a_request_was_due_also_while_no_connection_is_free() -> None:
    # 50 a second are served at most and 200 are due: the last one waits for at least 75 others, 1.5 s.
    service = OneAtATime(0.02, (CREATED,))
    tally = await run(Due(a_second=200, calm_a_second=10, after_s=0), service, connections=2, measured_s=0.5)
    assert service.served == tally.ever[201]
    assert tally.unanswered == 0
    assert tally.latencies is not None
    assert tally.latencies.max >= 1400
    assert tally.latencies.p50 >= 600
    assert overload_of(tally).most_waiting >= 70
    assert overload_of(tally).normal_after_s is None


@pytest.mark.slow
async def test_who_is_turned_away_is_counted_apart_and_has_to_be_told_when_to_come_again() -> None:
    tally = await run(
        Due(a_second=300, calm_a_second=30, after_s=0),
        OneAtATime(0, (CREATED, AWAY, RUDE)),
        connections=8,
        measured_s=0.5,
    )
    overload = overload_of(tally)
    assert tally.ever[503] == sum(tally.ever.values()) * 2 // 3
    assert overload.turned_away is not None
    assert overload.no_retry_after == tally.ever[503] // 2
    assert tally.expected <= tally.ever[201]
    assert tally.examples == {}


def test_things_are_normal_in_the_first_window_that_is_as_quick_as_the_calm_and_turns_nobody_away() -> None:
    slow = [(at / 100, 0.5) for at in range(30)]
    quick = [(0.5 + at / 100, 0.015) for at in range(50)]
    assert normal_after_s(CALM, slow + quick, [], 1.0) == 0.5
    assert normal_after_s(CALM, slow + quick, [0.6], 1.0) == 0.75
    assert normal_after_s(CALM, quick, [-0.1], 1.0) == 0.5


def test_things_that_stay_slow_or_are_not_seen_are_not_normal() -> None:
    slow = [(at / 100, 0.021) for at in range(100)]
    assert normal_after_s(CALM, slow, [], 1.0) is None
    assert normal_after_s(CALM, [], [], 1.0) is None
    assert normal_after_s(None, [(0.1, 0.001)], [], 1.0) is None


def test_what_was_due_after_the_time_that_is_looked_at_does_not_count() -> None:
    assert normal_after_s(CALM, [(1.1, 0.001), (-0.1, 0.001)], [], 1.0) is None

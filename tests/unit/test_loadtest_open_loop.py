"""Requests that are due by a clock."""

from __future__ import annotations

import asyncio

import pytest

from loadtest.bench.generator.jobs import Failed, Job, Message, Overload, Schedule, Tally
from loadtest.bench.generator.open_loop import recovered_after_s
from loadtest.bench.generator.process import generate
from loadtest.bench.generator.requests import FreshSeats
from loadtest.bench.report.statistics import Latencies

BASELINE = Latencies(5, 8, 10, 12, 15)
CREATED = b"HTTP/1.1 201 X\r\ncontent-length: 2\r\n\r\n{}"
REJECTED = b"HTTP/1.1 503 X\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}"
NO_RETRY_AFTER = b"HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\n{}"


class SerialService:
    """A service that serves one request at a time, `takes_s` seconds each."""

    def __init__(self, takes_s: float, answers: tuple[bytes, ...]) -> None:
        self.takes_s = takes_s
        self.answers = answers
        self.served = 0
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))
                async with self._lock:
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


async def run(schedule: Schedule, service: SerialService, *, connections: int, measured_s: float) -> Tally:
    listening = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    job = Job(
        host="127.0.0.1",
        port=listening.sockets[0].getsockname()[1],
        tokens=("a",),
        load=FreshSeats(((7, 1, 100_000),), "k"),
        connections=connections,
        warm_up_s=0.3,
        measured_s=measured_s,
        schedule=schedule,
    )
    messages: asyncio.Queue[Message] = asyncio.Queue()
    await generate(job, messages)
    listening.close()
    await service.finished()
    lines = [messages.get_nowait() for _ in range(messages.qsize())]
    tally = lines[-1]
    assert not isinstance(tally, Failed)
    assert isinstance(tally, Tally)
    return tally


def overload_of(tally: Tally) -> Overload:
    assert tally.overload is not None
    return tally.overload


@pytest.mark.slow
async def test_requests_are_sent_by_the_clock_and_all_have_responses() -> None:
    service = SerialService(0, (CREATED,))
    tally = await run(
        Schedule(per_second=200, baseline_per_second=50, recovery_s=0.4),
        service,
        connections=8,
        measured_s=0.5,
    )
    overload = overload_of(tally)
    assert overload.due == 100
    assert service.served == tally.all_statuses[201] == 15 + 100 + 20
    assert overload.baseline is not None
    assert overload.rejected is None
    assert (tally.broken, tally.unanswered, tally.examples) == (0, 0, {})


@pytest.mark.slow
async def test_latency_counts_from_the_due_time_also_without_a_free_connection() -> None:
    # 50 a second are served at most and 200 are due: the last one waits for at least 75 others, 1.5 s.
    service = SerialService(0.02, (CREATED,))
    tally = await run(
        Schedule(per_second=200, baseline_per_second=10, recovery_s=0), service, connections=2, measured_s=0.5
    )
    assert service.served == tally.all_statuses[201]
    assert tally.unanswered == 0
    assert tally.latencies is not None
    assert tally.latencies.max >= 1400
    assert tally.latencies.p50 >= 600
    assert overload_of(tally).max_queued >= 70
    assert overload_of(tally).recovered_after_s is None


@pytest.mark.slow
async def test_rejections_are_counted_apart_and_need_retry_after() -> None:
    tally = await run(
        Schedule(per_second=300, baseline_per_second=30, recovery_s=0),
        SerialService(0, (CREATED, REJECTED, NO_RETRY_AFTER)),
        connections=8,
        measured_s=0.5,
    )
    overload = overload_of(tally)
    assert tally.all_statuses[503] == sum(tally.all_statuses.values()) * 2 // 3
    assert overload.rejected is not None
    assert overload.no_retry_after == tally.all_statuses[503] // 2
    assert tally.expected <= tally.all_statuses[201]
    assert tally.examples == {}


def test_recovery_is_the_first_window_with_baseline_p99_and_no_rejections() -> None:
    slow = [(at / 100, 0.5) for at in range(30)]
    quick = [(0.5 + at / 100, 0.015) for at in range(50)]
    assert recovered_after_s(BASELINE, slow + quick, [], 1.0) == 0.5
    assert recovered_after_s(BASELINE, slow + quick, [0.6], 1.0) == 0.75
    assert recovered_after_s(BASELINE, quick, [-0.1], 1.0) == 0.5


def test_slow_or_missing_windows_are_no_recovery() -> None:
    slow = [(at / 100, 0.021) for at in range(100)]
    assert recovered_after_s(BASELINE, slow, [], 1.0) is None
    assert recovered_after_s(BASELINE, [], [], 1.0) is None
    assert recovered_after_s(None, [(0.1, 0.001)], [], 1.0) is None


def test_requests_due_after_the_observed_time_do_not_count() -> None:
    assert recovered_after_s(BASELINE, [(1.1, 0.001), (-0.1, 0.001)], [], 1.0) is None

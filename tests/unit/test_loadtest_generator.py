"""The generator against a server that records its requests."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from loadtest.bench.generator.closed_loop import ClosedLoop
from loadtest.bench.generator.jobs import Failed, Finished, Job, Mark, Message, Started, Tally, decode_message
from loadtest.bench.generator.process import generate
from loadtest.bench.generator.requests import FreshSeats, OneRequest, SameSeats, request_source

REQUEST = re.compile(
    rb"POST /api/shows/(\d+)/bookings HTTP/1\.1\r\nHost: [^\r]+\r\nAuthorization: Bearer ([^\r]+)\r\n"
    rb"Content-Type: application/json\r\nIdempotency-Key: ([!-~]{1,128})\r\nContent-Length: (\d+)\r\n\r\n"
    rb'(\{"seats":\["(\d+)"\]\})'
)


class Server:
    """Responds to bookings; `response` makes the bytes for the n-th, None closes the connection."""

    def __init__(self, response: Callable[[int], bytes | None], takes_s: float) -> None:
        self.response = response
        self.takes_s = takes_s
        self.seats: list[tuple[int, int]] = []
        self.keys: list[bytes] = []
        self.tokens: set[bytes] = set()
        self.port = 0
        self.served: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.served.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.rpartition(b"Content-Length: ")[2])
                request = REQUEST.fullmatch(head + await reader.readexactly(length))
                assert request is not None, head
                assert int(request[4]) == len(request[5])
                self.seats.append((int(request[1]), int(request[6])))
                self.tokens.add(request[2])
                self.keys.append(request[3])
                response = self.response(len(self.seats))
                await asyncio.sleep(self.takes_s)
                if response is None:
                    break
                writer.write(response)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()


def reply(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


@asynccontextmanager
async def serving(response: Callable[[int], bytes | None], *, takes_s: float = 0) -> AsyncIterator[Server]:
    server = Server(response, takes_s)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.gather(*server.served)


def job(port: int, *, connections: int = 4, seats: int = 100_000, measured_s: float = 0.2) -> Job:
    return Job(
        host="127.0.0.1",
        port=port,
        tokens=("a", "b", "c"),
        load=FreshSeats(((7, 1, seats), (9, 11, seats + 10)), "k"),
        connections=connections,
        warm_up_s=0.1,
        measured_s=measured_s,
    )


async def run(wanted: Job) -> Tally:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    return await ClosedLoop(wanted).run(messages)


async def test_every_request_has_a_new_seat_and_a_new_key() -> None:
    async with serving(lambda n: reply(201)) as server:
        tally = await run(job(server.port))
    assert len(server.seats) > 50
    assert len(set(server.seats)) == len(server.seats)
    assert len(set(server.keys)) == len(server.keys)
    assert server.tokens == {b"a", b"b", b"c"}
    shows = Counter(show for show, _ in server.seats)
    assert abs(shows[7] - shows[9]) <= 1
    assert min(seat for show, seat in server.seats if show == 9) == 11
    assert tally.all_statuses == {201: len(server.seats)}
    assert sum(tally.statuses.values()) == tally.expected < len(server.seats)
    assert tally.latencies is not None
    assert 0 < tally.latencies.p50 <= tally.latencies.max < 2000
    assert (tally.examples, tally.broken, tally.unanswered, tally.ran_out) == ({}, 0, 0, False)


async def test_responses_are_counted_by_status_with_an_example() -> None:
    def every_third_is_taken(n: int) -> bytes:
        return reply(409, b'{"code":"seat_taken"}') if n % 3 == 0 else reply(201)

    async with serving(every_third_is_taken) as server:
        tally = await run(job(server.port, connections=1))
    assert tally.all_statuses == {
        409: len(server.seats) // 3,
        201: len(server.seats) - len(server.seats) // 3,
    }
    assert tally.examples == {409: '{"code":"seat_taken"}'}
    assert tally.expected == tally.statuses[201]


async def test_a_lost_connection_is_counted_and_replaced() -> None:
    async with serving(lambda n: None if n % 20 == 0 else reply(201)) as server:
        tally = await run(job(server.port, connections=2))
    assert tally.broken >= 1
    assert tally.broken == len(server.seats) // 20
    assert tally.all_statuses[201] + tally.broken + tally.unanswered == len(server.seats)


async def test_an_invalid_response_is_an_example_and_counts_as_lost() -> None:
    async with serving(lambda n: b"HTTP/1.1 200 OK\r\n\r\nwhat?") as server:
        tally = await run(job(server.port, connections=1))
    assert "without Content-Length" in tally.examples[0]
    assert tally.broken == len(server.seats)
    assert tally.expected == 0
    assert tally.latencies is None


async def test_a_delayed_response_counts_with_its_whole_latency() -> None:
    async with serving(lambda n: reply(201), takes_s=0.1) as server:
        tally = await run(job(server.port, connections=1, measured_s=0.35))
    assert tally.latencies is not None
    assert 100 <= tally.latencies.p50 < 300


async def test_a_run_without_seats_ends_and_requests_none_twice() -> None:
    async with serving(lambda n: reply(201)) as server:
        tally = await run(job(server.port, seats=10))
    assert tally.ran_out
    assert sorted(server.seats) == [(7, n) for n in range(1, 11)] + [(9, n) for n in range(11, 21)]


async def test_an_unreachable_service_is_named() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    async with serving(lambda n: None) as server:
        port = server.port
    await generate(job(port), messages)
    line = messages.get_nowait()
    assert isinstance(line, Failed)
    assert f"127.0.0.1:{port}" in line.message


async def test_the_process_reads_a_job_and_writes_messages() -> None:
    async with serving(lambda n: reply(201)) as server:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "loadtest.bench.generator.process"],
            input=msgspec.json.encode(job(server.port)),
            capture_output=True,
            timeout=30,
            check=True,
        )
    lines = [decode_message.decode(line) for line in done.stdout.splitlines()]
    assert [type(line) for line in lines] == [Started, Finished, Tally]
    assert done.stderr == b""


def test_a_source_rotates_the_shows_and_ends() -> None:
    load = FreshSeats(((1, 5, 6), (2, 1, 2)), "key")
    assert load.seats == 4
    next_request = request_source(load, "h:1", ("t",))
    requests = [next_request(0, None) for _ in range(5)]
    assert requests[4] is None
    found = [REQUEST.fullmatch(request) for request in requests[:4] if request]
    assert [(match[1], match[6], match[3]) for match in found if match] == [
        (b"1", b"5", b"key-0"),
        (b"2", b"1", b"key-1"),
        (b"1", b"6", b"key-2"),
        (b"2", b"2", b"key-3"),
    ]


@pytest.mark.parametrize(("token", "header"), [("t", b"Authorization: Bearer t\r\n"), ("", b"")])
def test_one_request_is_the_same_every_time(token: str, header: bytes) -> None:
    next_request = request_source(OneRequest("POST", "/x", "{}"), "h:1", (token,))
    expected = b"POST /x HTTP/1.1\r\nHost: h:1\r\n" + header
    expected += b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    assert [next_request(0, None), next_request(1, None)] == [expected, expected]


def test_a_storm_requests_the_same_seats_in_turn_with_new_keys() -> None:
    next_request = request_source(SameSeats(7, 2, "key"), "h:1", ("t",))
    found = [REQUEST.fullmatch(request) for request in (next_request(n, None) for n in range(4)) if request]
    assert [(match[1], match[6], match[3]) for match in found if match] == [
        (b"7", b"2", b"key-1"),
        (b"7", b"1", b"key-2"),
        (b"7", b"2", b"key-3"),
        (b"7", b"1", b"key-4"),
    ]


def test_a_storm_without_keys_has_no_idempotency_key() -> None:
    request = request_source(SameSeats(7, 2), "h:1", ("t",))(0, None)
    assert request is not None
    assert b"Idempotency-Key" not in request
    assert request.endswith(b'Content-Length: 15\r\n\r\n{"seats":["2"]}')


async def test_marks_are_sent_and_a_run_ends_without_seats() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    async with serving(lambda n: reply(201)) as server:
        wanted = msgspec.structs.replace(
            job(server.port, seats=20, measured_s=60), warm_up_s=0, mark_every=10
        )
        tally = await ClosedLoop(wanted).run(messages)
    lines = [messages.get_nowait() for _ in range(messages.qsize())]
    marks = [line for line in lines if isinstance(line, Mark)]
    assert [type(line) for line in lines] == [Started, Mark, Mark, Mark, Mark, Finished]
    assert [mark.done for mark in marks] == [10, 20, 30, 40]
    assert [mark.seconds for mark in marks] == sorted(mark.seconds for mark in marks)
    assert tally.ran_out
    assert tally.expected == 40
    assert marks[-1].seconds <= tally.seconds < 60

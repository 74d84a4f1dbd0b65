"""Answers in one piece: head and body of an answer as the bytes that leave in one system call."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from gateway.http.exchange import NO_STORE, Header, request_id_of
from gateway.http.problems import EncodedProblem, Problem
from gateway.server.uvicorn_private import STATUS_LINE


class _ServersOwn:
    """The lines that the server adds to every answer: the date, which uvicorn makes anew every second."""

    def __init__(self) -> None:
        self._headers: list[Header] = []
        self._lines = b""

    def lines(self, headers: list[Header]) -> bytes:
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
        return self._lines


_servers_own = _ServersOwn()


def whole_answer(status: int, servers: list[Header], headers: list[Header], body: bytes) -> bytes:
    """An answer, whose headers say how long its body is. `servers`: the headers of all answers of the server.

    Raises ValueError for a line end in a header: it would begin another one.
    """
    head = b"\r\n".join([b": ".join(header) for header in headers])
    if head.count(b"\n") != len(headers) - 1 or head.count(b"\r") != len(headers) - 1:
        raise ValueError(f"a line end in one of the headers {headers!r}")
    return b"%b%b%b\r\n\r\n%b" % (STATUS_LINE[status], _servers_own.lines(servers), head, body)


def refusal_as_sent(refusal: EncodedProblem, servers: list[Header], request_id: bytes) -> bytes:
    """The same for a refusal that is sent over and over."""
    return b"%b%b%bx-request-id: %b\r\n\r\n%b" % (
        STATUS_LINE[refusal.status],
        _servers_own.lines(servers),
        _lines_of(refusal),
        request_id,
        refusal.body,
    )


def final_problem(problem: Problem, servers: list[Header]) -> bytes:
    """The response that a connection ends with because of a problem."""
    body = problem.body()
    headers = [
        *problem.headers(),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id_of(None)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    return whole_answer(problem.status, servers, headers, body)


@lru_cache(maxsize=16)
def _lines_of(refusal: EncodedProblem) -> bytes:
    headers = [*refusal.headers, (b"content-length", b"%d" % len(refusal.body)), NO_STORE]
    return b"".join([b"%b: %b\r\n" % header for header in headers])


_FULL_BYTES = 64 * 1024
"""So much may wait: a connection with more unsent than that reads no more, but only once it was written."""


class Outbox:
    """Answers that leave together, once all that came in together has been looked at.

    A write to a socket wakes its reader. Where that is on this machine, as a proxy is, it is done with
    one answer before the next one is made, and is woken again for each; that costs both sides more than all else
    that is done for an answer.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []
        self._bytes = 0

    def add(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Writes an answer before the loop waits for anything again."""
        if not self._waiting:
            self._loop.call_soon(self.empty)
        self._waiting.append((transport, answer))
        self._bytes += len(answer)
        if self._bytes > _FULL_BYTES:
            self.empty()

    def empty(self) -> None:
        """Writes them now."""
        waiting, self._waiting = self._waiting, []
        self._bytes = 0
        for transport, answer in waiting:
            # A client that has gone gets nothing, and must not cost others their responses: uvloop would raise.
            if not transport.is_closing():
                transport.write(answer)

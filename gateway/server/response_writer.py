"""Responses as bytes, and write coalescing: those of one iteration of the event loop are written together."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from gateway.http.exchange import NO_STORE, Header, request_id_of
from gateway.http.problems import EncodedProblem, Problem
from gateway.server.uvicorn_private import STATUS_LINE


class _ServerHeaders:
    """Encoded headers that the server adds to every response: the date, which uvicorn renews every second."""

    def __init__(self) -> None:
        self._headers: list[Header] = []
        self._lines = b""

    def lines(self, headers: list[Header]) -> bytes:
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
        return self._lines


_server_headers = _ServerHeaders()


def encode_response(status: int, server_headers: list[Header], headers: list[Header], body: bytes) -> bytes:
    """Encodes a response. `headers` include Content-Length; `server_headers` are those of all responses.

    Raises ValueError for a line end in a header: it would begin another one.
    """
    head = b"\r\n".join([b": ".join(header) for header in headers])
    if head.count(b"\n") != len(headers) - 1 or head.count(b"\r") != len(headers) - 1:
        raise ValueError(f"a line end in one of the headers {headers!r}")
    return b"%b%b%b\r\n\r\n%b" % (STATUS_LINE[status], _server_headers.lines(server_headers), head, body)


def encode_rejection(rejection: EncodedProblem, server_headers: list[Header], request_id: bytes) -> bytes:
    """Encodes the response to a rejected request. The headers of a problem that is sent often are cached."""
    return b"%b%b%bx-request-id: %b\r\n\r\n%b" % (
        STATUS_LINE[rejection.status],
        _server_headers.lines(server_headers),
        _lines_of(rejection),
        request_id,
        rejection.body,
    )


def final_problem(problem: Problem, server_headers: list[Header]) -> bytes:
    """The response that a connection ends with because of a problem."""
    body = problem.body()
    headers = [
        *problem.headers(),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id_of(None)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    return encode_response(problem.status, server_headers, headers, body)


@lru_cache(maxsize=16)
def _lines_of(problem: EncodedProblem) -> bytes:
    headers = [*problem.headers, (b"content-length", b"%d" % len(problem.body)), NO_STORE]
    return b"".join([b"%b: %b\r\n" % header for header in headers])


_FULL_BYTES = 64 * 1024
"""Bytes of responses that are held back at most. A transport counts only what was written to it as unsent, and stops
reading its connection when that is more than 64 KiB."""


class ResponseWriter:
    """Writes the responses to all requests that arrived in one iteration of the event loop together.

    A write to a socket wakes its reader. A reader on the same machine, such as a proxy, has handled one response
    before the next one is made, and is woken again for each; that costs both sides more than everything else about
    a response.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unwritten: list[tuple[asyncio.Transport, bytes]] = []
        self._bytes = 0

    def write(self, transport: asyncio.Transport, response: bytes) -> None:
        """Writes a response before the event loop waits for I/O again."""
        if not self._unwritten:
            self._loop.call_soon(self.flush)
        self._unwritten.append((transport, response))
        self._bytes += len(response)
        if self._bytes > _FULL_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes all responses that were held back."""
        unwritten, self._unwritten = self._unwritten, []
        self._bytes = 0
        for transport, response in unwritten:
            # A client that has gone gets nothing, and must not cost others their responses: uvloop would raise.
            if not transport.is_closing():
                transport.write(response)

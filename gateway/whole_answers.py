"""Answers in one piece: head and body of an answer as the bytes that leave in one system call."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.http import Header


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
    head = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers):
        raise ValueError(f"a line end in one of the headers {headers!r}")
    return b"%b%b%b\r\n%b" % (STATUS_LINE[status], _servers_own.lines(servers), head, body)

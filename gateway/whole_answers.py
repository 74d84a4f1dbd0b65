"""Answers in one piece: head and body of a hot route's answer leave in one system call.

By ASGI an answer takes two messages, and uvicorn writes each as it comes; the second write was a tenth of
what a booking cost the gateway. The protocol therefore puts uvicorn's own object of the request into the
scope (bounded_http.py). Whoever finds it there, and nothing is out of the ordinary, reads the body and
writes the whole answer through it; all else goes by ASGI.
"""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

SCOPE_KEY = "aisle.cycle"
"""Where the scope has the request's cycle. Whoever changes answers on their way takes it out."""

STATUS_KEY = "aisle.status"
"""Where the scope has the status of an answer that was written so, for whoever counts answers."""

Header = tuple[bytes, bytes]


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


def whole_body(cycle: RequestResponseCycle) -> bytes | None:
    """The request's body, where all of it has come; else None."""
    if cycle.more_body or cycle.waiting_for_100_continue:
        return None
    return bytes(cycle.body)


def write_whole(cycle: RequestResponseCycle, status: int, headers: Iterable[Header], body: bytes) -> bool:
    """Writes a whole answer, whose headers have its Content-Length. False, and nothing, where ASGI must."""
    if (
        cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or not cycle.keep_alive
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    pieces = [STATUS_LINE[status], _servers_own.lines(cycle.default_headers)]
    for name, value in headers:
        if b"\n" in value or b"\r" in value:
            raise ValueError(f"a line end in the header {name!r}")
        pieces += (name, b": ", value, b"\r\n")
    pieces += (b"\r\n", body)
    cycle.response_started = cycle.response_complete = True
    cycle.scope[STATUS_KEY] = status  # type: ignore[literal-required]
    cycle.transport.write(b"".join(pieces))
    cycle.message_event.set()
    cycle.on_response()
    return True

"""Minimal parser of HTTP responses on a keep-alive connection: status and length, nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_HEAD_BYTES = 64 * 1024

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_NO_BODY = frozenset({204, 304})


class Response(NamedTuple):
    """One complete response. `raw` is its head and body as received."""

    status: int
    raw: bytes

    @property
    def body(self) -> bytes:
        return self.raw[self.raw.index(b"\r\n\r\n") + 4 :]


class InvalidResponse(Exception):
    """The bytes are not an HTTP/1.1 response with a Content-Length, the only kind that is supported."""


class ResponseReader:
    """Assembles responses from chunks of any size. One reader per connection, one outstanding request."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Response | None:
        """Returns the response once `data` completes it. Raises InvalidResponse, also for surplus bytes."""
        if self._held:
            data = self._held + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            if len(data) > MAX_HEAD_BYTES:
                raise InvalidResponse(f"no end of the headers within {MAX_HEAD_BYTES} bytes")
            self._held = data
            return None
        if data[:9] != b"HTTP/1.1 " or not data[9:12].isdigit():
            raise InvalidResponse(f"no HTTP/1.1 status line: {data[:40]!r}")
        status = int(data[9:12])
        length = _LENGTH.search(data, 0, head_end + 2)
        if length is not None:
            end = head_end + 4 + int(length[1])
        elif status in _NO_BODY:
            end = head_end + 4
        else:
            raise InvalidResponse(f"a response without Content-Length: {data[:head_end]!r}")
        if len(data) < end:
            self._held = data
            return None
        if len(data) > end:
            raise InvalidResponse(f"bytes after the response: {data[end : end + 40]!r}")
        self._held = b""
        return Response(status, data)

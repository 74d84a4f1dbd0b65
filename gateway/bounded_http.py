"""HTTP/1.1 with bounds on what comes before the body, and problems for what is not HTTP at all."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.problems import Problem

MAX_URL = 8 * 1024
MAX_HEAD = 32 * 1024
_LINGER_S = 1.0


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, that does not gather a head without end."""

    _head_bytes = 0
    _in_head = False
    _refusal: Problem | None = None
    _refused = False

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self._in_head:
            # One field without an end never gets to on_header.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD and not self._refused:
                self._refusal = _too_large()
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_URL:
            self._refuse(Problem("uri_too_long", f"An address has at most {MAX_URL} bytes."))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._refuse(_too_large())
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        refusal = self._refusal or Problem(
            "validation", "This is not HTTP/1.1: check the request line and headers."
        )
        body = refusal.body()
        headers = [*refusal.headers(), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[refusal.status], *lines, b"\r\n", body]))
        # Closing with unread bytes would reset the connection, and the answer with it: let them run out first.
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)

    def _refuse(self, refusal: Problem) -> None:
        self._refusal = refusal
        raise ValueError(refusal.detail)  # ends the parser, and with it this connection


def _too_large() -> Problem:
    return Problem("headers_too_large", f"Headers have at most {MAX_HEAD} bytes in all.")

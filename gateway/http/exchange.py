"""One parsed request and its response: the argument of every fast route's handler."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from gateway.http.bodies import check_no_fields, has_content
from gateway.http.methods import allow_header
from gateway.http.problems import EncodedProblem, Problem
from gateway.http.query import query_parameters

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""
Header = tuple[bytes, bytes]
Headers = Mapping[bytes, bytes]
"""Headers by their names in lower case."""
Respond = Callable[[int, list[Header], bytes], None]
"""Receives a complete response: status, headers including Content-Length, body."""

MAX_BODY = 16 * 1024
"""Bytes of a request body on a fast route."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_JSON = b"application/json"
NO_STORE = (b"cache-control", b"no-store")


def request_id_of(header: bytes | None) -> bytes:
    """The client's X-Request-Id if it is well-formed, else a new one."""
    if header is not None and _REQUEST_ID.match(header):
        return header
    return b"%016x" % random.getrandbits(64)


class Exchange:
    """One complete request, to be answered exactly once, now or later."""

    __slots__ = ("_body", "_respond", "client", "headers", "method", "path", "query", "request_id")

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query: bytes,
        headers: Headers,
        body: bytes,
        client: tuple[str, int] | None,
        respond: Respond,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.client = client
        self.request_id = request_id_of(headers.get(b"x-request-id"))
        self._body = body
        self._respond = respond

    @property
    def authorization(self) -> bytes | None:
        return self.headers.get(b"authorization")

    def body(self) -> bytes:
        """The request body. Raises Problem if it is missing or not declared as JSON."""
        body = self._body
        if body:
            content_type = self.headers.get(b"content-type", _JSON)
            if content_type != _JSON:
                check_json(content_type)
        else:
            raise missing_body(b"content-length" in self.headers or b"transfer-encoding" in self.headers)
        return body

    def check_no_fields(self) -> None:
        """Checks the body of a call without fields. Raises Problem."""
        if self._body:
            check_body_has_no_fields(self._body, self.headers.get(b"content-type", _JSON))

    def parameters(self, *known: str) -> dict[str, str]:
        """The query's parameters. Raises Problem `validation` for an unknown or repeated one."""
        return query_parameters(self.query, known) if self.query else {}

    def on_response(self, call: Callable[[int], None]) -> None:
        """Has `call` called with the status, right after the response was passed on."""
        respond = self._respond

        def respond_and_call(status: int, headers: list[Header], body: bytes) -> None:
            respond(status, headers, body)
            call(status)

        self._respond = respond_and_call

    def respond(
        self, status: int, body: bytes, headers: Iterable[Header] = (), content_type: bytes = _JSON
    ) -> None:
        """Sends a response that must not be stored (`Cache-Control: no-store`)."""
        self._respond(
            status,
            [
                (b"content-type", content_type),
                *headers,
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", self.request_id),
                NO_STORE,
            ],
            body,
        )

    def respond_cacheable(
        self, status: int, body: bytes, headers: Iterable[Header], content_type: bytes = _JSON
    ) -> None:
        """Sends a response whose headers contain its own Cache-Control; 304 has no body."""
        all_headers = [*headers, (b"x-request-id", self.request_id)]
        if status != 304:
            all_headers += [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        self._respond(status, all_headers, body)

    def respond_options(self, methods: Iterable[str]) -> None:
        """Answers OPTIONS with the allowed methods."""
        self._respond(204, [allow_header(methods), (b"x-request-id", self.request_id)], b"")

    def respond_problem(self, problem: Problem) -> None:
        """Sends a problem document."""
        self.respond_encoded(problem.encoded())

    def respond_encoded(self, problem: EncodedProblem, headers: Iterable[Header] = ()) -> None:
        """Sends an encoded problem, with extra headers."""
        status, own, body = problem
        self._respond(
            status,
            [
                *own,
                *headers,
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", self.request_id),
                NO_STORE,
            ],
            body,
        )


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """Reads the complete body of an ASGI request. Raises Problem if it is too large or incomplete."""
    declared = headers.get(b"content-length")
    if declared is not None and (not declared.isdigit() or int(declared) > MAX_BODY):
        raise _too_large()
    body, more = b"", True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise incomplete_body()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


def check_json(content_type: bytes) -> None:
    """Checks that a media type is JSON in UTF-8. Raises Problem `unsupported_media_type`."""
    kind, _, options = content_type.lower().partition(b";")
    charset = options.replace(b" ", b"").replace(b'"', b"")
    if kind.strip() != _JSON or charset not in (b"", b"charset=utf-8", b"charset=utf8"):
        raise Problem("unsupported_media_type", "Send the body as 'Content-Type: application/json' in UTF-8.")


def check_body_has_no_fields(body: bytes, content_type: bytes) -> None:
    """Checks the body of a call without fields; white space needs no Content-Type. Raises Problem."""
    if has_content(body):
        check_json(content_type)
        check_no_fields(body)


def incomplete_body() -> Problem:
    """The problem of a request whose connection ended within the body. Such a request is never executed."""
    return Problem("validation", "The connection ended before the body did; send it again.")


def missing_body(declared: bool) -> Problem:
    """The problem of a missing body. `declared`: the request has Content-Length or Transfer-Encoding."""
    if declared:
        return Problem("invalid_json", "There is no body: send the request's fields as a JSON object.")
    return Problem("length_required", "Send a JSON object as the body, with its Content-Length.")


def _too_large() -> Problem:
    return Problem("body_too_large", f"A body here has at most {MAX_BODY} bytes.")

"""One request taken apart once, and the way to answer it: what every hot route is given."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from gateway.bodies import check_no_fields, has_content, invalid
from gateway.methods import allow
from gateway.problems import Problem, Refusal

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""
Header = tuple[bytes, bytes]
Fields = Mapping[bytes, bytes]
"""Headers by their names in lower case."""
Tell = Callable[[int, list[Header], bytes], None]
"""Takes a whole answer: status, headers with Content-Length among them, body."""

MAX_BODY = 16 * 1024
_MAX_QUERY = 2048
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_STRAY_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_JSON = b"application/json"
NOT_KEPT = (b"cache-control", b"no-store")


def request_id_of(given: bytes | None) -> bytes:
    """The client's own X-Request-Id where it is a sane one, else a new one."""
    if given is not None and _REQUEST_ID.match(given):
        return given
    return b"%016x" % random.getrandbits(64)


def check_percent(query: bytes) -> None:
    """Passes a query in which every % begins a byte. Raises Problem `validation`."""
    if b"%" in query and _STRAY_PERCENT.search(query):
        raise invalid(("query", "percent-encoded UTF-8 is wanted: % itself is %25"))


def query_parameters(query: bytes, known: Collection[str]) -> dict[str, str]:
    """A query's parameters. Raises Problem `validation` for an unknown or repeated one."""
    if not query:
        return {}
    if len(query) > _MAX_QUERY:
        raise Problem("uri_too_long", f"A query has at most {_MAX_QUERY} bytes.")
    check_percent(query)
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise invalid(("query", "percent-encoded UTF-8 is wanted")) from None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise invalid((name[:60], "there is no such parameter here"))
        if name in parameters:
            raise invalid((name, "give it once"))
        if "\0" in value:
            raise invalid((name, "NUL is not allowed"))
        parameters[name] = value
    return parameters


class Exchange:
    """One whole request and the way to answer it, at once or later, but once."""

    __slots__ = ("_body", "_tell", "client", "headers", "method", "path", "query", "request_id")

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query: bytes,
        headers: Fields,
        body: bytes,
        client: tuple[str, int] | None,
        tell: Tell,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.client = client
        self.request_id = request_id_of(headers.get(b"x-request-id"))
        self._body = body
        self._tell = tell

    @property
    def authorization(self) -> bytes | None:
        return self.headers.get(b"authorization")

    def body(self) -> bytes:
        """The body. Raises Problem for one that is missing or not declared as JSON."""
        body = self._body
        if body:
            content_type = self.headers.get(b"content-type", _JSON)
            if content_type != _JSON:
                check_json(content_type)
        else:
            raise no_body(b"content-length" in self.headers or b"transfer-encoding" in self.headers)
        return body

    def check_no_fields(self) -> None:
        """Passes a body that says nothing, declared as JSON or empty. Raises Problem."""
        if self._body:
            check_empty(self._body, self.headers.get(b"content-type", _JSON))

    def parameters(self, *known: str) -> dict[str, str]:
        """The query's parameters. Raises Problem `validation` for an unknown or repeated one."""
        return query_parameters(self.query, known) if self.query else {}

    def answer(
        self, status: int, body: bytes, headers: Iterable[Header] = (), content_type: bytes = _JSON
    ) -> None:
        """Sends an answer that nobody is to keep."""
        self._tell(
            status,
            [
                (b"content-type", content_type),
                *headers,
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", self.request_id),
                NOT_KEPT,
            ],
            body,
        )

    def answer_kept(
        self, status: int, body: bytes, headers: Iterable[Header], content_type: bytes = _JSON
    ) -> None:
        """Sends an answer whose headers say how it may be kept; 304 without a body."""
        given = [*headers, (b"x-request-id", self.request_id)]
        if status != 304:
            given += [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        self._tell(status, given, body)

    def answer_options(self, methods: Iterable[str]) -> None:
        """Sends what an address takes."""
        self._tell(204, [allow(methods), (b"x-request-id", self.request_id)], b"")

    def refuse(self, problem: Problem) -> None:
        """Sends a problem."""
        self.refuse_so(problem.refusal())

    def refuse_so(self, refusal: Refusal, headers: Iterable[Header] = ()) -> None:
        """Sends a problem that is ready to be sent, and these headers."""
        status, own, body = refusal
        self._tell(
            status,
            [
                *own,
                *headers,
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", self.request_id),
                NOT_KEPT,
            ],
            body,
        )


async def read_body(headers: Fields, receive: Receive) -> bytes:
    """The whole body of a request, by ASGI. Raises Problem for one that is too large or does not come whole."""
    declared = headers.get(b"content-length")
    if declared is not None and (not declared.isdigit() or int(declared) > MAX_BODY):
        raise _too_large()
    body, more = b"", True
    while more and len(body) <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise half_a_body()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


def check_json(content_type: bytes) -> None:
    """Passes JSON in UTF-8. Raises Problem `unsupported_media_type`."""
    kind, _, options = content_type.lower().partition(b";")
    charset = options.replace(b" ", b"").replace(b'"', b"")
    if kind.strip() != _JSON or charset not in (b"", b"charset=utf-8", b"charset=utf8"):
        raise Problem("unsupported_media_type", "Send the body as 'Content-Type: application/json' in UTF-8.")


def check_empty(body: bytes, content_type: bytes) -> None:
    """Passes the body of a call without fields. Raises Problem; white space needs no type."""
    if has_content(body):
        check_json(content_type)
        check_no_fields(body)


def half_a_body() -> Problem:
    """Where the client has gone before its body ended. What came may look whole; it is not acted upon."""
    return Problem("validation", "The connection ended before the body did; send it again.")


def no_body(declared: bool) -> Problem:
    """Where a body is needed and there is none, whether that was said or nothing was said about a body."""
    if declared:
        return Problem("invalid_json", "There is no body: send the request's fields as a JSON object.")
    return Problem("length_required", "Send a JSON object as the body, with its Content-Length.")


def _too_large() -> Problem:
    return Problem("body_too_large", f"A body here has at most {MAX_BODY} bytes.")

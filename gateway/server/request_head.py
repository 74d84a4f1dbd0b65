"""PURE: what is wrong with the head of a request, on whatever route; and the problems of a connection.

Two readings of one request are how requests are smuggled past a proxy, so nothing here is mended or guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.http.problems import Problem
from gateway.server.authority import is_authority, is_target
from gateway.server.connections import MAX_OF_ADDRESS
from gateway.server.request_bounds import MAX_HEAD, Refusal

MAX_TARGET = 8 * 1024
_ONCE = frozenset((b"host", b"authorization", b"content-type", b"content-length", b"idempotency-key"))
_VERSIONS = ("1.1", "1.0")
_LINE_BYTES = 4
"""Separator and line end of a header."""


def check_host(version: str, host: bytes | None) -> None:
    """Passes a Host header that is one, or a version that does without. Raises Problem `validation`."""
    if host is None and version != "1.0":
        raise _no_host()
    if host is not None and not is_authority(host):
        raise Problem("validation", "The header Host is a name or an address, with or without a port.")


def check_head(
    version: str,
    method: bytes,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    fields: Mapping[bytes, bytes],
) -> None:
    """Passes a head that has one meaning. `fields` are its headers by name. Raises Problem."""
    if len(target) > MAX_TARGET:
        raise Problem("uri_too_long", f"An address has at most {MAX_TARGET} bytes.")
    if version not in _VERSIONS:
        raise _no_host()
    if not target.startswith(b"/") and not is_target(target, method):
        raise Problem("validation", "The target of a request is a path, or an http address.")
    if b"transfer-encoding" in fields and not _chunked(headers):
        raise Problem("validation", "Of the transfer encodings, 'chunked' alone is understood.")
    if len(fields) < len(headers):
        names = [name for name, _ in headers]
        repeated = sorted(name.decode() for name in _ONCE if names.count(name) > 1)
        if repeated:
            raise Problem("validation", f"Send {', '.join(repeated)} once.")


def check_handshake(fields: Mapping[bytes, bytes]) -> None:
    """Passes the head of a WebSocket handshake, which has no body. Raises Problem `validation`."""
    if b"transfer-encoding" in fields or fields.get(b"content-length", b"0").strip(b"0"):
        raise Problem("validation", "The handshake of a WebSocket has no body.")


def head_size(target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Bytes of a head, without blanks that a parser has taken away."""
    return len(target) + sum(len(name) + len(value) + _LINE_BYTES for name, value in headers)


def _no_host() -> Problem:
    return Problem("validation", "HTTP/1.1 with the header Host is spoken here.")


def _chunked(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    given = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    return given == [b"chunked"]


def problem_of(refusal: Refusal) -> Problem:
    """The problem with which a connection past its bounds ends."""
    match refusal:
        case Refusal.HEAD_TOO_LARGE:
            return Problem("headers_too_large", f"Headers have at most {MAX_HEAD} bytes in all.")
        case Refusal.TIMEOUT:
            return Problem("request_timeout", "The request did not come whole in time; send it again.")


def not_http() -> Problem:
    """The problem with what the parser does not understand."""
    return Problem("validation", "This is not HTTP/1.1: check the request line and headers.")


def too_many_connections() -> Problem:
    """The problem with a connection of an address that has enough of them."""
    detail = f"There are {MAX_OF_ADDRESS} connections from your address; close one."
    return Problem("rate_limited", detail, retry_after_s=1)

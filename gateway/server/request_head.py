"""PURE: validation of the head of a request on every route, and the problems that end a connection.

An ambiguous head is rejected, never repaired: two readings of one request allow request smuggling past a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.http.problems import Problem
from gateway.server.authority import is_authority, is_target, same_authority
from gateway.server.connections import MAX_OF_ADDRESS
from gateway.server.request_bounds import MAX_HEAD, Refusal

MAX_TARGET = 8 * 1024
_ONCE = frozenset((b"host", b"authorization", b"content-type", b"content-length", b"idempotency-key"))
_VERSIONS = ("1.1", "1.0")
_METHODS = frozenset(
    (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT")
)
"""Methods of RFC 9110 and RFC 5789. A path may still not allow them."""
_REQUEST_LINE = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/1\.[01]\r?$", re.MULTILINE)
_LINE_BYTES = 4
"""Separator and line end of a header."""


def check_host(version: str, host: bytes | None) -> None:
    """Checks the Host header, which only HTTP/1.0 may omit. Raises Problem `validation`."""
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
    """Checks that a head is unambiguous. `fields` are its headers by name. Raises Problem."""
    if len(target) > MAX_TARGET:
        raise Problem("uri_too_long", f"An address has at most {MAX_TARGET} bytes.")
    if version not in _VERSIONS:
        raise _no_host()
    if not target.startswith(b"/"):
        if not is_target(target, method):
            raise Problem("validation", "The target of a request is a path, or an http address.")
        host = fields.get(b"host")
        if host is not None and target != b"*" and not same_authority(target, host):
            raise Problem(
                "validation", "The address in the request line has another host than the header Host."
            )
    if method not in _METHODS:
        raise _unknown_method()
    if method == b"CONNECT" and has_body(fields):
        # What follows its head belongs to the tunnel, if there is one (RFC 9110, 9.3.6).
        raise Problem("validation", "The method CONNECT has no body.")
    if b"transfer-encoding" in fields and not _chunked(headers):
        raise Problem("validation", "Of the transfer encodings, 'chunked' alone is understood.")
    if len(fields) < len(headers):
        names = [name for name, _ in headers]
        repeated = sorted(name.decode() for name in _ONCE if names.count(name) > 1)
        if repeated:
            raise Problem("validation", f"Send {', '.join(repeated)} once.")


def combined(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with one value for each name: those of a repeated one in their order, with commas (RFC 9110, 5.3)."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return [(name, b", ".join(several)) for name, several in values.items()]


def check_handshake(fields: Mapping[bytes, bytes]) -> None:
    """Checks that the request of a WebSocket handshake has no body. Raises Problem `validation`."""
    if has_body(fields):
        raise Problem("validation", "The handshake of a WebSocket has no body.")


def has_body(fields: Mapping[bytes, bytes]) -> bool:
    """Whether a request with these headers has a body."""
    return b"transfer-encoding" in fields or bool(fields.get(b"content-length", b"0").strip(b"0"))


def head_size(target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Size of a head in bytes, without blanks that the parser has removed."""
    return len(target) + sum(len(name) + len(value) + _LINE_BYTES for name, value in headers)


def _no_host() -> Problem:
    return Problem("validation", "HTTP/1.1 with the header Host is spoken here.")


def _chunked(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    given = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    return given == [b"chunked"]


def problem_of(refusal: Refusal) -> Problem:
    """The problem that ends a connection past its bounds."""
    match refusal:
        case Refusal.HEAD_TOO_LARGE:
            return Problem("headers_too_large", f"Headers have at most {MAX_HEAD} bytes in all.")
        case Refusal.TIMEOUT:
            return Problem("request_timeout", "The request did not come whole in time; send it again.")


def not_http(error: str, piece: bytes) -> Problem:
    """The problem with a piece of input that the parser does not understand. `error`: what it says about it."""
    # It stops at a method that it does not know, without a look at the rest of the line.
    if "method" in error and any(
        line.partition(b" ")[0] not in _METHODS for line in _REQUEST_LINE.findall(piece)
    ):
        return _unknown_method()
    return Problem("validation", "This is not HTTP/1.1: check the request line and headers.")


def too_many_connections() -> Problem:
    """The problem of a connection over the limit of its address."""
    detail = f"There are {MAX_OF_ADDRESS} connections from your address; close one."
    return Problem("rate_limited", detail, retry_after_s=1)


def _unknown_method() -> Problem:
    known = ", ".join(sorted(method.decode() for method in _METHODS))
    return Problem("not_implemented", f"The methods of HTTP are {known}.")

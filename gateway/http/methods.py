"""Allowed methods of a path: the Allow header of 405 and OPTIONS responses."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.http.problems import Problem

_ORDER = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")


def allow_header(methods: Iterable[str]) -> tuple[bytes, bytes]:
    """The header Allow for these methods. GET implies HEAD; OPTIONS is always allowed."""
    allowed = {*methods, "OPTIONS"}
    if "GET" in allowed:
        allowed.add("HEAD")
    return b"allow", ", ".join(method for method in _ORDER if method in allowed).encode()


def method_not_allowed(methods: Iterable[str]) -> Problem:
    """The problem of a request with another method than these."""
    header = allow_header(methods)
    return Problem("method_not_allowed", f"Use {header[1].decode()} here.", headers=[header])

"""Which methods an address takes: 405 and OPTIONS say it alike, whichever part answers there."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.http.problems import Problem

_ORDER = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")


def allow_header(methods: Iterable[str]) -> tuple[bytes, bytes]:
    """The header Allow for these methods. Whoever has GET has HEAD, and all have OPTIONS."""
    taken = {*methods, "OPTIONS"}
    if "GET" in taken:
        taken.add("HEAD")
    return b"allow", ", ".join(method for method in _ORDER if method in taken).encode()


def method_not_allowed(methods: Iterable[str]) -> Problem:
    """The problem of a method that is not one of these."""
    header = allow_header(methods)
    return Problem("method_not_allowed", f"Use {header[1].decode()} here.", headers=[header])

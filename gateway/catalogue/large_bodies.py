"""Bound on large request bodies: how many a gateway reads and handles at once, in all and of one account.

A body is up to 4 MiB, and its client may take a minute to send it: without a bound, the connections of one account of
the staff fill the memory of a gateway.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from gateway.auth.guards import provide_caller
from gateway.http.problems import Problem

LARGE = 64 * 1024
"""Bytes of a body above which it counts. One in chunks counts, too: its size is not known."""
MAX_LARGE = 8
MAX_OF_ACCOUNT = 4

AT_END = "aisle.at_end"
"""Key of a request's ASGI scope under which it has an ExitStack that is closed after its response."""


class LargeBodies:
    """Counts the requests with large bodies."""

    def __init__(self) -> None:
        self._of_account: Counter[int] = Counter()

    @contextlib.contextmanager
    def counted(self, user_id: int) -> Iterator[None]:
        """Counts one request inside this context. Raises Problem `rate_limited` or `overloaded`."""
        if self._of_account[user_id] >= MAX_OF_ACCOUNT:
            raise Problem(
                "rate_limited",
                f"{MAX_OF_ACCOUNT} large requests of yours are in progress: wait for one of them.",
                retry_after_s=1,
            )
        if self._of_account.total() >= MAX_LARGE:
            raise Problem("overloaded", "Too many large requests at once: try again soon.", retry_after_s=1)
        self._of_account[user_id] += 1
        try:
            yield
        finally:
            self._of_account[user_id] -= 1
            if not self._of_account[user_id]:
                del self._of_account[user_id]


def large_body_counted(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: counts a request with a large body until its response is complete. Comes after `staff_only`."""
    if _is_large(connection.headers.get("content-length"), "transfer-encoding" in connection.headers):
        at_end = cast("contextlib.ExitStack", cast("dict[str, Any]", connection.scope)[AT_END])
        bodies: LargeBodies = connection.app.state.large_bodies
        request = cast("Request[Any, Any, Any]", connection)
        at_end.enter_context(bodies.counted(provide_caller(request).user_id))


def _is_large(length: str | None, in_chunks: bool) -> bool:
    return in_chunks or (length is not None and length.isdigit() and int(length) > LARGE)

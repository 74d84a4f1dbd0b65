"""Counts of errors and reconnects of the servers that a process uses: Redis, Kafka, PostgreSQL as a log.

Counted where the error is logged. The totals are those of the process, so that a part that is opened again, such as a
replaced reader, continues them.
"""

from __future__ import annotations

_errors: dict[tuple[str, ...], float] = {}
_reconnects: dict[tuple[str, ...], float] = {}


class Backend:
    """One use of a server, such as the subscription to Redis. Its user reports what it notices: `failed` or `works`."""

    __slots__ = ("_key", "_lost")

    def __init__(self, server: str, operation: str) -> None:
        self._key = (server, operation)
        self._lost = False
        _errors.setdefault(self._key, 0)
        _reconnects.setdefault(self._key, 0)

    def failed(self) -> None:
        """Counts an error."""
        _errors[self._key] += 1
        self._lost = True

    def works(self) -> None:
        """Counts a reconnect, if the last thing noticed was an error."""
        if self._lost:
            self._lost = False
            _reconnects[self._key] += 1


def errors() -> dict[tuple[str, ...], float]:
    """Errors by server and operation, since the start of the process."""
    return dict(_errors)


def reconnects() -> dict[tuple[str, ...], float]:
    """Reconnects by server and operation, since the start of the process."""
    return dict(_reconnects)

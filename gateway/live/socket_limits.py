"""Limits of concurrent live sockets in each gateway: per account, per client address, and in total."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from gateway.http.problems import Problem

MAX_SOCKETS = 20_000
MAX_OF_CUSTOMER = 5
MAX_FROM_ADDRESS = 20


class SocketLimits:
    """Counts of open sockets. `limited` false (AISLE_RATE_LIMITS=off) lifts all limits but the total."""

    def __init__(self, *, limited: bool, max_total: int = MAX_SOCKETS) -> None:
        self._limited = limited
        self._max_total = max_total
        self._total = 0
        self._addresses: Counter[str] = Counter()
        self._customers: Counter[int] = Counter()

    @contextlib.contextmanager
    def from_address(self, address: str) -> Iterator[None]:
        """Counts a socket while it is open. Raises Problem `overloaded` or `rate_limited`."""
        if self._total >= self._max_total:
            raise Problem("overloaded", "There are too many live connections; try again.", retry_after_s=5)
        if self._limited and self._addresses[address] >= MAX_FROM_ADDRESS:
            raise Problem(
                "rate_limited",
                f"There are {MAX_FROM_ADDRESS} live connections from your address; close one first.",
                retry_after_s=5,
            )
        self._total += 1
        try:
            with _counted(self._addresses, address):
                yield
        finally:
            self._total -= 1

    @contextlib.contextmanager
    def of_customer(self, user_id: int) -> Iterator[None]:
        """Counts a socket of an account while it is open. Raises Problem `rate_limited`."""
        if self._limited and self._customers[user_id] >= MAX_OF_CUSTOMER:
            raise Problem(
                "rate_limited",
                f"You have {MAX_OF_CUSTOMER} live connections; close one first.",
                retry_after_s=5,
            )
        with _counted(self._customers, user_id):
            yield


@contextlib.contextmanager
def _counted(counts: Counter[Any], key: Any) -> Iterator[None]:
    counts[key] += 1
    try:
        yield
    finally:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]

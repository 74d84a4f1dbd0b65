"""The open connections of a gateway: their number by client address, and whether the gateway is draining."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

MAX_OF_ADDRESS = 512
"""Connections of one address at a time, WebSockets included."""
_MAX_REFUSED = 64
"""Connections of one address that are refused with a response; more than these are reset."""

Client = tuple[str, int] | None
"""Host and port that a connection comes from."""


def uncounted(_: Client) -> None:
    """Returns None: no connection is counted for an address (AISLE_RATE_LIMITS=off)."""


class Connections:
    """Counts the connections of each address. `address_of` gives None for a client that is not counted."""

    def __init__(self, address_of: Callable[[Client], str | None] = uncounted) -> None:
        self.draining = False
        """The gateway stops: each connection ends with its last response, or when it has been idle for a while."""
        self.total = self.peak = 0
        self._address_of = address_of
        self._of_address: Counter[str] = Counter()

    def open(self, client: Client) -> Lease:
        """Counts one more connection, also one over the limit, until its lease is closed."""
        self.total += 1
        self.peak = max(self.peak, self.total)
        address = self._address_of(client)
        if address is None:
            return Lease(self, None, 0)
        self._of_address[address] += 1
        return Lease(self, address, self._of_address[address])

    def close(self, address: str | None) -> None:
        """Counts one connection less."""
        self.total -= 1
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]


class Lease:
    """One counted connection. A protocol that takes over the connection takes over its lease."""

    __slots__ = ("_address", "_connections", "_open", "number")

    def __init__(self, connections: Connections, address: str | None, number: int) -> None:
        self.number = number
        """Number of connections of its address, including this one."""
        self._connections = connections
        self._address = address
        self._open = True

    @property
    def refused(self) -> bool:
        """Whether its address is over the limit: the connection gets a problem and is closed."""
        return self.number > MAX_OF_ADDRESS

    @property
    def reset(self) -> bool:
        """Whether its address is so far over the limit that the connection is reset without a response."""
        return self.number > MAX_OF_ADDRESS + _MAX_REFUSED

    def close(self) -> None:
        """Counts the connection no longer. Idempotent."""
        if self._open:
            self._open = False
            self._connections.close(self._address)

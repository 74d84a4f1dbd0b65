"""Handover of a seat worker to its successor: a process that is prepared, and begins when this one has released.

Every worker of a supervisor has one end of a pair of sockets, and closes it when it has released its partitions; the
kernel closes it for a worker that is killed. A successor inherits the other end and waits for that. So the two never
work at the same time, whatever happens to either, and the pause is as long as releasing and taking take.
"""

from __future__ import annotations

import asyncio
import os
import socket

from runtime.service_manager import PREPARED, notify
from runtime.settings import Settings

SUCCESSOR_WAITS = b"successor"
"""Sent by the supervisor before it stops a worker that has a successor."""


class Handover:
    """A worker's place in a line of predecessors and successors; without a supervisor it has neither."""

    def __init__(self, settings: Settings) -> None:
        self._own = _inherited(settings.handover_fd)
        self._predecessor = _inherited(settings.predecessor_fd)

    async def wait_for_predecessor(self, stop: asyncio.Event) -> None:
        """Returns once the predecessor has released its partitions or ended, or at `stop`."""
        predecessor, self._predecessor = self._predecessor, None
        if predecessor is None:
            return
        notify(PREPARED)
        with predecessor:
            ends = [asyncio.create_task(_closed(predecessor)), asyncio.create_task(stop.wait())]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in ends:
                    one.cancel()
                await asyncio.gather(*ends, return_exceptions=True)

    def has_successor(self) -> bool:
        """Whether a successor waits for this process, which then must not leave its group."""
        if self._own is None:
            return False
        try:
            return self._own.recv(len(SUCCESSOR_WAITS)) == SUCCESSOR_WAITS
        except OSError:
            return False

    def release(self) -> None:
        """Lets the successor begin."""
        own, self._own = self._own, None
        if own is not None:
            own.close()


def _inherited(descriptor: int | None) -> socket.socket | None:
    if descriptor is None:
        return None
    os.set_inheritable(descriptor, False)
    inherited = socket.socket(fileno=descriptor)
    inherited.setblocking(False)
    return inherited


async def _closed(peer: socket.socket) -> None:
    """Returns when the other end is closed."""
    loop = asyncio.get_running_loop()
    try:
        while await loop.sock_recv(peer, 64):
            pass
    except OSError:
        pass

"""Those who watch the seats of one show: every change is written out once and goes to all of them.

A change goes out at once; what changes within the next 100 ms waits and goes out as one message, with the
latest letter per seat. A message goes to a few hundred sockets at a time, so that others have their turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from gateway.live.sockets import text_frame
from gateway.seat_maps.snapshot import SeatMapSnapshot
from schemas.wire import encode

TOGETHER_S = 0.1
"""Changes of the same 100 ms may come as one message."""

_AT_ONCE = 250
_USUAL_STATUS = "on_sale"


class Watcher(Protocol):
    """A socket, as far as it is needed here."""

    def push(self, frame: bytes) -> None:
        """Sends an encoded frame without waiting."""


class SeatBroadcast:
    """The watchers of one show."""

    def __init__(self, snapshot: SeatMapSnapshot, now_ms: float) -> None:
        self._snapshot = snapshot
        self._loop = asyncio.get_running_loop()
        self._watchers: dict[Watcher, int] = {}
        """Each with the version that it began with."""
        self._waiting: dict[str, str] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._outgoing: list[tuple[bytes, Iterator[Watcher]]] = []
        self._first: tuple[int | None, bytes] = (None, b"")
        self._terms = snapshot.terms
        self._status = snapshot.terms.status_at(now_ms)

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self, watcher: Watcher, now_ms: float) -> None:
        """One more watcher: it is sent the seats as they are, and every change from then on."""
        self.tell_status(now_ms)
        version = self._snapshot.version
        if self._first[0] != version:
            self._first = (version, text_frame(self._snapshot.message()))
        watcher.push(self._first[1])
        if self._status != _USUAL_STATUS:
            watcher.push(_status_frame(self._status))
        self._watchers[watcher] = version

    def leave(self, watcher: Watcher) -> None:
        """One watcher less."""
        self._watchers.pop(watcher, None)

    def close(self) -> None:
        """Nobody is left."""
        if self._pause is not None:
            self._pause.cancel()
        self._outgoing.clear()

    def changed(self, changes: dict[str, str]) -> None:
        """The picture has moved on."""
        if self._snapshot.terms is not self._terms:
            self._terms = self._snapshot.terms
            self.tell_status(time.time() * 1000)
        self._waiting.update(changes)
        if self._pause is None:
            self._send_changes()

    def tell_status(self, now_ms: float) -> None:
        """Tells of the show's status, if it is another one by now: it also depends on the clock."""
        status = self._snapshot.terms.status_at(now_ms)
        if status != self._status:
            self._status = status
            self._send(_status_frame(status), iter(list(self._watchers)))

    def _send_changes(self) -> None:
        self._pause = None
        if not self._waiting:
            return
        self._pause = self._loop.call_later(TOGETHER_S, self._send_changes)
        if self._outgoing:
            return  # more watchers than can be told in that time: what waits is told the next time
        version = self._snapshot.version
        message = {"type": "changes", "version": version, "changes": self._waiting}
        self._waiting = {}
        behind = [watcher for watcher, since in self._watchers.items() if since != version]
        self._send(text_frame(encode(message)), iter(behind))

    def _send(self, frame: bytes, to: Iterator[Watcher]) -> None:
        self._outgoing.append((frame, to))
        if len(self._outgoing) == 1:
            self._send_some()

    def _send_some(self) -> None:
        if not self._outgoing:
            return
        frame, to = self._outgoing[0]
        some = list(islice(to, _AT_ONCE))
        for watcher in some:
            watcher.push(frame)
        if len(some) < _AT_ONCE:
            del self._outgoing[0]
        if self._outgoing:
            self._loop.call_soon(self._send_some)


def _status_frame(status: str) -> bytes:
    return text_frame(encode({"type": "show", "status": status}))

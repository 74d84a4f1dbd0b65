"""Broadcast of one show's seat changes: every message is encoded once and sent to all subscribers.

A change is sent at once. Changes within the next 100 ms are coalesced into one message, with the latest letter of
each seat. A message is sent to a few hundred sockets per iteration of the event loop, so that it does not block others.
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

COALESCE_S = 0.1
"""Changes within this time may be sent as one message."""

_SENDS_PER_ITERATION = 250
_USUAL_STATUS = "on_sale"


class Subscriber(Protocol):
    """A socket that receives frames."""

    def push(self, frame: bytes) -> None:
        """Sends an encoded frame without waiting."""


class SeatBroadcast:
    """The subscribers of one show's snapshot."""

    def __init__(self, snapshot: SeatMapSnapshot, now_ms: float) -> None:
        self._snapshot = snapshot
        self._loop = asyncio.get_running_loop()
        self._subscribers: dict[Subscriber, int] = {}
        """Each with the version of its first message."""
        self._unsent: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._outgoing: list[tuple[bytes, Iterator[Subscriber]]] = []
        self._first_frame: tuple[int | None, bytes] = (None, b"")
        self._terms = snapshot.terms
        self._status = snapshot.terms.status_at(now_ms)

    def __len__(self) -> int:
        return len(self._subscribers)

    def add(self, subscriber: Subscriber, now_ms: float) -> None:
        """Adds a subscriber. It is sent the current seats, and every change from then on."""
        self.update_status(now_ms)
        version = self._snapshot.version
        if self._first_frame[0] != version:
            self._first_frame = (version, text_frame(self._snapshot.message()))
        subscriber.push(self._first_frame[1])
        if self._status != _USUAL_STATUS:
            subscriber.push(_status_frame(self._status))
        self._subscribers[subscriber] = version

    def remove(self, subscriber: Subscriber) -> None:
        """Removes a subscriber."""
        self._subscribers.pop(subscriber, None)

    def close(self) -> None:
        """Cancels what is not sent yet."""
        if self._timer is not None:
            self._timer.cancel()
        self._outgoing.clear()

    def changed(self, changes: dict[str, str]) -> None:
        """Sends changes of the snapshot, or adds them to the next message."""
        if self._snapshot.terms is not self._terms:
            self._terms = self._snapshot.terms
            self.update_status(time.time() * 1000)
        self._unsent.update(changes)
        if self._timer is None:
            self._send_changes()

    def update_status(self, now_ms: float) -> None:
        """Sends the show's status if it has changed, which may happen by the clock alone."""
        status = self._snapshot.terms.status_at(now_ms)
        if status != self._status:
            self._status = status
            self._send(_status_frame(status), iter(list(self._subscribers)))

    def _send_changes(self) -> None:
        self._timer = None
        if not self._unsent:
            return
        self._timer = self._loop.call_later(COALESCE_S, self._send_changes)
        if self._outgoing:
            return  # the message before is still being sent: these changes go with the next one
        version = self._snapshot.version
        message = {"type": "changes", "version": version, "changes": self._unsent}
        self._unsent = {}
        behind = [subscriber for subscriber, since in self._subscribers.items() if since != version]
        self._send(text_frame(encode(message)), iter(behind))

    def _send(self, frame: bytes, to: Iterator[Subscriber]) -> None:
        self._outgoing.append((frame, to))
        if len(self._outgoing) == 1:
            self._send_some()

    def _send_some(self) -> None:
        if not self._outgoing:
            return
        frame, to = self._outgoing[0]
        some = list(islice(to, _SENDS_PER_ITERATION))
        for subscriber in some:
            subscriber.push(frame)
        if len(some) < _SENDS_PER_ITERATION:
            del self._outgoing[0]
        if self._outgoing:
            self._loop.call_soon(self._send_some)


def _status_frame(status: str) -> bytes:
    return text_frame(encode({"type": "show", "status": status}))

"""The live seat map: `/api/shows/{id}/live`, a socket without authentication.

The first message is `{"type": "seats", "version", "states"}`, then `{"type": "changes", "version", "changes"}` after
each change of seats, in order and complete, and `{"type": "show", "status"}` when the show's status changes, or at the
start when it is not on sale. Clients need not send anything: a few messages are ignored, more close the socket with
1008. A client that does not read fast enough is dropped with 1013, and can reconnect for a new snapshot.
"""

from __future__ import annotations

import asyncio
import time

from gateway.live.seat_broadcast import SeatBroadcast
from gateway.live.sockets import POLICY_VIOLATION, Socket
from gateway.seat_maps.cache import SeatMapCache

MAX_MESSAGES_PER_MINUTE = 60

_MINUTE_S = 60.0
_STATUS_EVERY_S = 0.25


class SeatMapSockets:
    """The live seat maps of this gateway."""

    def __init__(self, seat_maps: SeatMapCache) -> None:
        self._seat_maps = seat_maps
        self._broadcasts: dict[int, SeatBroadcast] = {}

    async def serve(self, socket: Socket, show_id: int) -> None:
        """Serves one socket to its end. Raises Problem `not_found` for an unknown show, before it is accepted."""
        socket.parameters()
        await self._seat_maps.get(show_id)
        await socket.accept()
        snapshot = await self._seat_maps.get(show_id)
        now_ms = time.time() * 1000
        broadcast = self._broadcasts.get(show_id)
        if broadcast is None:
            broadcast = self._broadcasts[show_id] = SeatBroadcast(snapshot, now_ms)
            self._seat_maps.set_listener(snapshot, broadcast)
        try:
            broadcast.add(socket, now_ms)
            await _ignore_messages(socket)
        finally:
            broadcast.remove(socket)
            if not broadcast:
                broadcast.close()
                if self._broadcasts.pop(show_id, None) is not None:
                    self._seat_maps.remove_listener(show_id)

    async def run(self) -> None:
        """Sends status changes that happen by the clock, until cancelled."""
        while True:
            await asyncio.sleep(_STATUS_EVERY_S)
            now_ms = time.time() * 1000
            for broadcast in self._broadcasts.values():
                broadcast.update_status(now_ms)


async def _ignore_messages(socket: Socket) -> None:
    """Reads and ignores messages until the socket ends."""
    received, minute_ends_s = 0, 0.0
    while await socket.receive_text() is not None:
        now_s = time.monotonic()
        if now_s >= minute_ends_s:
            received, minute_ends_s = 0, now_s + _MINUTE_S
        received += 1
        if received > MAX_MESSAGES_PER_MINUTE:
            socket.close(POLICY_VIOLATION, "this connection is for listening: connect again and say less")

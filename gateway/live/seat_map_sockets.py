"""The live seat map: `/api/shows/{id}/live`, a socket that anybody may open.

First comes `{"type": "seats", "version", "states"}`, then `{"type": "changes", "version", "changes"}` whenever
seats change, in order and none left out, and `{"type": "show", "status"}` when the show's status changes, or
at the start where it is not on sale. Nothing needs to be sent here: a few messages are passed over, many close
the socket with 1008. Who cannot keep up is dropped with 1013 and connects again, for a fresh picture.
"""

from __future__ import annotations

import asyncio
import time

from gateway.live.seat_broadcast import SeatBroadcast
from gateway.live.sockets import NOT_WANTED, Socket
from gateway.seat_maps.cache import SeatMapCache

MAX_MESSAGES = 60
"""A minute, from one client."""

_MINUTE_S = 60.0
_STATUS_EVERY_S = 0.25


class SeatMapSockets:
    """Everybody on this gateway who watches seats."""

    def __init__(self, seat_maps: SeatMapCache) -> None:
        self._seat_maps = seat_maps
        self._audiences: dict[int, SeatBroadcast] = {}

    async def serve(self, socket: Socket, show_id: int) -> None:
        """One socket to its end. Raises Problem `not_found` for an unknown show, before it is accepted."""
        socket.parameters()
        await self._seat_maps.get(show_id)
        await socket.accept()
        snapshot = await self._seat_maps.get(show_id)
        now_ms = time.time() * 1000
        audience = self._audiences.get(show_id)
        if audience is None:
            audience = self._audiences[show_id] = SeatBroadcast(snapshot, now_ms)
            self._seat_maps.set_listener(snapshot, audience)
        try:
            audience.join(socket, now_ms)
            await _pass_over(socket)
        finally:
            audience.leave(socket)
            if not audience:
                audience.close()
                if self._audiences.pop(show_id, None) is not None:
                    self._seat_maps.remove_listener(show_id)

    async def run(self) -> None:
        """Tells, for ever, of shows whose sale begins or ends by the clock."""
        while True:
            await asyncio.sleep(_STATUS_EVERY_S)
            now_ms = time.time() * 1000
            for audience in self._audiences.values():
                audience.tell_status(now_ms)


async def _pass_over(socket: Socket) -> None:
    """Takes what a client says, without heeding it, until it is gone."""
    taken, minute_ends_s = 0, 0.0
    while await socket.receive_text() is not None:
        now_s = time.monotonic()
        if now_s >= minute_ends_s:
            taken, minute_ends_s = 0, now_s + _MINUTE_S
        taken += 1
        if taken > MAX_MESSAGES:
            socket.close(NOT_WANTED, "this connection is for listening: connect again and say less")

"""/api/me/live: a customer's own bookings as they change, and the booking calls as messages.

What changes a booking is told whatever made it change: this socket, another gateway, staff, a hold that ran out,
a show that was called off. All that is published after the handshake (or after the answer to the first `auth`)
comes, each change once, those of one booking in order; `decided` says which of two states is the later.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec
import structlog

from gateway.commands import Commands
from gateway.live.event_stream import EventStream, Heard
from gateway.live.limits import SocketLimits
from gateway.live.logins import SocketLogins
from gateway.live.requests import SocketRequests
from gateway.live.sockets import Socket, text_frame
from schemas.api import booking_body
from schemas.api_sockets import ChangedMessage
from schemas.ids import parse_position
from schemas.wire import decode_published_event, encode

_log = structlog.get_logger()


class MyLive:
    """The sockets of customers on this gateway."""

    def __init__(
        self, logins: SocketLogins, limits: SocketLimits, commands: Commands, events: EventStream
    ) -> None:
        self._logins = logins
        self._limits = limits
        self._commands = commands
        self._events = events
        self._sockets: defaultdict[int, set[Socket]] = defaultdict(set)
        events.to(self.hear)

    async def __call__(self, socket: Socket) -> None:
        """Serves one socket to its end."""
        socket.parameters()
        login = await self._logins.log_in(socket)
        user_id = login.caller.user_id
        requests = SocketRequests(login, self._logins, self._commands)
        with self._limits.of_customer(user_id), self._logins.kept(login):
            async with self._events.followed():
                self._sockets[user_id].add(socket)
                try:
                    if not socket.accepted:
                        await socket.accept()
                    await requests.read()
                finally:
                    self._leave(user_id, socket)
        await requests.finish()

    def hear(self, heard: Heard) -> None:
        """Tells the owner of a booking that it changed."""
        sockets = self._sockets.get(heard.user_id) if heard.user_id is not None else None
        if not sockets:
            return
        try:
            published = decode_published_event(heard.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("an event that cannot be read is passed over", user_id=heard.user_id, error=str(error))
            return
        booking = getattr(published.event, "booking", None)
        assert booking is not None, "an event of a customer is about a booking"
        decided = parse_position(published.event_id.rpartition("-")[0])
        frame = text_frame(encode(ChangedMessage(booking_body(booking, decided))))
        for socket in sockets:
            socket.push(frame)

    def _leave(self, user_id: int, socket: Socket) -> None:
        sockets = self._sockets[user_id]
        sockets.remove(socket)
        if not sockets:
            del self._sockets[user_id]

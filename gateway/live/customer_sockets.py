"""/api/me/live: the changes of a customer's own bookings, and booking by message.

A change is sent regardless of its cause: this socket, another gateway, staff, an expired hold, a cancelled show. Every
change published after the handshake (or after the response to the first `auth`) is sent once, those of one booking in
order; `decided` says which of two states is the later one.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec
import structlog

from gateway.bookings.seat_requests import SeatRequests
from gateway.commands.sender import CommandSender
from gateway.live.event_stream import EventStream, StreamEvent
from gateway.live.logins import SocketLogins
from gateway.live.socket_limits import SocketLimits
from gateway.live.socket_requests import SocketRequests
from gateway.live.sockets import Socket, text_frame
from schemas.api import booking_body
from schemas.api_sockets import ChangedMessage
from schemas.ids import parse_position
from schemas.wire import decode_published_event, encode

_log = structlog.get_logger()


class CustomerSockets:
    """The sockets of customers on this gateway."""

    def __init__(
        self,
        logins: SocketLogins,
        limits: SocketLimits,
        commands: CommandSender,
        seat_requests: SeatRequests,
        events: EventStream,
    ) -> None:
        self._logins = logins
        self._limits = limits
        self._commands = commands
        self._seat_requests = seat_requests
        self._events = events
        self._sockets: defaultdict[int, set[Socket]] = defaultdict(set)
        events.subscribe(self.on_event)

    async def __call__(self, socket: Socket) -> None:
        """Serves one socket to its end."""
        socket.parameters()
        login = await self._logins.log_in(socket)
        user_id = login.caller.user_id
        requests = SocketRequests(login, self._logins, self._commands, self._seat_requests)
        with self._limits.of_customer(user_id), self._logins.monitored(login):
            async with self._events.reading():
                self._sockets[user_id].add(socket)
                try:
                    if not socket.accepted:
                        await socket.accept()
                    await requests.read()
                finally:
                    self._remove(user_id, socket)
        await requests.finish()

    def on_event(self, event: StreamEvent) -> None:
        """Sends changed bookings to their owners' sockets. A swap changes two."""
        sockets = {user_id: found for user_id in event.user_ids if (found := self._sockets.get(user_id))}
        if not sockets:
            return
        try:
            published = decode_published_event(event.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("invalid_event_skipped", user_ids=event.user_ids, error=str(error))
            return
        changed = published.event
        bookings = [booking for name in ("booking", "other") if (booking := getattr(changed, name, None))]
        assert bookings, "an event with an owner has a booking"
        decided = parse_position(published.event_id.rpartition("-")[0])
        for booking in bookings:
            frame = text_frame(encode(ChangedMessage(booking_body(booking, decided))))
            for socket in sockets.get(booking.user_id, ()):
                socket.push(frame)

    def _remove(self, user_id: int, socket: Socket) -> None:
        sockets = self._sockets[user_id]
        sockets.remove(socket)
        if not sockets:
            del self._sockets[user_id]

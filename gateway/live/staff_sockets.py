"""/api/events/live: all events, for staff; those of one show with `?show=`.

A message is a PublishedEvent: `{"event_id", "at_ms", "event": {"type", …}}`, with a show's status in the API's words.
Every event published after the handshake is sent once, those of one show in order.
"""

from __future__ import annotations

from gateway.commands.sender import CommandSender
from gateway.http.bodies import invalid
from gateway.http.integers import read_integer
from gateway.http.problems import Problem
from gateway.live.event_stream import EventStream, StreamEvent
from gateway.live.logins import SocketLogin, SocketLogins, read_auth
from gateway.live.public_events import public_event
from gateway.live.socket_limits import SocketLimits
from gateway.live.sockets import POLICY_VIOLATION, Socket, text_frame
from schemas.api_sockets import AcceptedMessage
from schemas.ids import MAX_SHOW_ID
from schemas.wire import encode


class StaffSockets:
    """The sockets of staff on this gateway."""

    def __init__(
        self, logins: SocketLogins, limits: SocketLimits, commands: CommandSender, events: EventStream
    ) -> None:
        self._logins = logins
        self._limits = limits
        self._commands = commands
        self._events = events
        self._sockets: dict[Socket, int | None] = {}
        """Each socket with the show that it is limited to."""
        events.subscribe(self.on_event)

    async def __call__(self, socket: Socket) -> None:
        """Serves one socket to its end."""
        show_id = _show(socket.parameters("show").get("show"))
        login = await self._logins.log_in(socket)
        _require_staff(login)
        if show_id is not None:
            await self._commands.partition_of(show_id)  # raises Problem `not_found`
        with self._limits.of_customer(login.caller.user_id), self._logins.monitored(login):
            async with self._events.reading():
                self._sockets[socket] = show_id
                try:
                    if not socket.accepted:
                        await socket.accept()
                    await self._read(login)
                finally:
                    del self._sockets[socket]

    def on_event(self, event: StreamEvent) -> None:
        """Sends an event to the sockets."""
        if not self._sockets:
            return
        frame = text_frame(public_event(event.body))
        for socket, show_id in self._sockets.items():
            if show_id is None or show_id == event.show_id:
                socket.push(frame)

    async def _read(self, login: SocketLogin) -> None:
        """Reads renewals of the token until the socket ends. Any other message closes the socket."""
        ref = login.ref
        while True:
            if ref is not None:
                login.socket.push_text(encode(AcceptedMessage(ref)))
            text = await login.socket.receive_text()
            if text is None:
                return
            try:
                message = read_auth(text.encode())
            except Problem:
                login.socket.close(POLICY_VIOLATION, "only messages of the type auth are taken here")
                return
            await self._logins.renew(login, message)
            _require_staff(login)
            ref = message.ref


def _show(text: str | None) -> int | None:
    if text is None:
        return None
    show_id = read_integer(text, MAX_SHOW_ID, max_digits=10)
    if show_id is None:
        raise invalid(("show", "the number of a show is wanted"))
    return show_id


def _require_staff(login: SocketLogin) -> None:
    if not login.caller.staff:
        raise Problem("forbidden", "Live events are for staff: log in with a staff account.")

"""/api/events/live: what happens, as it happens, for staff; of one show with `?show=`.

A message is a PublishedEvent: `{"event_id", "at_ms", "event": {"type", …}}`, a show's status in the API's words.
All that are published after the handshake come, each once, those of one show in order.
"""

from __future__ import annotations

from gateway.bodies import invalid
from gateway.commands import Commands
from gateway.live.event_stream import EventStream, Heard
from gateway.live.limits import SocketLimits
from gateway.live.logins import SocketLogin, SocketLogins, read_auth
from gateway.live.shown_events import shown_event
from gateway.live.sockets import NOT_WANTED, Socket, text_frame
from gateway.problems import Problem
from schemas.api_sockets import AcceptedMessage
from schemas.ids import MAX_SHOW_ID
from schemas.wire import encode


class EventsLive:
    """The sockets of staff on this gateway."""

    def __init__(
        self, logins: SocketLogins, limits: SocketLimits, commands: Commands, events: EventStream
    ) -> None:
        self._logins = logins
        self._limits = limits
        self._commands = commands
        self._events = events
        self._watched: dict[Socket, int | None] = {}
        """Each socket and the one show that it asked for."""
        events.to(self.hear)

    async def __call__(self, socket: Socket) -> None:
        """Serves one socket to its end."""
        show_id = _show(socket.parameters("show").get("show"))
        login = await self._logins.log_in(socket)
        _demand_staff(login)
        if show_id is not None:
            await self._commands.partition_of(show_id)  # so that there is one
        with self._limits.of_customer(login.caller.user_id), self._logins.kept(login):
            async with self._events.followed():
                self._watched[socket] = show_id
                try:
                    if not socket.accepted:
                        await socket.accept()
                    await self._read(login)
                finally:
                    del self._watched[socket]

    def hear(self, heard: Heard) -> None:
        """Tells everybody who watches."""
        if not self._watched:
            return
        frame = text_frame(shown_event(heard.body))
        for socket, show_id in self._watched.items():
            if show_id is None or show_id == heard.show_id:
                socket.push(frame)

    async def _read(self, login: SocketLogin) -> None:
        """Takes renewals of the token until the socket ends; nothing else is to be said here."""
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
                login.socket.close(NOT_WANTED, "only messages of the type auth are taken here")
                return
            await self._logins.renew(login, message)
            _demand_staff(login)
            ref = message.ref


def _show(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_SHOW_ID):
        raise invalid(("show", "the number of a show is wanted"))
    return int(text)


def _demand_staff(login: SocketLogin) -> None:
    if not login.caller.staff:
        raise Problem("forbidden", "Live events are for staff: log in with a staff account.")

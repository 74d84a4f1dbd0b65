"""ASGI application of the live sockets: routing by path, check of origin and limits, and the close code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from gateway.http.client_address import ADDRESS_KEY
from gateway.http.errors import problem_for
from gateway.http.exchange import Receive, Scope, Send
from gateway.http.integers import read_integer
from gateway.http.origins import Origins
from gateway.http.problems import Problem
from gateway.limits.rate_limits import RateLimit
from gateway.live.socket_limits import SocketLimits
from gateway.live.sockets import Socket, close_code
from gateway.server.uvicorn_private import ClientDisconnected
from schemas.ids import MAX_SHOW_ID

Handler = Callable[[Socket], Awaitable[None]]
"""Accepts a socket and serves it to its end. A Problem raised before the socket is accepted rejects the handshake;
one raised later closes the socket with the code for it."""
ShowHandler = Callable[[Socket, int], Awaitable[None]]

_NORMAL = 1000


class LiveRoutes:
    """The sockets at ws://…/api/…/live. Each handler gets the socket before it is accepted.

    A handshake counts as a request of its client address (`rate`).
    """

    def __init__(
        self,
        *,
        show: ShowHandler,
        mine: Handler,
        events: Handler,
        origins: Origins,
        limits: SocketLimits,
        rate: RateLimit,
    ) -> None:
        self._show = show
        self._mine = mine
        self._events = events
        self._origins = origins
        self._limits = limits
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(scope, receive, send)
        try:
            await self._serve(socket, scope[ADDRESS_KEY])
        except ClientDisconnected:
            return
        except Exception as error:
            problem = problem_for(error, socket.request_id.decode(), "GET", socket.path)
            if not socket.accepted:
                await _refuse(socket, problem)
            else:
                socket.close(close_code(problem), problem.code)

    async def _serve(self, socket: Socket, address: str) -> None:
        self._rate.spend(address)
        handler = self._find(socket.path)
        if handler is None:
            raise Problem("not_found", "There is no live connection at this address: docs/api.md lists them.")
        self._origins.check(socket.headers)
        with self._limits.from_address(address):
            await handler(socket)
        if socket.accepted:
            socket.close(_NORMAL)

    def serves(self, path: str) -> bool:
        """Returns whether there is a live socket at this path."""
        return self._find(path) is not None

    def _find(self, path: str) -> Handler | None:
        match path.split("/"):
            case ["", "api", "shows", number, "live"]:
                if (show_id := read_integer(number, MAX_SHOW_ID)) is not None:
                    return partial(_of_show, self._show, show_id)
            case ["", "api", "me", "live"]:
                return self._mine
            case ["", "api", "events", "live"]:
                return self._events
        return None


def not_http() -> Problem:
    """Returns the problem of a plain HTTP request for the path of a live socket."""
    return Problem(
        "upgrade_required",
        "Open a WebSocket here: docs/api.md describes its messages.",
        headers=[(b"upgrade", b"websocket"), (b"connection", b"upgrade")],
    )


async def _of_show(handler: ShowHandler, show_id: int, socket: Socket) -> None:
    await handler(socket, show_id)


async def _refuse(socket: Socket, problem: Problem) -> None:
    try:
        await socket.refuse(problem)
    except ClientDisconnected:
        pass

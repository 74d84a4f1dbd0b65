"""The hot routes: found by their path before any framework is asked, each a plain ASGI handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from gateway.auth import Tokens
from gateway.bookings import BookingRoutes
from gateway.commands import Commands
from gateway.failures import problem_for
from gateway.http import Exchange, Receive, Scope, Send
from gateway.looking import LookRoutes
from gateway.problems import Problem
from gateway.seat_map import SeatMapRoutes
from schemas.ids import MAX_SHOW_ID, MAX_USER_ID

Handler = Callable[[Exchange], Awaitable[None]]
_Methods = dict[str, Handler]


class HotRoutes:
    """Booking, cancelling, polling, seat maps and bookings, in front of the framework."""

    def __init__(self, tokens: Tokens, commands: Commands, pool: Any) -> None:
        self._bookings = BookingRoutes(tokens, commands)
        self._looks = LookRoutes(tokens, commands, pool)
        self._seats = SeatMapRoutes(pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answers the request, if it is for one of these routes; says whether it was."""
        methods = self._find(scope["path"])
        if methods is None:
            return False
        exchange = Exchange(scope, receive, send)
        handler = methods.get("GET" if exchange.method == "HEAD" else exchange.method)
        try:
            if handler is None:
                allowed = ", ".join(methods)
                raise Problem(
                    "method_not_allowed", f"Use {allowed} here.", headers=[(b"allow", allowed.encode())]
                )
            await handler(exchange)
        except Exception as error:
            request_id = exchange.request_id.decode()
            await exchange.refuse(problem_for(error, request_id, exchange.method, scope["path"]))
        return True

    def _find(self, path: str) -> _Methods | None:
        parts = path.split("/")
        match parts:
            case ["", "api", "shows", number, "bookings"]:
                if (show_id := _number(number, MAX_SHOW_ID)) is not None:
                    return {"POST": partial(self._bookings.book, show_id=show_id)}
            case ["", "api", "shows", number, "holds"]:
                if (show_id := _number(number, MAX_SHOW_ID)) is not None:
                    return {"POST": partial(self._bookings.hold, show_id=show_id)}
            case ["", "api", "shows", number, "seats"]:
                if (show_id := _number(number, MAX_SHOW_ID)) is not None:
                    return {"GET": partial(self._seats.seats, show_id=show_id)}
            case ["", "api", "bookings", text, "confirm"]:
                if (booking_id := _uuid(text)) is not None:
                    return {"POST": partial(self._bookings.confirm, booking_id=booking_id)}
            case ["", "api", "bookings", text, "cancel"]:
                if (booking_id := _uuid(text)) is not None:
                    return {"POST": partial(self._bookings.cancel, booking_id=booking_id)}
            case ["", "api", "bookings", text]:
                if (booking_id := _uuid(text)) is not None:
                    return {
                        "GET": partial(self._looks.booking, booking_id=booking_id),
                        "DELETE": partial(self._bookings.cancel, booking_id=booking_id),
                    }
            case ["", "api", "me", "bookings"]:
                return {"GET": partial(self._looks.bookings_of, user_id=None)}
            case ["", "api", "users", number, "bookings"]:
                if (user_id := _number(number, MAX_USER_ID)) is not None:
                    return {"GET": partial(self._looks.bookings_of, user_id=user_id)}
            case ["", "api", "commands", position]:
                return {"GET": partial(self._looks.fate, position_text=position)}
        return None


def _number(text: str, largest: int) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 16 and 1 <= int(text) <= largest:
        return int(text)
    return None


def _uuid(text: str) -> UUID | None:
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None

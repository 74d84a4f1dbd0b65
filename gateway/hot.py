"""The hot routes: found by their path before any framework is asked, each a plain ASGI handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from gateway.accepting import check_accept
from gateway.auth import Tokens
from gateway.bookings import BookingRoutes
from gateway.catalogue.reading import CatalogueRoutes
from gateway.commands import Commands
from gateway.failures import problem_for
from gateway.http import Exchange, Receive, Scope, Send
from gateway.looking import LookRoutes
from gateway.methods import not_allowed
from gateway.seat_map import SeatMapRoutes
from gateway.seat_pictures import SeatPictures
from gateway.ticket_pdf import TicketRoutes
from schemas.ids import MAX_SHOW_ID, MAX_USER_ID

Handler = Callable[[Exchange], Awaitable[None]]
_JSON_TOO = (b"*/*", b"application/json")
_Methods = dict[str, Handler | None]
"""None: the framework has a handler for it."""


class HotRoutes:
    """Booking, cancelling, polling, seat maps, bookings and the catalogue, in front of the framework."""

    def __init__(
        self,
        tokens: Tokens,
        commands: Commands,
        pool: Any,
        catalogue: CatalogueRoutes,
        tickets: TicketRoutes,
        pictures: SeatPictures,
    ) -> None:
        self._catalogue = catalogue
        self._tickets = tickets
        self._bookings = BookingRoutes(tokens, commands)
        self._looks = LookRoutes(tokens, commands, pool, pictures)
        self._seats = SeatMapRoutes(pictures)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answers the request, if it is for one of these routes; says whether it was."""
        methods = self._find(scope["path"])
        if methods is None:
            return False
        exchange = Exchange(scope, receive, send)
        handler = methods.get("GET" if exchange.method == "HEAD" else exchange.method)
        if handler is None and exchange.method in methods:
            return False
        try:
            if handler is not None:
                accept = exchange.headers.get(b"accept", b"*/*")
                if accept not in _JSON_TOO and not scope["path"].endswith(".pdf"):
                    check_accept(accept.decode("latin-1"), "application/json")
                await handler(exchange)
            elif exchange.method == "OPTIONS":
                await exchange.answer_options(methods)
            else:
                raise not_allowed(methods)
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
            case ["", "api", "shows", number]:
                show = partial(self._catalogue.show, number=number)
                return {"GET": show, "PATCH": None}
            case ["", "api", "shows"]:
                return {"GET": self._catalogue.shows, "POST": None}
            case ["", "api", "movies"]:
                return {"GET": self._catalogue.movies, "POST": None}
            case ["", "api", "movies", number]:
                movie = partial(self._catalogue.movie, number=number)
                return {"GET": movie, "PATCH": None, "DELETE": None}
            case ["", "api", "movies", number, "shows"]:
                return {"GET": partial(self._catalogue.shows_of_movie, number=number)}
            case ["", "api", "bookings", text, "ticket.pdf"]:
                if (booking_id := _uuid(text)) is not None:
                    return {"GET": partial(self._tickets.ticket, booking_id=booking_id)}
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

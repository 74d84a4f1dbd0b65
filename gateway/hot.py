"""The hot routes: found by their path before any framework is asked, each answered by a handler of its own.

A handler is given a whole request. It answers at once, or keeps the exchange and answers later, or returns what is
to be awaited until it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from gateway.accepting import check_accept
from gateway.auth import Tokens
from gateway.bookings import BookingRoutes
from gateway.catalogue.reading import CatalogueRoutes
from gateway.commands import Commands
from gateway.failures import problem_for
from gateway.http import Exchange
from gateway.looking import LookRoutes
from gateway.methods import not_allowed
from gateway.problems import Refusal
from gateway.revocation import Revocations, RevocationsOutdated
from gateway.seat_map import SeatMapRoutes
from gateway.seat_pictures import SeatPictures
from gateway.site import FrontPage
from gateway.ticket_pdf import TicketRoutes
from schemas.ids import MAX_SHOW_ID, MAX_USER_ID

Handler = Callable[[Exchange], Coroutine[Any, Any, None] | None]
_JSON_TOO = (b"*/*", b"application/json")
_Methods = dict[str, Handler | None]
"""None: the framework has a handler for it."""


class HotRoute(NamedTuple):
    """What answers one method at one address."""

    handler: Handler
    json: bool
    """Whether it answers in JSON, which a client has to accept."""
    gate: Callable[[], Refusal | None] | None = None
    """Asked before a request is looked at: why it is turned away now, whatever it says."""


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
        revocations: Revocations,
        front_page: FrontPage,
    ) -> None:
        self._front_page = front_page
        self._revocations = revocations
        self._catalogue = catalogue
        self._tickets = tickets
        self._bookings = BookingRoutes(tokens, commands)
        self._refused_for_now = commands.refused_for_now
        self._looks = LookRoutes(tokens, commands, pool, pictures)
        self._seats = SeatMapRoutes(pictures)
        self._loop = asyncio.get_running_loop()
        self._under_way: set[asyncio.Task[None]] = set()

    def find(self, method: str, path: str) -> HotRoute | None:
        """The route of a request; None where the framework has to be asked, also for what is not done here.

        What nobody but us answers, wrong methods and OPTIONS included, is a route.
        """
        methods = self._methods_at(path)
        if methods is None:
            return None
        asked = "GET" if method == "HEAD" else method
        handler = methods.get(asked)
        if handler is not None:
            return HotRoute(
                handler, json=path != "/" and not path.endswith(".pdf"), gate=self._gate_of(handler)
            )
        if asked in methods:
            return None
        return HotRoute(partial(_tell_methods, methods), json=False)

    def take(self, route: HotRoute, exchange: Exchange) -> None:
        """Answers the exchange by its route, now or later."""
        if route.gate is not None and (refusal := route.gate()) is not None:
            exchange.refuse_so(refusal)
            return
        try:
            accept = exchange.headers.get(b"accept", b"*/*")
            if accept not in _JSON_TOO and route.json:
                check_accept(accept.decode("latin-1"), "application/json")
            rest = route.handler(exchange)
        except RevocationsOutdated:
            rest = self._verify_again(route, exchange)
        except Exception as error:
            refuse_for(error, exchange)
            return
        if rest is not None:
            task = self._loop.create_task(self._finish(rest, route, exchange))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _finish(self, rest: Coroutine[Any, Any, None], route: HotRoute, exchange: Exchange) -> None:
        try:
            try:
                await rest
            except RevocationsOutdated:
                await self._verify_again(route, exchange)
        except Exception as error:
            refuse_for(error, exchange)

    async def _verify_again(self, route: HotRoute, exchange: Exchange) -> None:
        """Has the handler begin anew once revoked tokens are known; handlers verify the token before anything else."""
        while True:
            await self._revocations.ensure_fresh()
            try:
                if (rest := route.handler(exchange)) is not None:
                    await rest
                return
            except RevocationsOutdated:
                continue

    def _gate_of(self, handler: Handler) -> Callable[[], Refusal | None] | None:
        """Wishes for seats are turned away while too many wait; whatever ends what was begun is not."""
        if isinstance(handler, partial) and handler.func in (self._bookings.book, self._bookings.hold):
            return partial(self._refused_for_now, handler.keywords["show_id"])
        return None

    def _methods_at(self, path: str) -> _Methods | None:
        parts = path.split("/")
        match parts:
            case ["", ""]:
                return {"GET": self._front_page}
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


def refuse_for(error: Exception, exchange: Exchange) -> None:
    """Tells the client of an error."""
    exchange.refuse(problem_for(error, exchange.request_id.decode(), exchange.method, exchange.path))


def _tell_methods(methods: _Methods, exchange: Exchange) -> None:
    if exchange.method != "OPTIONS":
        raise not_allowed(methods)
    exchange.answer_options(methods)


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

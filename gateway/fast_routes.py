"""The fast routes: one table of paths, methods, handlers, metric labels and admission control.

A fast route is found by its path before the framework is tried. Its handler gets a whole request: it responds at
once, keeps the exchange and responds later, or returns a coroutine that does. Other requests go to the framework.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from gateway.auth.access_tokens import Tokens
from gateway.auth.revocation import Revocations, RevocationsOutdated
from gateway.bookings.reads import ReadRoutes
from gateway.bookings.routes import BookingRoutes
from gateway.bookings.seat_requests import SeatRequests
from gateway.catalogue.reading import CatalogueRoutes
from gateway.commands.sender import CommandSender
from gateway.commands.tracing import RequestTracing
from gateway.http.errors import problem_for
from gateway.http.exchange import Exchange
from gateway.http.integers import read_integer
from gateway.http.methods import method_not_allowed
from gateway.http.negotiation import check_accept
from gateway.http.problems import EncodedProblem
from gateway.seat_maps.cache import SeatMapCache
from gateway.seat_maps.routes import SeatMapRoutes
from gateway.site.routes import Site
from gateway.tickets.routes import TicketRoutes
from schemas.ids import MAX_SHOW_ID, MAX_USER_ID

Handler = Callable[[Exchange], Coroutine[Any, Any, None] | None]

_ACCEPTS_JSON = (b"*/*", b"application/json")
_UUID_LENGTH = 36


class TableRow(NamedTuple):
    """One method of one path. The handler takes the exchange, and the path's parameter by its name."""

    method: str
    path: str
    """`/api/…` without a parameter, `/api/group/{parameter}` or `/api/group/{parameter}/action`."""
    handler: Callable[..., Coroutine[Any, Any, None] | None]
    label: str
    """The route label of its metrics."""
    json: bool = True
    """Whether the response is JSON, which the client has to accept."""
    admission: bool = False
    """Whether load shedding may reject it before it is parsed. Its parameter is a show."""


class FastRoute(NamedTuple):
    """The handler of one request, with the parameter of its path."""

    handler: Handler
    label: str
    json: bool
    rejection: Callable[[], EncodedProblem | None] | None = None
    """Returns the problem with which load shedding rejects the request now; None admits it."""


class _Path(NamedTuple):
    """The methods of one path. Those of `framework` are on the same path, but not fast."""

    parameter: str | None
    rows: dict[str, TableRow]
    framework: Sequence[str]


class FastRoutes:
    """Finds and runs the fast routes: bookings, seat maps, reads, catalogue, tickets and the site's pages."""

    def __init__(
        self,
        tokens: Tokens,
        commands: CommandSender,
        seat_requests: SeatRequests,
        pool: Any,
        catalogue: CatalogueRoutes,
        tickets: TicketRoutes,
        seat_maps: SeatMapCache,
        revocations: Revocations,
        site: Site,
        tracing: RequestTracing | None = None,
    ) -> None:
        bookings = BookingRoutes(tokens, commands, seat_requests, tracing)
        reads = ReadRoutes(tokens, commands, pool, seat_requests.remarks, seat_maps)
        seats = SeatMapRoutes(seat_maps)
        table = (
            TableRow("POST", "/api/shows/{show_id}/bookings", bookings.book, "book", admission=True),
            TableRow("POST", "/api/shows/{show_id}/holds", bookings.hold, "hold", admission=True),
            TableRow("POST", "/api/bookings/{booking_id}/confirm", bookings.confirm, "confirm"),
            TableRow("POST", "/api/bookings/{booking_id}/cancel", bookings.cancel, "cancel"),
            TableRow("POST", "/api/bookings/{booking_id}/extend", bookings.extend, "extend"),
            TableRow("POST", "/api/bookings/{booking_id}/seats", bookings.change_seats, "change_seats"),
            TableRow("POST", "/api/bookings/{booking_id}/swap", bookings.swap, "swap"),
            TableRow("GET", "/api/bookings/{booking_id}", reads.booking, "booking"),
            TableRow("DELETE", "/api/bookings/{booking_id}", bookings.cancel, "cancel"),
            TableRow("GET", "/api/bookings/{booking_id}/ticket.pdf", tickets.ticket, "ticket", json=False),
            TableRow("GET", "/api/bookings/{booking_id}/ticket.svg", tickets.code, "ticket", json=False),
            TableRow(
                "GET", "/api/bookings/{booking_id}/calendar.ics", tickets.calendar, "ticket", json=False
            ),
            TableRow("GET", "/api/commands/{position_text}", reads.command_status, "poll"),
            TableRow("GET", "/api/me/bookings", partial(reads.bookings_of, user_id=None), "bookings"),
            TableRow("GET", "/api/users/{user_id}/bookings", reads.bookings_of, "bookings"),
            TableRow("GET", "/api/shows/{show_id}/seats", seats.seats, "seat_map"),
            TableRow("GET", "/api/shows/{number}", catalogue.show, "catalogue"),
            TableRow("GET", "/api/shows", catalogue.shows, "catalogue"),
            TableRow("GET", "/api/movies", catalogue.movies, "catalogue"),
            TableRow("GET", "/api/movies/{number}", catalogue.movie, "catalogue"),
            TableRow("GET", "/api/movies/{number}/shows", catalogue.shows_of_movie, "catalogue"),
        )
        self._exact, self._with_parameter = _index(table)
        self._site = site
        self._overload_problem = commands.overload_problem
        self._revocations = revocations
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()

    def find(self, method: str, path: str) -> FastRoute | None:
        """The route of a request; None where the framework answers.

        On a path that only fast routes have, wrong methods and OPTIONS have a route as well.
        """
        value: Any = None
        found = self._exact.get(path)
        if found is None:
            parts = path.split("/")
            if len(parts) not in (4, 5) or parts[1] != "api" or parts[0]:
                return self._find_page(method, path)
            found = self._with_parameter.get((parts[2], parts[4] if len(parts) == 5 else ""))
            if found is None or (value := _PARAMETERS[found.parameter or ""](parts[3])) is None:
                return None
        effective = "GET" if method == "HEAD" else method
        row = found.rows.get(effective)
        if row is None:
            if effective in found.framework:
                return None
            first = next(iter(found.rows.values()))
            methods = (*found.rows, *found.framework)
            return FastRoute(partial(_respond_methods, methods), first.label, json=False)
        handler = row.handler if found.parameter is None else partial(row.handler, **{found.parameter: value})
        rejection = partial(self._overload_problem, value) if row.admission else None
        return FastRoute(handler, row.label, row.json, rejection)

    def _find_page(self, method: str, path: str) -> FastRoute | None:
        found = self._site.find(path)
        if found is None:
            return None
        handler = found.handler if method in ("GET", "HEAD") else partial(_respond_methods, ("GET",))
        return FastRoute(handler, found.label, json=False)

    def handle(self, route: FastRoute, exchange: Exchange) -> None:
        """Responds by the route, now or later. Raises nothing."""
        try:
            accept = exchange.headers.get(b"accept", b"*/*")
            if accept not in _ACCEPTS_JSON and route.json:
                check_accept(accept.decode("latin-1"), "application/json")
            rest = route.handler(exchange)
        except RevocationsOutdated:
            rest = self._verify_again(route, exchange)
        except Exception as error:
            respond_error(error, exchange)
            return
        if rest is not None:
            task = self._loop.create_task(self._finish(rest, route, exchange))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _finish(self, rest: Coroutine[Any, Any, None], route: FastRoute, exchange: Exchange) -> None:
        try:
            try:
                await rest
            except RevocationsOutdated:
                await self._verify_again(route, exchange)
        except Exception as error:
            respond_error(error, exchange)

    async def _verify_again(self, route: FastRoute, exchange: Exchange) -> None:
        """Runs the handler anew once revoked tokens are known. Handlers verify the token before anything else."""
        while True:
            await self._revocations.ensure_fresh()
            try:
                if (rest := route.handler(exchange)) is not None:
                    await rest
                return
            except RevocationsOutdated:
                continue


def respond_error(error: Exception, exchange: Exchange) -> None:
    """Responds with the problem of an error."""
    exchange.respond_problem(problem_for(error, exchange.request_id.decode(), exchange.method, exchange.path))


def _respond_methods(methods: Sequence[str], exchange: Exchange) -> None:
    if exchange.method != "OPTIONS":
        raise method_not_allowed(methods)
    exchange.respond_options(methods)


_FRAMEWORK_METHODS = {
    "/api/shows": ("POST",),
    "/api/shows/{number}": ("PATCH",),
    "/api/movies": ("POST",),
    "/api/movies/{number}": ("PATCH", "DELETE"),
}
"""Methods on paths of the table that the framework answers."""


def _index(table: Sequence[TableRow]) -> tuple[dict[str, _Path], dict[tuple[str, str], _Path]]:
    """The paths without a parameter, and those with one by their group and action."""
    exact: dict[str, _Path] = {}
    with_parameter: dict[tuple[str, str], _Path] = {}
    for row in table:
        framework = _FRAMEWORK_METHODS.get(row.path, ())
        if "{" not in row.path:
            path = exact.setdefault(row.path, _Path(None, {}, framework))
        else:
            _, api, group, parameter, *action = row.path.split("/")
            assert api == "api", row.path
            assert len(action) <= 1, row.path
            made = _Path(parameter[1:-1], {}, framework)
            path = with_parameter.setdefault((group, action[0] if action else ""), made)
        path.rows[row.method] = row
    return exact, with_parameter


def _uuid(text: str) -> UUID | None:
    if len(text) != _UUID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


_PARAMETERS: dict[str, Callable[[str], Any]] = {
    "show_id": lambda text: read_integer(text, MAX_SHOW_ID),
    "user_id": lambda text: read_integer(text, MAX_USER_ID),
    "booking_id": _uuid,
    "number": str,
    "position_text": str,
}
"""Reads a parameter by its name; None: no such path. Handlers read a `number` themselves."""

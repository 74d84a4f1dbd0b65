"""The table of fast routes: which request has which handler, label and admission control."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from gateway.fast_routes import FastRoutes
from gateway.http.exchange import Exchange
from gateway.http.problems import EncodedProblem
from gateway.site.assets import Assets
from gateway.site.routes import Site

BOOKING = "0198a6f0-7b1c-8000-8000-00000000000a"
OVERLOADED = EncodedProblem(503, (), b"{}")


@pytest.fixture
async def routes() -> FastRoutes:
    parts: Any = [mock.MagicMock() for _ in range(9)]
    parts[1].overload_problem.return_value = OVERLOADED
    parts[8] = Site(Assets({"js/a.js": b"a"}), {"/": mock.MagicMock()})
    return FastRoutes(*parts)


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("POST", "/api/shows/7/bookings", "book"),
        ("POST", "/api/shows/7/holds", "hold"),
        ("GET", "/api/shows/7/seats", "seat_map"),
        ("HEAD", "/api/shows/7/seats", "seat_map"),
        ("GET", "/api/shows/7", "catalogue"),
        ("GET", "/api/shows", "catalogue"),
        ("GET", "/api/movies/3/shows", "catalogue"),
        ("GET", f"/api/bookings/{BOOKING}", "booking"),
        ("DELETE", f"/api/bookings/{BOOKING}", "cancel"),
        ("POST", f"/api/bookings/{BOOKING}/cancel", "cancel"),
        ("POST", f"/api/bookings/{BOOKING}/confirm", "confirm"),
        ("POST", f"/api/bookings/{BOOKING}/extend", "extend"),
        ("POST", f"/api/bookings/{BOOKING}/seats", "change_seats"),
        ("POST", f"/api/bookings/{BOOKING}/swap", "swap"),
        ("GET", f"/api/bookings/{BOOKING}/ticket.pdf", "ticket"),
        ("GET", f"/api/bookings/{BOOKING}/ticket.svg", "ticket"),
        ("GET", f"/api/bookings/{BOOKING}/calendar.ics", "ticket"),
        ("GET", "/api/me/bookings", "bookings"),
        ("GET", "/api/users/3/bookings", "bookings"),
        ("GET", "/api/commands/3-1", "poll"),
        ("GET", "/", "page"),
    ],
)
async def test_a_request_has_the_route_of_its_row(
    routes: FastRoutes, method: str, path: str, label: str
) -> None:
    route = routes.find(method, path)
    assert route is not None
    assert route.label == label
    assert route.json == (label not in ("ticket", "page"))
    assert (route.rejection is not None) == (label in ("book", "hold"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/shows"),
        ("PATCH", "/api/shows/7"),
        ("DELETE", "/api/movies/7"),
        ("POST", "/api/shows/7/close"),
        ("POST", "/api/shows/0/bookings"),
        ("POST", "/api/shows/07x/bookings"),
        ("POST", "/api/shows/99999999999999999/bookings"),
        ("GET", "/api/bookings/0198"),
        ("GET", "/api/bookings"),
        ("GET", f"/api/bookings/{BOOKING}/ticket"),
        ("GET", "/api/me"),
        ("GET", "/api/users/3"),
        ("GET", "/api"),
        ("GET", "//api/shows"),
        ("GET", "/x/api/shows/7"),
        ("GET", "/api/shows/7/seats/"),
        ("GET", "*"),
    ],
)
async def test_other_requests_go_to_the_framework(routes: FastRoutes, method: str, path: str) -> None:
    assert routes.find(method, path) is None


async def test_admission_control_is_asked_for_the_show(routes: FastRoutes) -> None:
    route = routes.find("POST", "/api/shows/7/holds")
    assert route is not None
    assert route.rejection is not None
    assert route.rejection() is OVERLOADED
    overload_problem: Any = routes._overload_problem
    overload_problem.assert_called_once_with(7)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("OPTIONS", "/api/shows/7/bookings", b"POST, OPTIONS"),
        ("OPTIONS", "/api/movies/7", b"GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("GET", "/api/shows/7/bookings", b"POST, OPTIONS"),
        ("PUT", "/api/movies/7", b"GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("POST", "/", b"GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_gets_the_methods_of_the_path(
    routes: FastRoutes, method: str, path: str, allow: bytes
) -> None:
    route = routes.find(method, path)
    assert route is not None
    responses: list[tuple[int, list[tuple[bytes, bytes]], bytes]] = []
    exchange = Exchange(
        method=method,
        path=path,
        query=b"",
        headers={},
        body=b"",
        client=None,
        respond=lambda *response: responses.append(response),
    )
    routes.handle(route, exchange)
    ((status, headers, _),) = responses
    assert status == (204 if method == "OPTIONS" else 405)
    assert dict(headers)[b"allow"] == allow

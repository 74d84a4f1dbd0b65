"""Movies, shows, layouts and queries that are invalid: every invalid field is named."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from gateway.catalogue.large_bodies import LARGE, MAX_LARGE, MAX_OF_ACCOUNT
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import LAYOUT, MOVIE, a_show, add_movie, add_show, ids


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=3)
    async with serving(made) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


BAD_MOVIES: list[tuple[dict[str, Any], str]] = [
    ({"title": ""}, "title"),
    ({"title": "  "}, "title"),
    ({"title": "x" * 201}, "title"),
    ({"title": "a\nb"}, "title"),
    ({"title": "a\0b"}, "title"),
    ({"title": 5}, "title"),
    ({"duration_minutes": 0}, "duration_minutes"),
    ({"duration_minutes": 1441}, "duration_minutes"),
    ({"duration_minutes": 1.5}, "duration_minutes"),
    ({"duration_minutes": "100"}, "duration_minutes"),
    ({"duration_minutes": True}, "duration_minutes"),
    ({"description": "x" * 5001}, "description"),
    ({"description": "a\0b"}, "description"),
    ({"genres": "Drama"}, "genres"),
    ({"genres": ["x"] * 11}, "genres"),
    ({"genres": ["Drama", ""]}, "genres[1]"),
    ({"genres": [None]}, "genres[0]"),
    ({"language": "x" * 41}, "language"),
    ({"rating": "x" * 21}, "rating"),
    ({"poster_url": "javascript:alert(1)"}, "poster_url"),
    ({"poster_url": "//example.com/x"}, "poster_url"),
    ({"poster_url": "https://example.com/ x"}, "poster_url"),
    ({"id": 1}, "id"),
]
BAD_SHOWS: list[tuple[dict[str, Any], str]] = [
    ({"movie_id": 0}, "movie_id"),
    ({"movie_id": "1"}, "movie_id"),
    ({"movie_id": 2**31}, "movie_id"),
    ({"screen_name": ""}, "screen_name"),
    ({"screen_name": "x" * 61}, "screen_name"),
    ({"starts_at": "tomorrow"}, "starts_at"),
    ({"starts_at": "2098-06-01T20:00:00"}, "starts_at"),
    ({"starts_at": "2098-02-30T20:00:00Z"}, "starts_at"),
    ({"starts_at": "9999-12-31T23:59:59-12:00"}, "starts_at"),
    ({"starts_at": "0001-01-01T00:00:00+12:00"}, "starts_at"),
    ({"starts_at": 4054219200}, "starts_at"),
    ({"total_seats": 0}, "total_seats"),
    ({"total_seats": 100_001}, "total_seats"),
    ({"total_seats": None}, "total_seats"),
    ({"layout": LAYOUT}, "total_seats"),
    ({"seats_per_customer": 0}, "seats_per_customer"),
    ({"seats_per_customer": 10_001}, "seats_per_customer"),
    ({"price": {"amount": -1, "currency": "EUR"}}, "price.amount"),
    ({"price": {"amount": 1, "currency": "euro"}}, "price.currency"),
    ({"price": {"amount": 1, "currency": "EUR\n"}}, "price.currency"),
    ({"price": {"amount": 1, "currency": "ZZZ"}}, "price.currency"),
    ({"price": {"amount": 1, "currency": "XAU"}}, "price.currency"),
    ({"price": {"amount": 1, "currency": "HRK"}}, "price.currency"),
    ({"price": {"amount": 10**10, "currency": "EUR"}}, "price"),
    ({"price": 12}, "price"),
    ({"sales_start_at": "2098-06-01T20:00:00Z"}, "sales_start_at"),
    (
        {"sales_start_at": "2098-05-01T20:00:00Z", "sales_end_at": "2098-04-01T20:00:00Z"},
        "sales_end_at",
    ),
    ({"sales_end_at": "soon"}, "sales_end_at"),
    ({"timezone": "Berlin"}, "timezone"),
    ({"timezone": "../etc/passwd"}, "timezone"),
    ({"timezone": ""}, "timezone"),
    ({"status": "on_sale"}, "status"),
]


def _layout(**changes: Any) -> dict[str, Any]:
    section = {"name": "S", "price": {"amount": 1, "currency": "EUR"}, "rows": [{"name": "A", "seats": 2}]}
    return {"total_seats": None, "layout": {"sections": [section | changes]}}


def _two_sections(name: str = "T", row: str = "B", currency: str = "EUR") -> dict[str, Any]:
    body = _layout()
    rows = [{"name": row, "seats": 2}]
    body["layout"]["sections"].append(
        {"name": name, "price": {"amount": 1, "currency": currency}, "rows": rows}
    )
    return body


BAD_LAYOUTS: list[tuple[dict[str, Any], str]] = [
    ({"total_seats": None, "layout": {}}, "layout.sections"),
    ({"total_seats": None, "layout": []}, "layout"),
    ({"total_seats": None, "layout": {"sections": []}}, "layout.sections"),
    (_layout() | {"price": {"amount": 1, "currency": "EUR"}}, "price"),
    (_layout(colour="red"), "layout.sections[0].colour"),
    (_layout(name="x" * 61), "layout.sections[0].name"),
    (_layout(rows=[]), "layout.sections[0].rows"),
    (_layout(rows=[{"name": "A"}]), "layout.sections[0].rows[0].seats"),
    (_layout(rows=[{"name": "A", "seats": 0}]), "layout.sections[0].rows[0].seats"),
    (_layout(rows=[{"name": "A", "seats": []}]), "layout.sections[0].rows[0].seats"),
    (_layout(rows=[{"name": "A", "seats": ["A1", "A1"]}]), "layout.sections[0].rows[0].seats"),
    (
        _layout(rows=[{"name": "A", "seats": 2}, {"name": "B", "seats": ["A2"]}]),
        "layout.sections[0].rows[1].seats",
    ),
    (_layout(rows=[{"name": "A", "seats": 100_001}]), "layout.sections[0].rows[0].seats"),
    (_layout(rows=[{"name": "A", "seats": [" "]}]), "layout.sections[0].rows[0].seats"),
    (_layout(rows=[{"name": "A" * 16, "seats": 2}]), "layout.sections[0].rows[0].seats"),
    (_layout(price={"amount": -1, "currency": "EUR"}), "layout.sections[0].price.amount"),
    (_layout(price={"amount": 10**9 + 1, "currency": "EUR"}), "layout.sections[0].price.amount"),
    (_layout(price={"amount": 1, "currency": "eur"}), "layout.sections[0].price.currency"),
    (_layout(price={"amount": 1, "currency": "XTS"}), "layout.sections[0].price.currency"),
    (_two_sections(currency="ZZZ"), "layout.sections[1].price.currency"),
    (_two_sections(currency="USD"), "layout.sections[1].price.currency"),
    (_two_sections(name="S"), "layout.sections[1].name"),
    (_two_sections(row="A"), "layout.sections[1].rows[0].seats"),
    (_layout(rows=[{"name": "A", "seats": ["a\nb"]}]), "layout.sections[0].rows[0].seats"),
    (
        _layout(rows=[{"name": "A", "seats": 2, "aisles_after": [2]}]),
        "layout.sections[0].rows[0].aisles_after",
    ),
    (_layout(rows=[{"name": "A", "seats": 99_999}, {"name": "B", "seats": 2}]), "layout.sections[0].rows[1]"),
]


async def test_every_wrong_field_of_movies_and_shows_is_named(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    for path, good, bad in (
        ("/api/movies", MOVIE, BAD_MOVIES),
        ("/api/shows", a_show(movie), BAD_SHOWS + BAD_LAYOUTS),
    ):
        for changes, field in bad:
            body = {name: value for name, value in (good | changes).items() if value is not None}
            answer = await staff.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "validation"), (path, changes)
            assert field in [error["field"] for error in answer.json()["errors"]], (changes, answer.text)
    for changes, field in BAD_MOVIES:
        answer = await staff.patch(f"/api/movies/{movie}", json=changes)
        assert [error["field"] for error in answer.json().get("errors", [])] == [field], changes
    answer = await staff.post("/api/shows", json=a_show(movie + 1))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await staff.post("/api/shows", json=a_show(movie), headers={"Idempotency-Key": "k" * 129})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation")
    assert await ids(staff, "/api/shows") == []


async def test_a_layout_of_up_to_four_megabytes_is_accepted(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    rows = [{"name": f"R{r}", "seats": [f"row-{r}-seat-{s}" for s in range(100)]} for r in range(1000)]
    layout = {"sections": [{"name": "", "price": {"amount": 1, "currency": "EUR"}, "rows": rows}]}
    show = await add_show(staff, movie, total_seats=None, layout=layout)
    assert show["total_seats"] == 100_000
    for path in ("/api/shows", "/api/movies"):
        answer = await staff.post(
            path, content=b" " * (4 * 2**20 + 1), headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_large_bodies_are_bounded_in_all_and_of_an_account(server: Server) -> None:
    held: list[asyncio.StreamWriter] = []

    async def begin(user_id: int, framing: str) -> str:
        """Begins a request whose body does not come. Returns the first line of a response within half a second."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        held.append(writer)
        head = f"POST /api/movies HTTP/1.1\r\nHost: aisle\r\nAuthorization: Bearer {server.token(user_id, 'staff')}\r\n"
        writer.write(f"{head}{framing}\r\n\r\n".encode())
        with contextlib.suppress(TimeoutError):
            return (await asyncio.wait_for(reader.readline(), 0.5)).decode()[9:12]
        return ""

    async def add(user_id: int, description: str) -> int:
        async with server.client(user_id, "staff") as client:
            return (await client.post("/api/movies", json={**MOVIE, "description": description})).status_code

    size, chunks = f"Content-Length: {LARGE + 1}", "Transfer-Encoding: chunked"
    assert [await begin(1, size) for _ in range(MAX_OF_ACCOUNT)] == [""] * MAX_OF_ACCOUNT
    assert (await begin(1, size), await begin(1, chunks)) == ("429", "429")
    assert (await add(1, "x"), await add(1, "x" * LARGE)) == (201, 429)
    assert [await begin(2, chunks) for _ in range(MAX_LARGE - MAX_OF_ACCOUNT)] == [""] * MAX_OF_ACCOUNT
    assert (await begin(3, size), await add(3, "x")) == ("503", 201)
    for writer in held:
        writer.close()
    await asyncio.sleep(0.5)
    assert [await add(1, "x" * LARGE) for _ in range(MAX_LARGE + 1)] == [400] * (MAX_LARGE + 1)


async def test_invalid_queries_and_numbers_are_explained(server: Server, staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    lists = ["/api/movies", "/api/shows", f"/api/movies/{movie}/shows"]
    bad = ["limit=0", "limit=101", "limit=-1", "limit=ten", "limit=1.5", "limit=", "limit=1&limit=1", "cursor=",
           "cursor=x", "cursor=WzEsMl0x", "cursor=WyJcdTAwMDAiLDFd", "colour=red", "%ff=1"]  # fmt: skip
    queries = [f"{path}?{query}" for path in lists for query in bad]
    queries += [f"/api/movies?{query}" for query in ("search=%00", "search=%ff", "search=" + "x" * 101, "genre=%00",
                "on=today", "on=2026-02-30", "on=20261121", "on=2026-11-21T00:00:00Z", "movie=1")]  # fmt: skip
    queries += [f"/api/shows?{query}" for query in ("movie=0", "movie=x", "movie=2147483648", "available=perhaps",
                "from=now", "to=2026-02-30", "from=2026-11-21T09:00:00", "from=1234567890",
                "to=9999-12-31T23:59:59-12:00", "search=x")]  # fmt: skip
    for query in queries:
        answer = await staff.get(query)
        assert (answer.status_code, answer.json()["code"]) == (400, "validation"), query
        assert answer.json()["errors"], query
    for path in ("movies", "shows"):
        for number in ("0", "-1", "2147483648", "99999999999999999999", "x", "1.0", "%00", "1/nothing"):
            answer = await staff.get(f"/api/{path}/{number}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (path, number)
    assert (await staff.get("/api/movies/99/shows")).status_code == 404
    answer = await staff.get("/api/shows?limit=1&from=0001-01-01&to=9999-12-31")
    assert answer.status_code == 200

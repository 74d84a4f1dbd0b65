"""Movies and shows, over HTTP, with a real database, log and seat worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway import show_maker
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving

MOVIE = {
    "title": "Nächte",
    "duration_minutes": 100,
    "description": "Two\nlines.",
    "genres": ["Drama", "Mystery"],
    "language": "German",
    "rating": "12",
    "poster_url": "https://example.com/p.jpg",
}
LAYOUT: dict[str, Any] = {
    "sections": [
        {
            "name": "Stalls",
            "price": {"amount": 1200, "currency": "EUR"},
            "rows": [{"name": "A", "seats": 10, "aisles_after": [5]}, {"name": "B", "seats": ["B1", "Loge"]}],
        },
        {
            "name": "Balcony",
            "price": {"amount": 800, "currency": "EUR"},
            "rows": [{"name": "C", "seats": 3}],
        },
    ]
}
STARTS = datetime(2098, 6, 1, 20, tzinfo=UTC)


@pytest.fixture
def make_settings(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> Callable[..., Settings]:
    def make(**changes: Any) -> Settings:
        return settings(
            database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=3, **changes
        )

    return make


@pytest.fixture
async def server(make_settings: Callable[..., Settings]) -> AsyncIterator[Server]:
    async with serving(make_settings()) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


async def add_movie(staff: httpx.AsyncClient, **changes: Any) -> int:
    answer = await staff.post("/api/movies", json=MOVIE | changes)
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["id"]
    return number


def a_show(movie_id: int, **changes: Any) -> dict[str, Any]:
    wanted = {
        "movie_id": movie_id,
        "screen_name": "Hall 1",
        "starts_at": "2098-06-01T20:00:00Z",
        "total_seats": 50,
    }
    return {name: value for name, value in (wanted | changes).items() if value is not None}


async def add_show(staff: httpx.AsyncClient, movie_id: int, **changes: Any) -> dict[str, Any]:
    answer = await staff.post("/api/shows", json=a_show(movie_id, **changes))
    assert answer.status_code == 201, answer.text
    show: dict[str, Any] = answer.json()
    return show


async def ids(client: httpx.AsyncClient, path: str) -> list[int]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_a_movie_is_added_read_changed_and_deleted(server: Server, staff: httpx.AsyncClient) -> None:
    answer = await staff.post("/api/movies", json=MOVIE)
    movie = answer.json()
    path = f"/api/movies/{movie['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, path)
    assert movie == MOVIE | {"id": movie["id"]}
    async with server.client() as anybody:
        assert (await anybody.get(path)).json() == movie
    changed = await staff.patch(path, json={"title": "Tage", "genres": []})
    assert changed.json() == movie | {"title": "Tage", "genres": []}
    assert (await staff.patch(path, json={})).json() == changed.json()
    assert (await staff.delete(path)).status_code == 204
    for answer in (
        await staff.get(path),
        await staff.delete(path),
        await staff.patch(path, json={"rating": "6"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_only_staff_change_the_catalogue(server: Server, staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/api/movies", MOVIE),
        ("PATCH", f"/api/movies/{movie}", {"title": "x"}),
        ("DELETE", f"/api/movies/{movie}", None),
        ("POST", "/api/shows", a_show(movie)),
    ]
    for user, role, status, code in ((None, "", 401, "unauthenticated"), (2, "customer", 403, "forbidden")):
        async with server.client(user, role) as client:
            for method, path, body in calls:
                answer = await client.request(method, path, json=body)
                assert (answer.status_code, answer.json()["code"]) == (status, code), (method, path)


async def test_movies_are_searched_filtered_and_come_in_pages(staff: httpx.AsyncClient) -> None:
    made = [
        await add_movie(staff, title="b 100%", genres=["Comedy"], language="French", description="Sand"),
        await add_movie(staff, title="A", genres=["Comedy", "Drama"], language="French"),
        await add_movie(staff, title="a", genres=["Drama"], language="Hindi"),
        await add_movie(staff, title="Ärger", genres=[], language=""),
    ]
    b, upper, lower, umlaut = made
    assert await ids(staff, "/api/movies") == [upper, lower, b, umlaut]
    assert await ids(staff, "/api/movies?genre=comedy") == [upper, b]
    assert await ids(staff, "/api/movies?genre=com") == []
    assert await ids(staff, "/api/movies?language=french&genre=Drama") == [upper]
    assert await ids(staff, "/api/movies?search=0%25") == [b]
    assert await ids(staff, "/api/movies?search=sAND") == [b]
    assert await ids(staff, "/api/movies?search=%C3%84rg") == [umlaut]
    assert await ids(staff, "/api/movies?search=_") == []
    seen: list[int] = []
    query: dict[str, Any] | None = {"limit": 1}
    while query is not None:
        page = (await staff.get("/api/movies", params=query)).json()
        assert len(page["items"]) == 1
        seen += [item["id"] for item in page["items"]]
        query = page["next_cursor"] and query | {"cursor": page["next_cursor"]}
    assert seen == [upper, lower, b, umlaut]


async def test_a_show_is_on_sale_once_it_is_created(server: Server, staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    wanted = a_show(movie, price={"amount": 950, "currency": "EUR"}, timezone="Europe/Berlin")
    answer = await staff.post("/api/shows", json=wanted)
    show = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/shows/{show['id']}")
    assert show == {
        "id": show["id"],
        "movie": MOVIE | {"id": movie},
        "screen_name": "Hall 1",
        "starts_at": "2098-06-01T20:00:00.000Z",
        "timezone": "Europe/Berlin",
        "status": "on_sale",
        "total_seats": 50,
        "available_seats": 50,
        "seats_per_customer": 10,
        "prices": [{"section": "", "price": {"amount": 950, "currency": "EUR"}}],
        "sales_start_at": None,
        "sales_end_at": None,
    }
    async with server.client(5) as customer:
        assert (await customer.get(f"/api/shows/{show['id']}")).json() == show
        booked = await customer.post(f"/api/shows/{show['id']}/bookings", json={"seats": ["1", "50"]})
        assert booked.status_code == 201
        assert booked.json()["total"] == {"amount": 1900, "currency": "EUR"}
        assert (await customer.get(f"/api/shows/{show['id']}")).json()["available_seats"] == 48


async def test_a_show_with_a_layout_has_its_sections_prices_and_labels(staff: httpx.AsyncClient) -> None:
    show = await add_show(staff, await add_movie(staff), total_seats=None, layout=LAYOUT)
    assert show["total_seats"] == 15
    assert show["prices"] == [
        {"section": section["name"], "price": section["price"]} for section in LAYOUT["sections"]
    ]
    seats = (await staff.get(f"/api/shows/{show['id']}/seats")).json()
    assert [row["seats"][-1] for section in seats["sections"] for row in section["rows"]] == [
        "A10",
        "Loge",
        "C3",
    ]


async def test_equal_layouts_are_stored_once(server: Server, staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    answers = await asyncio.gather(
        *(staff.post("/api/shows", json=a_show(movie, total_seats=None, layout=LAYOUT)) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len(await server.sql("SELECT 1 FROM layouts")) == 1


async def test_a_show_goes_where_the_fewest_seats_are_on_sale(
    server: Server, staff: httpx.AsyncClient
) -> None:
    movie = await add_movie(staff)
    for total_seats in (100, 10, 10, 10, 10):
        await add_show(staff, movie, total_seats=total_seats)
    await asyncio.gather(*(staff.post("/api/shows", json=a_show(movie, total_seats=200)) for _ in range(2)))
    rows = await server.sql(
        "SELECT partition, sum(total_seats)::int AS seats FROM shows JOIN layouts USING (layout_id)"
        " GROUP BY partition ORDER BY partition"
    )
    assert [tuple(row) for row in rows] == [(0, 100), (1, 220), (2, 220)]


async def test_a_status_follows_the_writer_and_the_clock(server: Server, staff: httpx.AsyncClient) -> None:
    movie, now = await add_movie(staff), datetime.now(UTC)

    def at(**ahead: float) -> str:
        return (now + timedelta(**ahead)).isoformat()

    made = {
        "on_sale": await add_show(staff, movie, sales_start_at=at(hours=-1), sales_end_at=at(hours=1)),
        "scheduled": await add_show(staff, movie, sales_start_at=at(hours=1)),
        "closed": await add_show(staff, movie, sales_end_at=at(hours=-1)),
        "past": await add_show(staff, movie, starts_at=at(hours=-1)),
    }
    assert {name: show["status"] for name, show in made.items()} == {name: name for name in made}
    path = f"/api/shows/{made['on_sale']['id']}"
    for stored, shown in (("closed", "closed"), ("cancelled", "cancelled")):
        await server.sql(
            "UPDATE show_states SET status = $1 WHERE show_id = $2", stored, made["on_sale"]["id"]
        )
        assert (await staff.get(path)).json()["status"] == shown
    assert await ids(staff, "/api/shows?available=true") == []
    await server.sql("UPDATE show_states SET status = 'open'")
    assert await ids(staff, "/api/shows?available=true") == [made["on_sale"]["id"]]
    assert len(await ids(staff, "/api/shows?available=false")) == 3
    await server.sql("UPDATE show_states SET available = 0")
    assert await ids(staff, "/api/shows?available=true") == []


async def test_shows_are_found_by_movie_and_by_days_of_their_own_time_zone(staff: httpx.AsyncClient) -> None:
    movie, other = await add_movie(staff), await add_movie(staff, title="Other")
    kiritimati = (await add_show(staff, movie, timezone="Pacific/Kiritimati"))["id"]  # 2 June, 10:00
    utc = (await add_show(staff, movie))["id"]
    later = (await add_show(staff, other, starts_at="2098-06-03T00:30:00+02:00", timezone="Europe/Berlin"))[
        "id"
    ]
    assert await ids(staff, f"/api/movies/{movie}/shows") == [kiritimati, utc]
    assert await ids(staff, f"/api/shows?movie={other}") == [later]
    assert await ids(staff, "/api/shows?from=2098-06-02") == [kiritimati, later]
    assert await ids(staff, "/api/shows?to=2098-06-01") == [utc]
    assert await ids(staff, "/api/shows?from=2098-06-03&to=2098-06-03") == [later]
    assert await ids(staff, "/api/shows?from=2098-06-01T20:00:00Z&to=2098-06-02T22:30:00Z") == [
        kiritimati,
        utc,
    ]
    assert await ids(staff, "/api/shows?from=2098-06-01T22:00:00.001%2B02:00") == [later]
    assert await ids(staff, f"/api/movies/{movie}/shows?from=2098-06-02") == [kiritimati]
    assert await ids(staff, "/api/movies?on=2098-06-02") == [movie]
    assert await ids(staff, "/api/movies?on=2098-06-03") == [other]
    assert await ids(staff, "/api/movies?on=2098-06-04") == []
    first = (await staff.get("/api/shows?limit=2")).json()
    assert [item["id"] for item in first["items"]] == [kiritimati, utc]
    assert await ids(staff, f"/api/shows?limit=2&cursor={first['next_cursor']}") == [later]


async def test_a_movie_with_shows_stays(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    await add_show(staff, movie)
    answer = await staff.delete(f"/api/movies/{movie}")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")


async def test_the_same_key_and_request_make_one_show(server: Server, staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    headers = {"Idempotency-Key": "show-1"}
    answers = await asyncio.gather(
        *(staff.post("/api/shows", json=a_show(movie), headers=headers) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False, True, True, True]
    same = a_show(movie, starts_at="2098-06-01T22:00:00.000+02:00")
    assert (await staff.post("/api/shows", json=same, headers=headers)).status_code == 201, (
        "what is meant counts"
    )
    answer = await staff.post("/api/shows", json=a_show(movie, total_seats=51), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    async with server.client(2, "staff") as colleague:
        answer = await colleague.post("/api/shows", json=a_show(movie), headers=headers)
        assert "idempotency-replayed" not in answer.headers, "keys are each person's own"
    await server.sql("UPDATE shows SET created_at = now() - interval '49 hours'")
    answer = await staff.post("/api/shows", json=a_show(movie, total_seats=51), headers=headers)
    assert answer.status_code == 201, "after 48 hours a key is free again"


async def test_without_a_worker_a_show_is_pending_and_is_opened_by_whoever_comes(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    async with serving(settings, worker=False) as server, server.client(1, "staff") as staff:
        movie = await add_movie(staff)
        for prefer, applied in (("respond-async", "respond-async"), ("wait=1", "wait=1")):
            answer = await staff.post("/api/shows", json=a_show(movie), headers={"Prefer": prefer})
            body = answer.json()
            assert (answer.status_code, body["status"]) == (202, "pending")
            assert answer.headers["preference-applied"] == applied
            assert answer.headers["location"] == f"/api/commands/{body['command']}"
            assert answer.headers["retry-after"]
            assert (await staff.get(f"/api/shows/{body['show_id']}")).json()["status"] == "opening"
        ready = await staff.get("/health/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        assert ready.json()["missing"]
        # A gateway that stopped between the row and the log leaves a show that nobody was told to open.
        rows = await server.sql(
            "INSERT INTO shows (movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, partition,"
            " created_at) SELECT movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, 0,"
            " now() - interval '1 minute' FROM shows LIMIT 1 RETURNING show_id"
        )
    monkeypatch.setattr(show_maker, "_SWEEP_EVERY_S", 0.1)
    async with serving(settings) as server, server.client() as anybody, asyncio.timeout(10):
        path = f"/api/shows/{rows[0]['show_id']}"
        while (await anybody.get(path)).json()["status"] != "on_sale":
            pass
        while (await anybody.get("/health/ready")).status_code != 200:
            pass
        decisions = await server.sql("SELECT 1 FROM show_states")
        assert len(decisions) == 3


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


async def test_a_layout_of_megabytes_is_taken_and_more_than_four_are_not(staff: httpx.AsyncClient) -> None:
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


async def test_bad_queries_and_numbers_are_told_what_is_wrong(
    server: Server, staff: httpx.AsyncClient
) -> None:
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

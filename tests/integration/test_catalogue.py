"""Movies and shows, over HTTP, with a real database, log and seat worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.catalogue import show_maker
from ops.migrations import read_migrations
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import (
    LAYOUT,
    MOVIE,
    a_show,
    add_movie,
    add_show,
    ids,
    until_listed,
    until_shown,
)

_49_HOURS_MS = 49 * 3600 * 1000


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


async def test_a_list_carries_some_prices_of_a_show_with_many_sections(
    server: Server, staff: httpx.AsyncClient
) -> None:
    sections = [
        {
            "name": f"Box {n}",
            "price": {"amount": 100 * (n % 30), "currency": "EUR"},
            "rows": [{"name": str(n), "seats": [f"Box {n}"]}],
        }
        for n in range(3_000)
    ]
    show = await add_show(staff, await add_movie(staff), total_seats=None, layout={"sections": sections})
    assert len(show["prices"]) == 3_000
    (listed,) = (await staff.get("/api/shows")).json()["items"]
    assert listed["prices"] == show["prices"][:20], "the first section of each price"
    few = await add_show(staff, show["movie"]["id"], total_seats=None, layout=LAYOUT)
    page = (await staff.get("/api/shows")).json()["items"]
    assert few["prices"] in [item["prices"] for item in page]
    # The same from a layout that was stored before there was a column for it.
    upgrade = next(m for m in read_migrations() if m.number == 13).sql.partition("UPDATE")[2]
    await server.sql("UPDATE layouts SET listed_prices = NULL")
    await server.sql("UPDATE" + upgrade)
    rows = await server.sql("SELECT listed_prices FROM layouts WHERE total_seats = 3000")
    assert json.loads(rows[0]["listed_prices"]) == listed["prices"]


async def test_equal_layouts_are_stored_once(server: Server, staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    answers = await asyncio.gather(
        *(staff.post("/api/shows", json=a_show(movie, total_seats=None, layout=LAYOUT)) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len(await server.sql("SELECT 1 FROM layouts")) == 1


async def test_a_show_goes_to_the_partition_with_the_fewest_seats_on_sale(
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


async def test_a_movie_with_shows_cannot_be_deleted(staff: httpx.AsyncClient) -> None:
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


async def test_after_48_hours_a_key_makes_another_show(make_settings: Callable[..., Settings]) -> None:
    headers = {"Idempotency-Key": "show-1"}
    async with serving(make_settings()) as server, server.client(1, "staff") as staff:
        movie = await add_movie(staff)
        assert (await staff.post("/api/shows", json=a_show(movie), headers=headers)).status_code == 201
    await server.sql("UPDATE shows SET created_at = now() - interval '49 hours'")
    await server.sql("UPDATE command_ids SET at_ms = at_ms - $1", _49_HOURS_MS)
    await server.sql("UPDATE decisions SET at_ms = at_ms - $1", _49_HOURS_MS)
    async with serving(make_settings()) as server, server.client(1, "staff") as staff:
        answer = await staff.post("/api/shows", json=a_show(movie, total_seats=51), headers=headers)
        assert answer.status_code == 201, "a worker that has not seen the first one takes the key"
        assert len(await ids(staff, "/api/shows")) == 2


async def test_without_a_worker_a_show_is_pending_and_the_next_worker_opens_it(
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
        # A gateway that stopped between the row and the log leaves a show whose opening was not requested.
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


async def test_a_status_follows_the_seat_worker_and_the_clock(
    server: Server, staff: httpx.AsyncClient
) -> None:
    movie, now = await add_movie(staff), datetime.now(UTC)

    def at(**ahead: float) -> str:
        return (now + timedelta(**ahead)).isoformat()

    made = {
        "on_sale": await add_show(staff, movie, sales_start_at=at(hours=-1), sales_end_at=at(hours=1)),
        "scheduled": await add_show(staff, movie, sales_start_at=at(hours=1)),
        "closed": await add_show(staff, movie, sales_end_at=at(hours=-1)),
        "past": await add_show(staff, movie, starts_at=at(hours=-1), past=True),
    }
    assert {name: show["status"] for name, show in made.items()} == {name: name for name in made}
    on_sale = made["on_sale"]["id"]
    assert await ids(staff, "/api/shows?available=true") == [on_sale]
    assert len(await ids(staff, "/api/shows?available=false")) == 3
    for call, shown in (("close", "closed"), ("reopen", "on_sale"), ("cancel", "cancelled")):
        assert (await staff.post(f"/api/shows/{on_sale}/{call}")).json()["status"] == shown
        assert (await staff.get(f"/api/shows/{on_sale}")).json()["status"] == shown
        assert await ids(staff, "/api/shows?available=true") == ([on_sale] if shown == "on_sale" else [])


async def test_a_sold_out_show_is_not_available(server: Server, staff: httpx.AsyncClient) -> None:
    show = await add_show(staff, await add_movie(staff), total_seats=1)
    path = "/api/shows?available=true"
    assert await ids(staff, path) == [show["id"]]
    async with server.client(5) as customer:
        booked = await customer.post(f"/api/shows/{show['id']}/bookings", json={"seats": ["1"]})
        assert booked.status_code == 201
        assert (await customer.get(f"/api/shows/{show['id']}")).json()["available_seats"] == 0
    await until_listed(staff, path, [])


async def test_a_status_changes_when_its_time_has_come(server: Server, staff: httpx.AsyncClient) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    show = await add_show(staff, await add_movie(staff), sales_start_at=soon)
    path = f"/api/shows/{show['id']}"
    assert (await staff.get(path)).json()["status"] == "scheduled"
    await until_shown(staff, path, status="on_sale")
    await until_listed(staff, "/api/shows?available=true", [show["id"]])

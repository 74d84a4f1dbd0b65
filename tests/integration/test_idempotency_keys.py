"""Idempotency-Keys: one space per account for commands, one per account and route for other calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from gateway.catalogue import show_maker
from runtime.settings import Settings
from schemas.ids import keyed_command_id
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import live
from tests.integration.programme import MOVIE, a_show, add_movie, add_show, ids


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


def outcome(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json().get("code")


REUSED = (422, "key_reused")


async def test_the_key_of_a_new_show_is_refused_for_other_requests(
    server: Server, staff: httpx.AsyncClient
) -> None:
    movie, key = await add_movie(staff), {"Idempotency-Key": "k"}
    made = await staff.post("/api/shows", json=a_show(movie), headers=key)
    show = f"/api/shows/{made.json()['id']}"
    calls: list[tuple[str, Any]] = [
        ("POST /bookings", {"seats": ["1"]}),
        ("POST /holds", {"seats": ["1"]}),
        ("POST /close", None),
        ("POST /block", {"seats": ["1"]}),
        ("PATCH ", {"screen_name": "Hall 2"}),
    ]
    for call, body in calls:
        method, path = call.split(" ")
        assert outcome(await staff.request(method, show + path, json=body, headers=key)) == REUSED, call
    async with live(server, user_id=1, role="staff") as socket:
        refused = await socket.ask(type="book", ref="a", show_id=made.json()["id"], seats=["1"], key="k")
        assert refused["problem"]["code"] == "key_reused"
    again = await staff.post("/api/shows", json=a_show(movie), headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (made.json(), "true")


async def test_the_key_of_a_booking_or_a_change_is_refused_for_a_show(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    show = f"/api/shows/{(await add_show(staff, movie))['id']}"
    calls = {
        "a": ("POST", "/bookings", {"seats": ["1"]}, 201),
        "b": ("POST", "/bookings", {"seats": ["1"]}, 409),
        "c": ("POST", "/close", None, 200),
        "d": ("PATCH", "", {"screen_name": "Hall 2"}, 200),
    }
    for key, (method, path, body, status) in calls.items():
        headers = {"Idempotency-Key": key}
        assert (await staff.request(method, show + path, json=body, headers=headers)).status_code == status
        assert outcome(await staff.post("/api/shows", json=a_show(movie), headers=headers)) == REUSED
        repeat = await staff.request(method, show + path, json=body, headers=headers)
        assert (repeat.status_code, repeat.headers["idempotency-replayed"]) == (status, "true")
    async with asyncio.timeout(20):
        assert len(await ids(staff, "/api/shows")) == 1


async def test_of_a_concurrent_show_and_booking_with_one_key_one_succeeds(
    server: Server, staff: httpx.AsyncClient
) -> None:
    movie = await add_movie(staff)
    show = f"/api/shows/{(await add_show(staff, movie, seats_per_customer=100))['id']}"
    for n in range(12):
        headers = {"Idempotency-Key": f"both-{n}"}
        answers = await asyncio.gather(
            staff.post("/api/shows", json=a_show(movie), headers=headers),
            staff.post(f"{show}/bookings", json={"quantity": 1, "user_id": None}, headers=headers),
        )
        assert sorted(answer.status_code for answer in answers) == [201, 422]
    states = await server.sql(
        "SELECT count(*) AS n FROM shows s WHERE s.show_id NOT IN (SELECT show_id FROM show_states)"
    )
    assert states[0]["n"] == 0, "no show is left that is never opened"


async def test_an_unopened_show_whose_key_was_used_is_removed(
    server: Server, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie, key = await add_movie(staff), {"Idempotency-Key": "used"}
    show = await add_show(staff, movie)
    assert (await staff.post(f"/api/shows/{show['id']}/close", headers=key)).status_code == 200
    # The state after a gateway was killed between the row and the decision.
    await server.sql(
        "INSERT INTO shows (movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, partition,"
        " created_at, request_id, request_digest) SELECT movie_id, screen_name, starts_at, timezone, layout_id,"
        " seats_per_customer, partition, now() - interval '1 minute', $1, '' FROM shows LIMIT 1",
        keyed_command_id(1, "used"),
    )
    monkeypatch.setattr(show_maker, "_SWEEP_EVERY_S", 0.05)
    for _ in range(400):
        if len(await server.sql("SELECT 1 FROM shows")) == 1:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the show is still there")


async def test_a_repeat_after_a_change_of_the_show_returns_the_show(staff: httpx.AsyncClient) -> None:
    movie, key = await add_movie(staff), {"Idempotency-Key": "k"}
    made = await staff.post("/api/shows", json=a_show(movie), headers=key)
    path = f"/api/shows/{made.json()['id']}"
    change = {"starts_at": "2098-07-01T20:00:00Z", "seats_per_customer": 3}
    assert (await staff.patch(path, json=change)).status_code == 200
    again = await staff.post("/api/shows", json=a_show(movie), headers=key)
    assert (again.status_code, again.json()["id"]) == (201, made.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_movie_is_created_once_for_a_key(server: Server, staff: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "m-1"}
    answers = await asyncio.gather(*(staff.post("/api/movies", json=MOVIE, headers=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False] + [True] * 4
    first = answers[0].json()
    assert {answer.headers["location"] for answer in answers} == {f"/api/movies/{first['id']}"}
    assert (await staff.patch(f"/api/movies/{first['id']}", json={"title": "Tage"})).status_code == 200
    spaced = {"content": " " + answers[0].request.content.decode().replace(",", " , "), "headers": key}
    again = await staff.post("/api/movies", **spaced)  # type: ignore[arg-type]
    assert (again.status_code, again.json()) == (201, first), (
        "as it was then, whatever the bytes of the request"
    )
    assert outcome(await staff.post("/api/movies", json=MOVIE | {"title": "x"}, headers=key)) == REUSED
    async with server.client(2, "staff") as colleague:
        other = await colleague.post("/api/movies", json=MOVIE, headers=key)
        assert other.json()["id"] != first["id"], "keys are each account's own"
    assert len(await ids(staff, "/api/movies")) == 2
    await server.sql("UPDATE stored_answers SET created_at = now() - interval '49 hours'")
    later = await staff.post("/api/movies", json=MOVIE | {"title": "x"}, headers=key)
    assert (later.status_code, "idempotency-replayed" in later.headers) == (201, False)


async def test_keys_of_movies_and_shows_are_separate(staff: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "same"}
    movie = (await staff.post("/api/movies", json=MOVIE, headers=key)).json()["id"]
    assert (await staff.post("/api/shows", json=a_show(movie), headers=key)).status_code == 201
    assert (await staff.post("/api/movies", json=MOVIE, headers=key)).json()["id"] == movie


async def test_a_refused_movie_stores_nothing_under_its_key(server: Server, staff: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "r"}
    assert outcome(await staff.post("/api/movies", json={"title": ""}, headers=key)) == (400, "validation")
    async with server.client(7) as customer:
        refused = await customer.post("/api/movies", json=MOVIE, headers=key)
        assert outcome(refused) == (403, "forbidden")
    for bad in ("", "k" * 129, "a b"):
        answer = await staff.post("/api/movies", json=MOVIE, headers={"Idempotency-Key": bad})
        assert outcome(answer) == (400, "validation"), bad
    assert (await staff.post("/api/movies", json=MOVIE, headers=key)).status_code == 201

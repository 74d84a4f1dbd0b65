"""The response cache of the catalogue: entity tags, and changes that reach every gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import MOVIE, add_movie, add_show, ids, until_listed, until_shown


@pytest.fixture
async def gateways(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[tuple[Server, Server]]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as one, serving(made, worker=False) as other:
        yield one, other


@pytest.fixture
async def staff(gateways: tuple[Server, Server]) -> AsyncIterator[httpx.AsyncClient]:
    async with gateways[0].client(1, "staff") as client:
        yield client


@pytest.fixture
async def elsewhere(gateways: tuple[Server, Server]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the other gateway."""
    async with gateways[1].client() as client:
        yield client


async def test_every_change_is_seen_at_once_here_and_soon_on_the_other_gateway(
    staff: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    assert await ids(elsewhere, "/api/movies") == []
    movie = await add_movie(staff)
    path = f"/api/movies/{movie}"
    assert await ids(staff, "/api/movies") == [movie]
    await until_listed(elsewhere, "/api/movies", [movie])
    assert (await elsewhere.get(path)).json()["title"] == MOVIE["title"]
    await staff.patch(path, json={"title": "Tage"})
    assert (await staff.get(path)).json()["title"] == "Tage"
    await until_shown(elsewhere, path, title="Tage")
    await until_listed(elsewhere, "/api/movies?search=tag", [movie])

    show = await add_show(staff, movie)
    at = f"/api/shows/{show['id']}"
    assert await ids(staff, "/api/shows") == [show["id"]]
    await until_listed(elsewhere, "/api/shows?available=true", [show["id"]])
    assert (await elsewhere.get(at)).json() == show
    assert (await staff.post(f"{at}/bookings", json={"seats": ["1", "2"]})).status_code == 201
    assert (await staff.get(at)).json()["available_seats"] == 48
    await until_shown(elsewhere, at, available_seats=48)
    await staff.patch(at, json={"screen_name": "Hall 2"})
    await until_shown(elsewhere, at, screen_name="Hall 2")
    await staff.patch(path, json={"title": "Nacht"})
    assert (await staff.get(at)).json()["movie"]["title"] == "Nacht"
    await until_shown(elsewhere, at, movie=(await staff.get(path)).json())
    await until_listed(elsewhere, "/api/movies?on=2098-06-01", [movie])
    await staff.post(f"{at}/cancel")
    assert await ids(staff, "/api/movies?on=2098-06-01") == []
    await until_listed(elsewhere, "/api/movies?on=2098-06-01", [])
    await until_listed(elsewhere, "/api/shows?available=true", [])


async def test_direct_database_changes_are_seen_too(
    gateways: tuple[Server, Server], elsewhere: httpx.AsyncClient
) -> None:
    assert await ids(elsewhere, "/api/movies") == []
    await gateways[0].sql("INSERT INTO movies (title, duration_minutes) VALUES ('Ours', 90)")
    await until_listed(elsewhere, "/api/movies", [1])
    await gateways[0].sql("DELETE FROM movies")
    await until_listed(elsewhere, "/api/movies", [])


async def test_a_fresh_response_is_answered_with_304(
    staff: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    movie = await add_movie(staff)
    show = await add_show(staff, movie)
    for path in (
        "/api/movies?search=n",
        f"/api/movies/{movie}",
        f"/api/movies/{movie}/shows",
        "/api/shows?available=true",
        f"/api/shows/{show['id']}",
    ):
        answer = await staff.get(path)
        etag = answer.headers["etag"]
        assert answer.headers["cache-control"] == "public, no-cache", path
        for given in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            again = await staff.get(path, headers={"If-None-Match": given})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag), (
                path,
                given,
            )
        assert (await staff.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
        head = await staff.head(path, headers={"If-None-Match": '"other"'})
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
        assert head.headers["content-length"] == str(len(answer.content))
        await until_shown(elsewhere, path, **answer.json())
        assert (await elsewhere.get(path)).headers["etag"] == etag, "the same bytes, the same tag everywhere"
        await staff.patch(f"/api/movies/{movie}", json={"rating": path[-20:]})
        changed = await staff.get(path, headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != etag
        await staff.patch(f"/api/movies/{movie}", json={"rating": MOVIE["rating"]})
        assert (await staff.get(path, headers={"If-None-Match": etag})).status_code == 304, "as it was before"


async def test_reading_takes_json_and_its_own_methods_only(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    for path, allowed in (
        ("/api/movies", "GET, HEAD, POST, OPTIONS"),
        (f"/api/movies/{movie}", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        (f"/api/movies/{movie}/shows", "GET, HEAD, OPTIONS"),
        ("/api/shows", "GET, HEAD, POST, OPTIONS"),
        ("/api/shows/1", "GET, HEAD, PATCH, OPTIONS"),
    ):
        answer = await staff.put(path, json={})
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        answer = await staff.get(path, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
        for accept in ("application/*", "text/html, */*;q=0.1", "application/json;q=0.5"):
            assert (await staff.get(path, headers={"Accept": accept})).status_code in (200, 404)

"""Finding movies and shows: searches, filters, pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import add_movie, add_show, ids


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


async def test_a_search_finds_a_part_whatever_its_case_and_accents(staff: httpx.AsyncClient) -> None:
    made = {
        "amelie": await add_movie(staff, title="Le Fabuleux Destin d'Amélie Poulain", language="Français"),
        "weiss": await add_movie(staff, title="Das weiße Band", genres=["Comédie"], description=""),
        "smorgas": await add_movie(staff, title="Smørgåsbord", description="Œuvre"),
        "devanagari": await add_movie(staff, title="बारिश", description=""),
        "istanbul": await add_movie(staff, title="İstanbul", description=""),
        "decomposed": await add_movie(staff, title="Cafe\u0301", description=""),
    }
    for search, found in (
        ("AMELIE", "amelie"),
        ("amélie p", "amelie"),
        ("Ame\u0301lie", "amelie"),
        ("WEISSE", "weiss"),
        ("weiße", "weiss"),
        ("smorgasBORD", "smorgas"),
        ("oeuvre", "smorgas"),
        ("रिश", "devanagari"),
        ("istanbul", "istanbul"),
        ("café", "decomposed"),
    ):
        answer = await staff.get("/api/movies", params={"search": search})
        assert [item["id"] for item in answer.json()["items"]] == [made[found]], search
    assert await ids(staff, "/api/movies?search=बरश") == [], "marks that are letters count"
    assert await ids(staff, "/api/movies?genre=comedie") == [made["weiss"]]
    assert await ids(staff, "/api/movies?language=FRANCAIS") == [made["amelie"]]


async def test_paging_neither_repeats_nor_skips_entries_when_others_are_added(
    staff: httpx.AsyncClient,
) -> None:
    movies = {await add_movie(staff, title=f"m{number:02}") for number in range(9)}
    movie = min(movies)
    shows = {
        (await add_show(staff, movie, starts_at=f"2098-06-{day:02}T20:00:00Z"))["id"] for day in range(1, 10)
    }

    async def another(number: int) -> None:
        await add_movie(staff, title=f"m{number:02} and a half")
        await add_movie(staff, title="a" * number)
        await add_show(staff, movie, starts_at=f"2098-06-{number:02}T21:00:00Z")
        await add_show(staff, movie, starts_at=f"2098-05-{number:02}T21:00:00Z")

    for path, before in (
        ("/api/movies", movies),
        ("/api/shows", shows),
        (f"/api/movies/{movie}/shows", shows),
    ):
        seen: list[int] = []
        cursor: str | None = ""
        number = 1
        while cursor is not None:
            page = (
                await staff.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
            ).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if number < 6:
                await another(number)
            number += 1
        assert len(seen) == len(set(seen)), path
        assert before <= set(seen), path

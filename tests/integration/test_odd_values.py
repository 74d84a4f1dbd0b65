"""Odd values in requests: rejected with 400, or shown everywhere they appear."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from schemas.currencies import MINOR_DIGITS
from schemas.zones import portable_zones
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import MOVIE, a_show, add_movie

ODD_TEXT = [
    "A",
    "\u0085",
    "\u2028\u2029",
    "\ufeff=1+1",
    "\u202eabc",
    "a\u200bb",
    "e" + "\u0301" * 50,
    "\ufdfa" * 40,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0010ffff\uffff\ufffe",
    "\ue000\U000e0001",
    "İıßſΣς",
    "<script>&amp;'\"`{{7*7}}#$@",
    "%s%d\\N{x}\\",
    "\u0e33\u0600\u061c",
    "𝕬" * 40,
    "'; DROP TABLE movies; --",
    "null",
    "-1",
]
DAYS = ("0001-01-01", "1990-01-01", "2027-10-31", "2199-12-31", "9999-12-31")
STARTS = (
    "1990-01-01T00:00:00Z",
    "1990-01-01T14:00:00+14:00",
    "2027-03-28T01:00:00Z",
    "2027-10-31T00:30:00.999999999Z",
    "2199-12-31T23:59:59.999Z",
    "2199-12-31T00:00:00-23:59",
    "2200-01-01T00:00:00Z",
    "1989-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
)


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2, rate_limits=False
    )
    async with serving(made) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


def odd_text(chance: random.Random) -> str:
    """One to three odd pieces of text."""
    return "".join(chance.choices(ODD_TEXT, k=chance.randint(1, 3)))


def accepted(response: httpx.Response) -> bool:
    """True if a request was accepted; otherwise it was rejected as invalid."""
    if response.status_code in (200, 201):
        return True
    assert (response.status_code, response.json()["code"]) == (400, "validation"), response.text
    return False


async def every_page_of(client: httpx.AsyncClient, path: str, **query: Any) -> int:
    """Reads every page of a list; returns the number of its items."""
    count, cursor = 0, None
    while True:
        given = query | ({"cursor": cursor} if cursor else {})
        response = await client.get(path, params={"limit": 3} | given)
        assert response.status_code == 200, (path, given, response.text)
        count += len(response.json()["items"])
        cursor = response.json()["next_cursor"]
        if cursor is None:
            return count


async def look_everywhere(staff: httpx.AsyncClient, movies: Sequence[int], shows: Sequence[int]) -> None:
    """Reads every list, page and report that contains these movies and shows."""
    assert (await staff.get("/")).status_code == 200
    assert await every_page_of(staff, "/api/movies") == len(movies)
    assert await every_page_of(staff, "/api/shows") == len(shows)
    for movie in movies:
        await every_page_of(staff, f"/api/movies/{movie}/shows")
        found = (await staff.get(f"/api/movies/{movie}")).json()
        given = {"search": found["title"][:100], "language": found["language"] or "x"}
        if found["genres"]:
            given["genre"] = found["genres"][0]
        if all(ord(c) >= 32 for c in "".join(given.values())):
            await every_page_of(staff, "/api/movies", **given)
    for show in shows:
        for path in ("", "/seats", "/notes"):
            assert (await staff.get(f"/api/shows/{show}{path}")).status_code == 200
    for day in DAYS:
        await every_page_of(staff, "/api/movies", on=day)
        await every_page_of(staff, "/api/shows", **{"from": day})
        await every_page_of(staff, "/api/shows", to=day)
    reports = [
        f"{name}?by={by}" for name in ("sales", "cancellations") for by in ("day", "movie", "show", "screen")
    ]
    for report in (*reports, "customers?", "occupancy?"):
        path, _, by = report.partition("?")
        await every_page_of(staff, f"/api/reports/{path}", **dict([by.split("=")] if by else []))
        for day in DAYS:
            for end in ("from", "to"):
                response = await staff.get(
                    f"/api/reports/{report}&{end}={day}", headers={"Accept": "text/csv"}
                )
                assert response.status_code == 200, (report, day, response.text)


@pytest.mark.parametrize("seed", range(2))
async def test_every_accepted_value_is_shown(server: Server, staff: httpx.AsyncClient, seed: int) -> None:
    chance = random.Random(seed)
    movies = [await add_movie(staff)]
    for title in ODD_TEXT:
        body = MOVIE | {
            "title": title,
            "duration_minutes": chance.choice((1, 1440)),
            "description": odd_text(chance),
            "genres": [odd_text(chance)[:40] for _ in range(chance.randint(0, 10))],
            "language": odd_text(chance)[:40],
            "rating": odd_text(chance)[:20],
            "poster_url": chance.choice(
                ("", "/p?é=1#x", "https://[", "http://ex ample/", "//x/y", "https://é.example/\u202e")
            ),
        }
        response = await staff.post("/api/movies", json=body)
        if accepted(response):
            movies.append(response.json()["id"])
        accepted(
            await staff.patch(
                f"/api/movies/{movies[0]}",
                json={"title": (odd_text(chance) + title)[:200], "genres": [odd_text(chance)[:40]]},
            )
        )
    shows = []
    zones, currencies = sorted(portable_zones()), sorted(MINOR_DIGITS)
    for number, starts_at in enumerate(STARTS * 2):
        body = a_show(
            chance.choice(movies),
            screen_name=odd_text(chance)[:60],
            starts_at=starts_at,
            timezone=chance.choice(zones),
            total_seats=chance.choice((1, 3, 20_000)),
            price={
                "amount": chance.choice((0, 1, 10**9)),
                "currency": chance.choice((*currencies, "XAU", "ZZZ")),
            },
            seats_per_customer=chance.choice((1, 10_000)),
            sales_start_at=chance.choice((None, None, "1990-01-01T00:00:00Z", starts_at)),
            past=True if number % 2 else None,
        )
        response = await staff.post("/api/shows", json=body)
        if not accepted(response):
            response = await staff.post(
                "/api/shows", json={k: v for k, v in body.items() if k not in ("past", "sales_start_at")}
            )
        if response.status_code == 201:
            shows.append(response.json()["id"])
    assert shows
    for user_id, name in enumerate(ODD_TEXT, 100):
        await server.sql(
            "INSERT INTO users (user_id, username, email, name, language) VALUES ($1, $2, $3, $4, $5)",
            user_id, f"u{user_id}", f"u{user_id}@example.org", name, chance.choice(("en", "zz", "th-TH", "ar", "C")),
        )  # fmt: skip
    booked = 0
    for show in shows:
        accepted(
            await staff.patch(
                f"/api/shows/{show}",
                json={"screen_name": odd_text(chance)[:60], "timezone": chance.choice(zones)},
            )
        )
        user_id = 100 + chance.randrange(len(ODD_TEXT))
        async with server.client(user_id) as customer:
            response = await customer.post(f"/api/shows/{show}/bookings", json={"quantity": 1})
            assert response.status_code in (201, 409), response.text
            if response.status_code == 201:
                booked += 1
                booking = f"/api/bookings/{response.json()['id']}"
                assert (await customer.get(booking)).status_code == 200
                assert (await customer.get(f"{booking}/ticket.pdf")).status_code == 200
                if chance.random() < 0.5:
                    assert (await customer.post(f"{booking}/cancel")).status_code == 200
        note = await staff.post(f"/api/shows/{show}/block", json={"seats": ["1"], "note": odd_text(chance)})
        assert note.status_code in (200, 400, 409), note.text
    assert booked
    await look_everywhere(staff, movies, shows)


@pytest.mark.parametrize(
    "value",
    [r'"\ud800"', r'"a\udc00b"', r'"\u0000"', "1e400", "-1", "NaN", "99999999999999999999", "[[]]", "true"],
)
async def test_values_that_no_column_accepts_are_rejected(staff: httpx.AsyncClient, value: str) -> None:
    movie = await add_movie(staff)
    show = (await staff.post("/api/shows", json=a_show(movie))).json()["id"]
    bodies = [
        ("POST", "/api/movies", MOVIE),
        ("PATCH", f"/api/movies/{movie}", MOVIE),
        ("POST", "/api/shows", a_show(movie, timezone="UTC", price={"amount": 1, "currency": "EUR"})),
        (
            "PATCH",
            f"/api/shows/{show}",
            {"screen_name": "H", "timezone": "UTC", "starts_at": "2098-01-01T00:00:00Z"},
        ),
        ("POST", f"/api/shows/{show}/block", {"seats": ["1"], "note": "n"}),
        ("POST", f"/api/shows/{show}/bookings", {"seats": ["1"], "user_id": 5}),
    ]
    for method, path, body in bodies:
        for field in body:
            parts = [
                f"{json.dumps(name)}: {value if name == field else json.dumps(body[name])}" for name in body
            ]
            response = await staff.request(
                method,
                path,
                content="{" + ", ".join(parts) + "}",
                headers={"Content-Type": "application/json"},
            )
            assert response.status_code in (400, 404), (method, path, field, response.text)


@pytest.mark.parametrize("currency", ["EUR\n", "ZZZ", "XXX", "DEM", "ITL"])
async def test_a_show_with_an_obsolete_currency_is_sold_and_reported(
    staff: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch, currency: str
) -> None:
    with monkeypatch.context() as before:
        before.setattr("schemas.layout_problems.is_currency", lambda _code: True)
        price = {"amount": 1250, "currency": currency}
        made = await staff.post("/api/shows", json=a_show(await add_movie(staff), price=price))
        assert made.status_code == 201, made.text
    show = made.json()
    assert show["prices"] == [{"section": "", "price": price}]
    async with server.client(5) as customer:
        booked = await customer.post(f"/api/shows/{show['id']}/bookings", json={"quantity": 2})
        assert booked.json()["total"] == {"amount": 2500, "currency": currency}
        ticket = await customer.get(f"/api/bookings/{booked.json()['id']}/ticket.pdf")
        assert ticket.status_code == 200
    changed = await staff.patch(f"/api/shows/{show['id']}", json={"screen_name": "Hall 2"})
    assert changed.status_code == 200
    assert await every_page_of(staff, "/api/reports/sales") == 1
    table = await staff.get("/api/reports/sales", headers={"Accept": "text/csv"})
    assert "25.00" in table.text
    await look_everywhere(staff, [show["movie"]["id"]], [show["id"]])

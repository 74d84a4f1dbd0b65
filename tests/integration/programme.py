"""A programme for tests of the catalogue: movies and shows as staff make them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

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


async def until_shown(client: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    """Waits until the resource at this path has these values; returns it."""
    async with asyncio.timeout(15):
        while True:
            shown: dict[str, Any] = (await client.get(path)).json()
            if all(shown.get(name) == value for name, value in fields.items()):
                return shown
            await asyncio.sleep(0.05)


async def until_listed(client: httpx.AsyncClient, path: str, wanted: list[int]) -> None:
    """Waits until the list at this path has these ids."""
    async with asyncio.timeout(15):
        while True:
            if await ids(client, path) == wanted:
                return
            await asyncio.sleep(0.05)

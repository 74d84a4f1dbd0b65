"""An instance with sample data, and what tests put into it: accounts, films, shows."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, NamedTuple

import httpx

from tests.e2e.running import RunningAisle

PASSWORD = "under the balcony 7"
STAFF = 2


class Account(NamedTuple):
    """A customer's account."""

    id: int
    username: str
    email: str
    password: str


class Site(RunningAisle):
    """An `aisle up` whose pages are tested."""

    _numbers = itertools.count(1)

    async def customer(self, **fields: str) -> Account:
        """Signs up a new customer."""
        name = f"visitor{next(self._numbers)}"
        wanted = {"username": name, "email": f"{name}@example.org", "password": PASSWORD} | fields
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            answer = await client.post("/api/signup", json=wanted)
        assert answer.status_code == 201, answer.text
        return Account(answer.json()["id"], wanted["username"], wanted["email"], wanted["password"])

    async def theatre(self) -> dict[str, Any]:
        """Returns the last show of the sample theatre, which has curved rows and accessible seats."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            answer = await client.get("/api/shows", params={"available": "true", "limit": 100})
        shows: list[dict[str, Any]] = answer.json()["items"]
        return [show for show in shows if show["screen_name"] == "Grand Theatre"][-1]

    async def make_movie(self, **fields: Any) -> int:
        """Creates a film; returns its id."""
        wanted = {
            "title": "A Film for Tests",
            "duration_minutes": 90,
            "description": "Somebody tests a site.",
            "genres": ["Western"],
            "language": "English",
            "rating": "12",
        } | fields
        async with self.client(STAFF, "staff") as staff:
            answer = await staff.post("/api/movies", json=wanted)
        assert answer.status_code == 201, answer.text
        movie_id: int = answer.json()["id"]
        return movie_id

    async def make_show_of(
        self, layout: dict[str, Any] | None, *, title: str = "A Film for Tests", **terms: Any
    ) -> int:
        """Creates a show of a new film, and waits until it is on sale; returns its id."""
        movie_id = await self.make_movie(title=title)
        wanted = {
            "movie_id": movie_id,
            "screen_name": "Test",
            "starts_at": "2099-01-01T20:00:00.000Z",
            **({} if layout is None else {"layout": layout}),
            **terms,
        }
        async with self.client(STAFF, "staff") as staff, asyncio.timeout(30):
            answer = await staff.post("/api/shows", json=wanted)
            assert answer.status_code == 201, answer.text
            show_id: int = answer.json()["id"]
            while (await staff.get(f"/api/shows/{show_id}")).json()["status"] != "on_sale":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return show_id

    async def book(self, account: Account, show_id: int, *seats: str) -> dict[str, Any]:
        """Books seats for a customer."""
        return await self._take(account, f"/api/shows/{show_id}/bookings", {"seats": seats})

    async def hold(self, account: Account, show_id: int, *seats: str, hold_s: int = 300) -> dict[str, Any]:
        """Holds seats for a customer."""
        return await self._take(account, f"/api/shows/{show_id}/holds", {"seats": seats, "hold_s": hold_s})

    async def bookings(self, account: Account) -> list[dict[str, Any]]:
        """Returns a customer's bookings, newest first."""
        async with self.client(account.id) as client:
            found: list[dict[str, Any]] = (await client.get("/api/me/bookings")).json()["items"]
        return found

    async def _take(self, account: Account, path: str, body: Any) -> dict[str, Any]:
        async with self.client(account.id) as client:
            answer = await client.post(path, json=body)
        assert answer.status_code == 201, answer.text
        booking: dict[str, Any] = answer.json()
        return booking

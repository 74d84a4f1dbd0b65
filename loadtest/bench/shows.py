"""Shows for the benchmark, made over HTTP by staff; each of their seats is requested at most once."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from loadtest.bench.generator.requests import FreshSeats
from loadtest.client import Client, SetupError

SEATS_PER_SHOW = 5000
SEATS_PER_CUSTOMER = 10_000
OPENING_S = 30.0


class SeatSupply:
    """Supplies unused seats of `among` shows, and makes new shows when those are used up."""

    def __init__(self, client: Client, staff_token: Callable[[], str], *, among: int) -> None:
        self._client = client
        self._staff_token = staff_token
        self._among = among
        self._movie_id = 0
        self._shows: list[int] = []
        self._next_seat = 1
        self.all_shows: list[int] = []
        """All shows that were made, including those used up."""
        self.booked = 0
        """Number of bookings made by `book`."""

    async def fresh(self, wanted: int) -> FreshSeats:
        """Returns at least `wanted` unused seats, evenly over the shows. `used` reports how many were requested."""
        each = -(-wanted // self._among)
        if not self._shows or self._next_seat + each - 1 > SEATS_PER_SHOW:
            self._shows = await self._make_shows({"total_seats": max(each, SEATS_PER_SHOW)}, self._among)
            self._next_seat = 1
            last = max(each, SEATS_PER_SHOW)
        else:
            last = SEATS_PER_SHOW
        return FreshSeats(
            shows=tuple((show_id, self._next_seat, last) for show_id in self._shows),
            key_prefix=secrets.token_hex(8),
        )

    def used(self, requests: int) -> None:
        """Marks `requests` seats of the last supply as used."""
        self._next_seat += -(-requests // self._among)

    async def one_show(self, seats: int) -> int:
        """Makes a new show, which is on sale."""
        (show_id,) = await self._make_shows({"total_seats": seats}, 1)
        return show_id

    async def show_with(self, layout: Mapping[str, Any]) -> int:
        """Makes a new show with this layout, which is on sale."""
        (show_id,) = await self._make_shows({"layout": layout}, 1)
        return show_id

    async def book(self, show_id: int, token: str, body: Mapping[str, Any]) -> int:
        """Makes one booking outside of all runs. Returns the partition that decided it."""
        path = f"/api/shows/{show_id}/bookings"
        booking = await self._client.ask("POST", path, token=token, body=body)
        self.booked += 1
        partition: int = booking["decided"]["partition"]
        return partition

    async def _make_shows(self, seats: Mapping[str, Any], count: int) -> list[int]:
        token = self._staff_token()
        if not self._movie_id:
            movie = await self._client.ask(
                "POST",
                "/api/movies",
                token=token,
                body={"title": "The Long Queue", "duration_minutes": 90, "language": "en"},
            )
            self._movie_id = movie["id"]
        starts_at = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        made: list[int] = []
        for number in range(count):
            show = await self._client.ask(
                "POST",
                "/api/shows",
                token=token,
                body={
                    "movie_id": self._movie_id,
                    "screen_name": f"Screen {number + 1}",
                    "starts_at": starts_at,
                    "seats_per_customer": SEATS_PER_CUSTOMER,
                    **seats,
                },
            )
            made.append(show["id"])
        for show_id in made:
            await self._until_on_sale(show_id, token)
        self.all_shows += made
        return made

    async def _until_on_sale(self, show_id: int, token: str) -> None:
        deadline = time.monotonic() + OPENING_S
        while True:
            show = await self._client.ask("GET", f"/api/shows/{show_id}", token=token)
            if show["status"] == "on_sale":
                return
            if time.monotonic() > deadline:
                raise SetupError(f"show {show_id} is still {show['status']!r} after {OPENING_S:.0f} s")
            await asyncio.sleep(0.1)

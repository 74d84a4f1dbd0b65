"""Customers of the check: one who books a seat and gets the e-mail, and many who book while a container dies."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from schemas.api_catalogue import MAX_SEATS_PER_CUSTOMER

_PASSWORD = "correct horse 1"
_STAFF_PASSWORD = "staff-for-development"
"""Of deploy/development.env."""
_TRIES_S = 60.0
_REPEATED = (429, 500, 502, 503, 504)
"""Responses after which a client sends the request again, with the same Idempotency-Key."""


class Lost(Exception):
    """Something that was promised did not come."""


class Customer:
    """A client with an account of its own."""

    def __init__(self, url: str, name: str) -> None:
        self.email = f"{name}@example.com"
        self.booked: dict[str, str] = {}
        """Booking → seat, of responses 201."""
        self.repeated = 0
        """Requests that were sent again."""
        self.longest_s = 0.0
        """The longest time from a request to its decision."""
        self._name = name
        self._client = httpx.AsyncClient(base_url=url, timeout=20)

    async def close(self) -> None:
        await self._client.aclose()

    async def join(self) -> None:
        """Signs up and logs in."""
        account = {"username": self._name, "email": self.email, "password": _PASSWORD}
        (await self._client.post("/api/signup", json=account)).raise_for_status()
        login = await self._client.post("/api/login", json={"username": self._name, "password": _PASSWORD})
        self._client.headers["Authorization"] = f"Bearer {login.raise_for_status().json()['access']}"

    async def shows(self) -> list[dict[str, Any]]:
        """The shows on sale, the largest first."""
        found = (await self._client.get("/api/shows")).raise_for_status().json()["items"]
        return sorted(found, key=lambda show: -show["available_seats"])

    async def free_seats(self, show: int) -> list[str]:
        """Labels of free seats."""
        found = (await self._client.get(f"/api/shows/{show}/seats")).raise_for_status().json()
        labels = [label for section in found["sections"] for row in section["rows"] for label in row["seats"]]
        return [label for label, state in zip(labels, found["states"], strict=True) if state == "a"]

    async def book(self, show: int, seat: str) -> bool:
        """Books a seat, with as many tries as it takes. Returns whether it is this customer's; raises Lost."""
        began = time.monotonic()
        key = str(uuid.uuid4())
        while time.monotonic() < began + _TRIES_S:
            try:
                response = await self._client.post(
                    f"/api/shows/{show}/bookings",
                    json={"seats": [seat]},
                    headers={"Idempotency-Key": key, "Prefer": "wait=10"},
                )
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code not in (202, *_REPEATED):
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                if response.status_code == 201:
                    self.booked[response.json()["id"]] = seat
                return response.status_code == 201
            self.repeated += 1
            await asyncio.sleep(0.2)
        raise Lost(f"seat {seat} of show {show}: no decision in {_TRIES_S:.0f} s")

    async def check(self) -> None:
        """Raises Lost unless every booking that was answered is there, and no other."""
        stored: set[str] = set()
        cursor = None
        while True:
            params: dict[str, str] = {} if cursor is None else {"cursor": str(cursor)}
            page = (await self._client.get("/api/me/bookings", params=params)).raise_for_status().json()
            stored |= {one["id"] for one in page["items"] if one["status"] == "confirmed"}
            if (cursor := page["next_cursor"]) is None:
                break
        if stored != self.booked.keys():
            missing, more = self.booked.keys() - stored, stored - self.booked.keys()
            raise Lost(f"{self._name}: {len(missing)} bookings are missing, {len(more)} were never answered")


async def new_show(url: str) -> int:
    """Makes a show of which one customer may have many seats. Returns its id."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        login = await client.post("/api/login", json={"username": "staff", "password": _STAFF_PASSWORD})
        client.headers["Authorization"] = f"Bearer {login.raise_for_status().json()['access']}"
        movie = await client.post("/api/movies", json={"title": "Containers", "duration_minutes": 90})
        show = {
            "movie_id": movie.raise_for_status().json()["id"],
            "screen_name": "Hall",
            "starts_at": (datetime.now(UTC) + timedelta(days=3)).isoformat(),
            "total_seats": 3000,
            "seats_per_customer": MAX_SEATS_PER_CUSTOMER,
        }
        made = await client.post("/api/shows", json=show, headers={"Prefer": "wait=20"})
        return int(made.raise_for_status().json()["id"])


class Crowd:
    """Customers who book seats of one show one after another until they are stopped or it is full."""

    def __init__(self, url: str, number: int) -> None:
        self.customers = [Customer(url, f"crowd{n}-{uuid.uuid4().hex[:8]}") for n in range(number)]
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def booked(self) -> int:
        return sum(len(customer.booked) for customer in self.customers)

    async def start(self, show: int) -> None:
        """Signs all up and lets them book, each its share of the seats."""
        await asyncio.gather(*(customer.join() for customer in self.customers))
        free = await self.customers[0].free_seats(show)
        shares = [free[n :: len(self.customers)] for n in range(len(self.customers))]
        self._tasks = [
            asyncio.create_task(self._buy(customer, show, seats))
            for customer, seats in zip(self.customers, shares, strict=True)
        ]

    async def wait_for(self, more: int, within_s: float) -> None:
        """Waits until this many more bookings were answered. Raises Lost."""
        wanted, deadline = self.booked + more, time.monotonic() + within_s
        while self.booked < wanted:
            if time.monotonic() > deadline or all(task.done() for task in self._tasks):
                raise Lost(f"{self.booked} of {wanted} bookings after {within_s:.0f} s")
            await asyncio.sleep(0.1)

    async def finish(self) -> None:
        """Lets each complete its booking, and checks all. Raises Lost."""
        self._stop.set()
        await asyncio.gather(*self._tasks)
        await asyncio.gather(*(customer.check() for customer in self.customers))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for customer in self.customers:
            await customer.close()

    async def _buy(self, customer: Customer, show: int, seats: list[str]) -> None:
        for seat in seats:
            if self._stop.is_set():
                return
            await customer.book(show, seat)
            await asyncio.sleep(0.3)

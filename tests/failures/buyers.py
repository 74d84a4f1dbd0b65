"""Customers who book all the time, with retries, and what they notice of a failure."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
import uuid
from collections import Counter

import httpx
import msgspec

from tests.e2e.running import RunningAisle

BUYERS = 24
SHOWS = 8
SEATS = 12_000
THINK_S = 0.1
_RETRY_S = 0.2
_RETRIED = (202, 429, 500, 502, 503, 504)
_FIRST_BUYER = 1_000


class Booked(msgspec.Struct, frozen=True):
    """A booking that was answered: when it was asked for first, and when it was known."""

    booking_id: str
    asked_s: float
    known_s: float


class Noticed(msgspec.Struct, frozen=True):
    """What customers noticed in a period."""

    per_second: float
    median_s: float
    longest_s: float
    """The longest time from a request to its decision."""
    gap_s: float
    """The longest time in which nobody got a booking."""
    retried: dict[str, int]
    """Responses after which a request was sent again, by status, and `no response`."""


class Buyers:
    """Customers, each with an account and a connection of its own."""

    def __init__(self, aisle: RunningAisle) -> None:
        self._aisle = aisle
        self.booked: list[Booked] = []
        self.refused = 0
        self.began_s = time.monotonic()
        self._retried: list[tuple[float, str]] = []
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Makes the shows, and lets all buy."""
        shows = [await self._aisle.make_show(SEATS) for _ in range(SHOWS)]
        self._tasks = [asyncio.create_task(self._buy(number, shows)) for number in range(BUYERS)]

    async def stop(self) -> None:
        """Lets each complete its booking, and ends."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    def noticed(self, from_s: float, to_s: float) -> Noticed:
        """What customers noticed between two times. Call it when all bookings are known.

        Waits are those of bookings that were asked for in this period, however long they took.
        """
        known = sorted(one.known_s for one in self.booked if from_s <= one.known_s <= to_s)
        waits = [one.known_s - one.asked_s for one in self.booked if from_s <= one.asked_s <= to_s]
        edges = [from_s, *known, to_s]
        return Noticed(
            per_second=len(known) / (to_s - from_s),
            median_s=statistics.median(waits) if waits else 0.0,
            longest_s=max(waits, default=0.0),
            gap_s=max(later - earlier for earlier, later in itertools.pairwise(edges)),
            retried=dict(Counter(why for at_s, why in self._retried if from_s <= at_s <= to_s)),
        )

    async def _buy(self, number: int, shows: list[int]) -> None:
        async with self._aisle.client(_FIRST_BUYER + number) as client:
            for seat in range(number + 1, SEATS + 1, BUYERS):
                if self._stop.is_set():
                    return
                await self._book(client, shows[(number + seat // BUYERS) % SHOWS], str(seat))
                await asyncio.sleep(THINK_S)

    async def _book(self, client: httpx.AsyncClient, show: int, seat: str) -> None:
        key = str(uuid.uuid4())
        asked_s = time.monotonic()
        while True:
            status, booking_id = await self._ask(client, show, seat, key)
            if status == "201":
                self.booked.append(Booked(booking_id, asked_s, time.monotonic()))
                return
            if status.isdigit() and int(status) not in _RETRIED:
                self.refused += 1
                return
            self._retried.append((time.monotonic(), status))
            await asyncio.sleep(_RETRY_S)

    async def _ask(self, client: httpx.AsyncClient, show: int, seat: str, key: str) -> tuple[str, str]:
        try:
            response = await client.post(
                f"/api/shows/{show}/bookings",
                json={"seats": [seat]},
                headers={"Idempotency-Key": key, "Prefer": "wait=5"},
            )
        except httpx.TransportError:
            return "no response", ""
        return str(response.status_code), response.json().get("id", "") if response.status_code == 201 else ""

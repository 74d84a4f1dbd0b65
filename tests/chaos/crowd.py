"""Clients who book, cancel and repeat themselves without mercy, and write down what they saw."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from tests.chaos.history import Attempt, History, Wish

THINK_S = 0.12
"""What a client waits between two wishes, on average."""

_REPEATS = 4
_SETTLE_S = 60.0
_PREFERENCES = ("wait=5", "wait=5", "wait=1", "respond-async", None)


class Client:
    """One customer with a connection of their own."""

    def __init__(
        self,
        user_id: int,
        http: httpx.AsyncClient,
        shows: Sequence[tuple[int, int]],
        history: History,
        seed: int,
    ) -> None:
        """`shows`: the number of each and how many seats it has."""
        self._user_id = user_id
        self._http = http
        self._shows = shows
        self._history = history
        self._random = random.Random(f"{seed}/{user_id}")
        self._wishes = 0
        self._mine: list[tuple[int, str]] = []

    async def live(self, stop: asyncio.Event) -> None:
        """Wishes one thing after the other until `stop`."""
        while not stop.is_set():
            await self._pursue(self._next_wish())
            await asyncio.sleep(self._random.expovariate(1 / THINK_S))

    async def settle(self) -> None:
        """Sends what has no certain answer again until it has one, and asks for the fate of every 202."""
        deadline = time.monotonic() + _SETTLE_S
        for wish in self._history.wishes:
            if wish.user_id != self._user_id:
                continue
            for attempt in wish.attempts:
                if attempt.status == 202 and (attempt.fate is None or attempt.fate["status"] == "pending"):
                    await self._ask_fate(attempt, deadline)
            while wish.key is not None and not wish.outcomes and time.monotonic() < deadline:
                if (await self._attempt(wish, None)).status not in (200, 201, 202, 409):
                    await asyncio.sleep(0.3)

    def _next_wish(self) -> Wish:
        self._wishes += 1
        key = None if self._random.random() < 0.05 else f"wish-{self._wishes}"
        if self._mine and self._random.random() < 0.15 + 0.03 * len(self._mine):
            show_id, booking_id = self._mine.pop(self._random.randrange(len(self._mine)))
            path = f"/api/bookings/{booking_id}/cancel"
            wish = Wish(user_id=self._user_id, show_id=show_id, path=path, key=key, booking_id=booking_id)
        else:
            show_id, size = self._random.choice(self._shows)
            numbers = self._random.sample(range(1, size + 1), self._random.choice((1, 1, 2, 3)))
            path = f"/api/shows/{show_id}/bookings"
            seats = tuple(map(str, numbers))
            wish = Wish(user_id=self._user_id, show_id=show_id, path=path, key=key, seats=seats)
        self._history.wishes.append(wish)
        return wish

    async def _pursue(self, wish: Wish) -> None:
        prefer = self._random.choice(_PREFERENCES)
        if wish.key is not None and self._random.random() < 0.1:
            await asyncio.gather(self._attempt(wish, prefer), self._attempt(wish, prefer))
        else:
            await self._attempt(wish, prefer)
        for _ in range(_REPEATS):
            if wish.key is None or wish.attempts[-1].status not in (0, 503) or self._random.random() < 0.2:
                break
            await asyncio.sleep(0.2)
            await self._attempt(wish, prefer)
        if wish.key is not None and self._random.random() < 0.05:
            await self._attempt(wish, None)
        if wish.books and wish.accepted is not None:
            self._mine.append((wish.show_id, wish.accepted["id"]))

    async def _attempt(self, wish: Wish, prefer: str | None) -> Attempt:
        headers = {} if wish.key is None else {"Idempotency-Key": wish.key}
        if prefer is not None:
            headers["Prefer"] = prefer
        body = {"seats": list(wish.seats)} if wish.books else {}
        sent = time.monotonic()
        try:
            answer = await self._http.post(wish.path, json=body, headers=headers)
        except httpx.TransportError as error:
            attempt = Attempt(sent=sent, ended=time.monotonic(), error=type(error).__name__)
        else:
            attempt = Attempt(
                sent=sent,
                ended=time.monotonic(),
                status=answer.status_code,
                body=_json(answer),
                location=answer.headers.get("location", ""),
                retry_after=answer.headers.get("retry-after", ""),
                replayed=answer.headers.get("idempotency-replayed") == "true",
            )
        wish.attempts.append(attempt)
        return attempt

    async def _ask_fate(self, attempt: Attempt, deadline: float) -> None:
        while time.monotonic() < deadline:
            try:
                answer = await self._http.get(attempt.location, headers={"Prefer": "wait=5"})
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            attempt.fate = _json(answer)
            if answer.status_code == 200 and attempt.fate["status"] != "pending":
                return
            await asyncio.sleep(0.2)


class Crowd:
    """All clients of a storm."""

    def __init__(
        self,
        connect: Callable[[int], httpx.AsyncClient],
        users: Sequence[int],
        shows: Sequence[tuple[int, int]],
        history: History,
        seed: int,
    ) -> None:
        """`connect` makes the connection of a user."""
        self._connections = [connect(user_id) for user_id in users]
        self._clients = [
            Client(user_id, http, shows, history, seed)
            for user_id, http in zip(users, self._connections, strict=True)
        ]

    async def live(self, stop: asyncio.Event) -> None:
        await asyncio.gather(*(client.live(stop) for client in self._clients))

    async def settle(self) -> None:
        """Afterwards, when everything runs again: nothing stays uncertain that can be asked for."""
        await asyncio.gather(*(client.settle() for client in self._clients))

    async def leave(self) -> None:
        for connection in self._connections:
            await connection.aclose()


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text

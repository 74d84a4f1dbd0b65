"""Clients of a storm: requests, retries and recorded responses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.chaos.crowds import Crowd
from tests.chaos.history import Attempt, History, Request
from tests.chaos.request_generator import Board, RequestGenerator
from tests.chaos.staff_requests import StaffRequests

THINK_S = 0.12
"""Average pause of a client between two requests, in seconds."""

_REPEATS = 4
_SETTLE_S = 60.0
_PREFERENCES = ("wait=5", "wait=5", "wait=1", "respond-async", None)


class Client:
    """A customer, or one of the staff, with its own connection."""

    def __init__(self, http: httpx.AsyncClient, generator: RequestGenerator, history: History) -> None:
        self._http = http
        self._generator = generator
        self._history = history
        self._random = generator.random

    async def live(self, stop: asyncio.Event) -> None:
        """Sends generated requests until `stop`."""
        while not stop.is_set():
            requests = self._generator.next()
            self._history.requests += requests
            await asyncio.gather(*(self._pursue(request) for request in requests))
            await asyncio.sleep(self._random.expovariate(1 / THINK_S))

    async def settle(self) -> None:
        """Retries requests without an outcome, and polls the command of every 202."""
        deadline = time.monotonic() + _SETTLE_S
        for request in self._history.requests:
            if request.user_id != self._generator.user_id:
                continue
            for attempt in request.attempts:
                await self._poll_command(attempt, deadline)
            while request.key is not None and not request.outcomes and time.monotonic() < deadline:
                attempt = await self._attempt(request, None)
                await self._poll_command(attempt, deadline)
                if not request.outcomes:
                    await asyncio.sleep(0.3)

    async def _pursue(self, request: Request) -> None:
        prefer = self._random.choice(_PREFERENCES)
        if request.key is not None and not request.withholds and self._random.random() < 0.1:
            await asyncio.gather(self._attempt(request, prefer), self._attempt(request, prefer))
        else:
            await self._attempt(request, prefer)
        for _ in range(_REPEATS):
            if (
                request.key is None
                or request.attempts[-1].status not in (0, 503)
                or self._random.random() < 0.2
            ):
                break
            await asyncio.sleep(0.2)
            await self._attempt(request, prefer)
        if request.key is not None and self._random.random() < 0.05:
            await self._attempt(request, None)
        self._generator.record(request)

    async def _attempt(self, request: Request, prefer: str | None) -> Attempt:
        headers = {} if request.key is None else {"Idempotency-Key": request.key}
        if prefer is not None:
            headers["Prefer"] = prefer
        sent = time.monotonic()
        try:
            answer = await self._http.post(request.path, json=request.json, headers=headers)
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
        request.attempts.append(attempt)
        return attempt

    async def _poll_command(self, attempt: Attempt, deadline: float) -> None:
        """Polls the command of a 202 until it is decided; returns at once for other responses."""
        while attempt.status == 202 and (
            attempt.command is None or attempt.command.get("status") == "pending"
        ):
            if time.monotonic() > deadline:
                return
            try:
                answer = await self._http.get(attempt.location, headers={"Prefer": "wait=5"})
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == 200:
                attempt.command, attempt.decided_at = _json(answer), time.monotonic()
            else:
                await asyncio.sleep(0.2)


class Clients:
    """All clients of a storm."""

    def __init__(
        self,
        connect: Callable[[int, str], httpx.AsyncClient],
        first_user: int,
        crowd: Crowd,
        history: History,
        seed: int,
        *,
        brief_holds_until: float = 0.0,
    ) -> None:
        """`connect` makes the connection of a user with a role. The shows are those of the history.

        Until the monotonic time `brief_holds_until`, some holds are as short as there are.
        """
        board = Board()
        self._connections: list[httpx.AsyncClient] = []
        self._clients: list[Client] = []
        for number in range(crowd.customers + crowd.staff):
            kind = RequestGenerator if number < crowd.customers else StaffRequests
            user_id = first_user + number
            http = connect(user_id, "staff" if kind.staff else "customer")
            generator = kind(user_id, history.shows, crowd, board, f"{seed}/{user_id}", brief_holds_until)
            self._connections.append(http)
            self._clients.append(Client(http, generator, history))
        history.clock_s = time.time() - time.monotonic()

    async def live(self, stop: asyncio.Event) -> None:
        await asyncio.gather(*(client.live(stop) for client in self._clients))

    async def settle(self) -> None:
        """Resolves all unknown outcomes once every part runs again."""
        await asyncio.gather(*(client.settle() for client in self._clients))

    async def leave(self) -> None:
        for connection in self._connections:
            await connection.aclose()


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text

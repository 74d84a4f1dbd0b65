"""The API as one customer uses it: with an access token, an Idempotency-Key for each action, and patience.

What was not answered, or rejected for now, is sent again with the same key, so it is done once.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from random import Random
from typing import Any

import aiohttp
import msgspec

from ops.crowd.check import Booking
from ops.crowd.house import SeatMap
from ops.crowd.tally import Tally

_TRIES = 6
_TIMEOUT = aiohttp.ClientTimeout(total=45)
_LONGEST_PAUSE_S = 5.0


class Refused(Exception):
    """The API said no; `code` is that of the problem."""

    def __init__(self, code: str, status: int, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.code = code


class Unreachable(Exception):
    """No response, however often it was tried. What was asked for may have been done."""


class _Problem(msgspec.Struct):
    code: str = "unknown"
    detail: str = ""


class _Command(msgspec.Struct):
    command: str = ""
    status: str = ""
    booking: Booking | None = None
    problem: _Problem | None = None


class _Page(msgspec.Struct):
    items: list[Booking]
    next_cursor: str | None = None


class _States(msgspec.Struct):
    version: int
    states: str


class Api:
    """Calls of one customer, or of nobody without a token."""

    def __init__(self, session: aiohttp.ClientSession, token: str, tally: Tally, dice: Random) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tally = tally
        self._dice = dice
        self._etag = ""
        self._states: _States | None = None

    async def seat_map(self, show_id: int) -> SeatMap:
        """Returns the whole seat map."""
        _, body, _ = await self._call("GET", f"/api/shows/{show_id}/seats")
        return msgspec.json.decode(body, type=SeatMap)

    async def states(self, show_id: int) -> list[str]:
        """Returns the letters of the seats now."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        status, body, answered = await self._call("GET", f"/api/shows/{show_id}/seats", headers=headers)
        if status != 304 or self._states is None:
            self._states = msgspec.json.decode(body, type=_States)
            self._etag = answered.get("ETag", "")
        return list(self._states.states)

    async def hold(self, show_id: int, seats: list[str], hold_s: int) -> Booking:
        """Holds seats. Raises Refused."""
        return await self._act(f"/api/shows/{show_id}/holds", {"seats": seats, "hold_s": hold_s})

    async def change_seats(self, booking_id: str, seats: list[str]) -> Booking:
        """Takes other seats instead. Raises Refused."""
        return await self._act(f"/api/bookings/{booking_id}/seats", {"seats": seats})

    async def act(self, booking_id: str, action: str) -> Booking:
        """Confirms, cancels or extends a booking. Raises Refused."""
        return await self._act(f"/api/bookings/{booking_id}/{action}", None)

    async def bookings(self) -> list[Booking]:
        """Returns all bookings of this customer."""
        found: list[Booking] = []
        cursor: str | None = ""
        while cursor is not None:
            query = "?limit=100" + (f"&cursor={cursor}" if cursor else "")
            _, body, _ = await self._call("GET", f"/api/me/bookings{query}")
            page = msgspec.json.decode(body, type=_Page)
            found += page.items
            cursor = page.next_cursor
        return found

    def watch(self, show_id: int) -> Any:
        """Opens the live socket of a show."""
        return self._session.ws_connect(f"/api/shows/{show_id}/live", heartbeat=30, max_msg_size=2**20)

    async def _act(self, path: str, fields: dict[str, Any] | None) -> Booking:
        key = {"Idempotency-Key": str(uuid.UUID(int=self._dice.getrandbits(128), version=4))}
        status, body, _ = await self._call("POST", path, fields=fields, headers=key)
        while status == 202:
            command = msgspec.json.decode(body, type=_Command)
            if command.booking is not None:
                return command.booking
            if command.problem is not None:
                raise Refused(command.problem.code, 409, command.problem.detail)
            wait = {"Prefer": "wait=20"}
            status, body, _ = await self._call("GET", f"/api/commands/{command.command}", headers=wait)
            if status == 200:
                status = 202
        return msgspec.json.decode(body, type=Booking)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        fields: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Sends a request until it is answered. Raises Refused and Unreachable."""
        last: Exception | None = None
        for attempt in range(_TRIES):
            began = time.perf_counter()
            try:
                async with self._session.request(
                    method, path, json=fields, headers=self._headers | dict(headers or {}), timeout=_TIMEOUT
                ) as response:
                    body = await response.read()
                    status, answered = response.status, response.headers
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                last = Unreachable(f"{method} {path}: {error or type(error).__name__}")
                await asyncio.sleep(0.2 * 2**attempt)
                continue
            self._tally.took(time.perf_counter() - began)
            if status < 400:
                return status, body, answered
            problem = _problem(body)
            last = Refused(problem.code, status, problem.detail)
            if status not in (429, 503):
                break
            self._tally.did["asked_to_wait"] += 1
            pause_s = float(answered.get("Retry-After", "1"))
            await asyncio.sleep(min(pause_s, _LONGEST_PAUSE_S) * (0.8 + 0.4 * self._dice.random()))
        assert last is not None
        raise last


def _problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return _Problem(detail=body[:200].decode(errors="replace"))

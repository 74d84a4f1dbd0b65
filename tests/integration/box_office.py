"""A show with two prices, and the calls of its customers and staff, for tests of bookings."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import httpx

from runtime.log.opening import open_log
from schemas.commands import HoldSeats
from schemas.ids import fresh_command_id, new_booking_id
from schemas.wire import COMMANDS_TOPIC, encode
from tests.integration.gateway_server import Server
from tests.integration.programme import a_show, add_movie

STAFF, ADA, BOB = 1, 7, 8
LAYOUT: dict[str, Any] = {
    "sections": [
        {
            "name": "Stalls",
            "price": {"amount": 1000, "currency": "EUR"},
            "rows": [{"name": "A", "seats": 8}, {"name": "B", "seats": 8}],
        },
        {
            "name": "Balcony",
            "price": {"amount": 600, "currency": "EUR"},
            "rows": [{"name": "C", "seats": 4}],
        },
    ]
}


class BoxOffice:
    """One show on sale, with clients for staff and two customers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.staff = server.client(STAFF, "staff")
        self.ada, self.bob = server.client(ADA), server.client(BOB)
        self.show_id = 0

    async def open(self, **terms: Any) -> None:
        """Makes the show."""
        await self.server.add_users(STAFF, ADA, BOB)
        self.show_id = await self.another_show(**terms)

    async def another_show(self, **terms: Any) -> int:
        wanted = a_show(await add_movie(self.staff), total_seats=None, layout=LAYOUT) | terms
        answer = await self.staff.post("/api/shows", json=wanted)
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["id"]
        return number

    async def close(self) -> None:
        for client in (self.staff, self.ada, self.bob):
            await client.aclose()

    async def book(self, client: httpx.AsyncClient, *seats: str, **fields: Any) -> dict[str, Any]:
        return await self._made(client, "bookings", seats, fields)

    async def hold(self, client: httpx.AsyncClient, *seats: str, **fields: Any) -> dict[str, Any]:
        return await self._made(client, "holds", seats, fields)

    async def _made(
        self, client: httpx.AsyncClient, call: str, seats: tuple[str, ...], fields: dict[str, Any]
    ) -> dict[str, Any]:
        named = {"seats": list(seats)} if seats else {}
        answer = await client.post(f"/api/shows/{self.show_id}/{call}", json=named | fields)
        assert answer.status_code == 201, answer.text
        booking: dict[str, Any] = answer.json()
        return booking

    async def refused_seats(self, client: httpx.AsyncClient, call: str, **fields: Any) -> dict[str, Any]:
        return problem(await client.post(f"/api/shows/{self.show_id}/{call}", json=fields))

    async def do(
        self, client: httpx.AsyncClient, booking: dict[str, Any], action: str, **options: Any
    ) -> httpx.Response:
        return await client.post(f"/api/bookings/{booking['id']}/{action}", **options)

    async def move(self, client: httpx.AsyncClient, booking: dict[str, Any], *seats: str) -> httpx.Response:
        return await self.do(client, booking, "seats", json={"seats": list(seats)})

    async def states(self, show_id: int | None = None) -> str:
        found: str = (await self.staff.get(f"/api/shows/{show_id or self.show_id}/seats")).json()["states"]
        return found

    async def seen(self, client: httpx.AsyncClient, booking: dict[str, Any]) -> dict[str, Any]:
        answer = await client.get(f"/api/bookings/{booking['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def change_show(self, **changes: Any) -> None:
        answer = await self.staff.patch(f"/api/shows/{self.show_id}", json=changes)
        assert answer.status_code == 200, answer.text

    async def manage(self, action: str, **body: Any) -> httpx.Response:
        answer = await self.staff.post(f"/api/shows/{self.show_id}/{action}", json=body or None)
        assert answer.status_code == 200, answer.text
        return answer

    async def expired_hold(self, user_id: int, *seats: str) -> dict[str, Any]:
        """A hold that has expired. It is shorter than clients can ask for, so its command is put into the log."""
        [row] = await self.server.sql("SELECT partition FROM shows WHERE show_id = $1", self.show_id)
        now_ms, dice = int(time.time() * 1000), random.getrandbits(74)
        command = HoldSeats(
            command_id=fresh_command_id(now_ms, dice),
            show_id=self.show_id,
            user_id=user_id,
            booking_id=new_booking_id(self.show_id, now_ms, dice),
            seats=seats,
            hold_ms=1_000,
        )
        log = await open_log(None, self.server.settings.database_url)
        try:
            appender = log.appender(COMMANDS_TOPIC)
            await appender.append(row["partition"], encode(command))
            await appender.close()
        finally:
            await log.close()
        booking = {"id": str(command.booking_id)}
        async with asyncio.timeout(20):
            while True:
                answer = await self.staff.get(f"/api/bookings/{command.booking_id}")
                if answer.status_code == 200 and answer.json()["status"] == "expired":
                    return booking
                await asyncio.sleep(0.05)


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem of a response, which must be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()
    return found


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, problem(answer)["code"]


def fields_at_fault(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in problem(answer).get("errors", [])]

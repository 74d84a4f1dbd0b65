"""A service with the part of Aisle's API that buying users need, with optional faults."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any
from uuid import UUID

SHOW = 7
ROWS = {"A": 10, "B": 10, "C": 10}
_MOVIE = {
    "id": 1, "title": "Faults", "duration_minutes": 90, "description": "", "genres": [], "language": "en",
    "rating": "", "poster_url": "",
}  # fmt: skip


class Fault(StrEnum):
    """A fault of the service."""

    NONE = "none"
    SELLS_TWICE = "sells a seat that is sold"
    FORGETS = "forgets every third booking"
    TAKES_BACK = "cancels every third booking by itself"
    HIDES = "shows sold seats as free after the run"


class FaultyService:
    """One show, in memory, behind HTTP/1.1."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.port = 0
        self.bookings: dict[str, dict[str, Any]] = {}
        self.responses: dict[tuple[str, str], tuple[int, Any]] = {}
        self.offset = 0
        self.over = False
        self.connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                status, payload = self.respond(head, body)
                content = json.dumps(payload).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(content), content)
                )
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()

    def respond(self, head: str, body: bytes) -> tuple[int, Any]:
        method, path, _ = head.split("\r\n")[0].split(" ")
        bearer = re.search(r"(?i)authorization: bearer (\S+)", head)
        user = int(bearer[1]) if bearer else 0
        if method == "GET":
            return 200, self.read(path, user)
        key = re.search(r"(?i)idempotency-key: (\S+)", head)
        assert key is not None, "a command has a key"
        if (path, key[1]) not in self.responses:
            self.responses[path, key[1]] = self.decide(path, user, json.loads(body) if body else {})
        return self.responses[path, key[1]]

    def read(self, path: str, user: int) -> Any:
        if path == f"/api/shows/{SHOW}":
            money = {"amount": 0, "currency": "EUR"}
            return {
                "id": SHOW, "movie": _MOVIE, "screen_name": "1", "starts_at": "2099-01-01T20:00:00.000Z",
                "timezone": "UTC", "status": "on_sale", "total_seats": 30, "available_seats": 30,
                "seats_per_customer": 10, "prices": [{"section": "", "price": money}],
                "sales_start_at": None, "sales_end_at": None,
            }  # fmt: skip
        if path == f"/api/shows/{SHOW}/seats":
            return self.seat_map()
        if path.endswith("/ticket.pdf"):
            return {}
        assert path.startswith("/api/me/bookings"), path
        self.over |= "limit=100" in path
        mine = [booking for booking in self.bookings.values() if booking["user_id"] == user]
        return {"items": mine, "next_cursor": None}

    def seat_map(self) -> Any:
        hidden = self.fault is Fault.SELLS_TWICE or (self.fault is Fault.HIDES and self.over)
        seat_state = {} if hidden else dict(self.taken())
        rows = [
            {"name": name, "seats": [f"{name}{n}" for n in range(1, seats + 1)], "aisles_after": []}
            for name, seats in ROWS.items()
        ]
        states = "".join(seat_state.get(seat, "a") for row in rows for seat in row["seats"])
        price = {"amount": 0, "currency": "EUR"}
        sections = [{"name": "", "price": price, "rows": rows}]
        return {"show_id": SHOW, "version": self.offset, "sections": sections, "states": states}

    def taken(self) -> list[tuple[str, str]]:
        seat_states = {"held": "h", "confirmed": "s"}
        return [
            (seat, seat_states[booking["status"]])
            for booking in self.bookings.values()
            if booking["status"] in seat_states
            for seat in booking["seats"]
        ]

    def decide(self, path: str, user: int, wanted: Any) -> tuple[int, Any]:
        self.offset += 1
        *_, of, action = path.split("/")
        if action in ("bookings", "holds"):
            seats = wanted["seats"]
            if self.fault is not Fault.SELLS_TWICE and {seat for seat, _ in self.taken()} & set(seats):
                return 409, {"code": "seat_taken", "seats": seats}
            return 201, self.sell(user, seats, "held" if action == "holds" else "confirmed")
        booking = self.bookings.get(of)
        if booking is None:
            return 404, {"code": "not_found"}
        becomes = {("held", "confirm"): "confirmed", ("held", "cancel"): "released"}
        becomes["confirmed", "cancel"] = "cancelled"
        if (booking["status"], action) not in becomes:
            return 409, {"code": "already_cancelled" if action == "cancel" else "already_confirmed"}
        return 200, self.change(booking, becomes[booking["status"], action])

    def sell(self, user: int, seats: list[str], status: str) -> Any:
        booking = {
            "id": str(UUID(int=self.offset)), "show_id": SHOW, "user_id": user, "status": status, "seats": seats,
            "total": {"amount": 0, "currency": "EUR"}, "created_at": "2026-11-21T09:30:00.123Z",
            "expires_at": "2099-01-01T00:00:00.000Z" if status == "held" else None,
            "decided": {"partition": 0, "offset": self.offset},
        }  # fmt: skip
        made = len(self.responses)
        if self.fault is Fault.FORGETS and made % 3 == 0:
            return booking
        self.bookings[str(booking["id"])] = booking
        if self.fault is Fault.TAKES_BACK and made % 3 == 0:
            acknowledged = dict(booking)
            self.offset += 1
            self.change(booking, "cancelled")
            return acknowledged
        return dict(booking)

    def change(self, booking: dict[str, Any], status: str) -> Any:
        booking |= {"status": status, "decided": {"partition": 0, "offset": self.offset}}
        return dict(booking)


@asynccontextmanager
async def faulty_service(fault: Fault) -> AsyncIterator[FaultyService]:
    """Starts the service on a free port."""
    service = FaultyService(fault)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        await asyncio.gather(*service.connections)

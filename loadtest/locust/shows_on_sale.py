"""Shows for a load test, made over HTTP by staff: too small for all users, with a sale that starts during the run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from loadtest.client import Client
from schemas.api import timestamp

ROW = 30
SEATS_PER_USER = 1.0
"""Seats per user in each show: most users book two, so that about half of them find none."""
FEWEST, MOST = 120, 30_000
SHOWS = 2


def layout(users: int) -> dict[str, Any]:
    """Layout for `users` users: rows A, B, … of 30 seats with two aisles, in two sections."""
    seats = min(max(int(users * SEATS_PER_USER), FEWEST), MOST)
    rows = [{"name": row_name(n), "seats": ROW, "aisles_after": [8, 22]} for n in range(seats // ROW)]
    front = len(rows) // 2
    prices = ({"amount": 4500, "currency": "EUR"}, {"amount": 2900, "currency": "EUR"})
    return {
        "sections": [
            {"name": "Stalls", "price": prices[0], "rows": rows[:front]},
            {"name": "Circle", "price": prices[1], "rows": rows[front:]},
        ]
    }


def row_name(number: int) -> str:
    """Name of a row: A, B, … Z, AA, AB, …"""
    name = ""
    number += 1
    while number:
        number, seat_state = divmod(number - 1, 26)
        name = chr(ord("A") + seat_state) + name
    return name


async def make_shows(client: Client, staff: str, users: int, sale_in_s: float) -> list[int]:
    """Makes two shows whose sales start in `sale_in_s` seconds. Raises SetupError."""
    now = datetime.now(UTC)
    movie = await client.ask(
        "POST",
        "/api/movies",
        token=staff,
        body={"title": f"One Night Only ({now:%H:%M:%S})", "duration_minutes": 120, "language": "en"},
    )
    made = []
    for number in range(1, SHOWS + 1):
        show = await client.ask(
            "POST",
            "/api/shows",
            token=staff,
            body={
                "movie_id": movie["id"],
                "screen_name": f"Arena {number}",
                "starts_at": _text(now + timedelta(days=30, hours=number)),
                "sales_start_at": _text(now + timedelta(seconds=sale_in_s)),
                "layout": layout(users),
            },
        )
        made.append(show["id"])
    return made


def _text(at: datetime) -> str:
    return timestamp(int(at.timestamp() * 1000))

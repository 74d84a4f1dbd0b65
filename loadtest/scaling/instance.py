"""The running Aisle of this load test: its commands, its shows, and what it has stored."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from loadtest.client import Client, SetupError
from loadtest.scaling.load import Show

_PARTITIONS_OF_SHOWS = "SELECT show_id, partition FROM shows WHERE show_id = ANY ($1)"
_BOOKINGS = "SELECT booking_id::text FROM bookings WHERE show_id = ANY ($1)"
_COMMAND_S = 120.0


class CommandFailed(Exception):
    """An `aisle` command failed; the message is its output."""


async def aisle(environment: Mapping[str, str], *arguments: str) -> str:
    """Runs an `aisle` command and returns its output. Raises CommandFailed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops",
        *arguments,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _COMMAND_S)
    except TimeoutError:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        raise CommandFailed(f"aisle {' '.join(arguments)}: not done within {_COMMAND_S:.0f} s") from None
    text = output.decode(errors="replace").strip()
    if process.returncode != 0:
        raise CommandFailed(f"aisle {' '.join(arguments)}: {text}")
    return text


async def processes(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The rows of `aisle ps`, by name."""
    rows = msgspec.json.decode(await aisle(environment, "ps", "--json"))
    return {row["name"]: row for row in rows}


async def make_shows(
    host: str, port: int, database_url: str, staff_token: str, *, count: int, seats: int
) -> list[Show]:
    """Makes shows of numbered seats, which Aisle places on different partitions. Raises SetupError."""
    async with Client(host, port) as client:
        movie = {"title": "The Long Queue", "duration_minutes": 90, "language": "en"}
        made = await client.ask("POST", "/api/movies", token=staff_token, body=movie)
        terms = {
            "movie_id": made["id"],
            "screen_name": "One",
            "starts_at": "2099-01-01T20:00:00.000Z",
            "total_seats": seats,
            "seats_per_customer": 10_000,
        }
        shows = [
            (await client.ask("POST", "/api/shows", token=staff_token, body=terms))["id"]
            for _ in range(count)
        ]
    connection = await asyncpg.connect(database_url)
    try:
        placed = dict(await connection.fetch(_PARTITIONS_OF_SHOWS, shows))
    finally:
        await connection.close()
    if len(set(placed.values())) != count:
        raise SetupError(f"the shows are not on {count} partitions: {placed}")
    return [Show(show_id, placed[show_id], seats) for show_id in shows]


async def stored_bookings(database_url: str, shows: list[Show]) -> set[str]:
    """The ids of all bookings of these shows."""
    connection = await asyncpg.connect(database_url)
    try:
        return {row[0] for row in await connection.fetch(_BOOKINGS, [show.show_id for show in shows])}
    finally:
        await connection.close()


def supervisor_output(home: Path) -> str:
    """The last lines of `aisle up`."""
    return (home / "bench-up.out").read_text(errors="replace")[-4000:]

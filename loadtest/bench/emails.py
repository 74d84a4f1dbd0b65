"""The letters: how many bookings still wait for theirs, and what one costs when nothing else is going on."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec

from loadtest.bench.processes import CpuMeter

_BOOKED = "SELECT count(*) FROM bookings WHERE show_id = ANY ($1::int[])"
_CONFIRMED = "SELECT count(*) FROM bookings WHERE show_id = ANY ($1::int[]) AND status = 'confirmed'"
_SENT = """
    SELECT count(*) FROM deliveries d JOIN bookings b USING (booking_id)
     WHERE d.status = 'sent' AND b.show_id = ANY ($1::int[])"""


class Emails(msgspec.Struct, frozen=True):
    """What became of the letters about the benchmark's bookings."""

    booked: int
    """Bookings as the database has them; each that is confirmed is owed a letter."""
    sent: int
    pending: int = msgspec.field(name="left")
    """Owed and not sent yet when the last run was over."""
    per_second: float | None = msgspec.field(name="a_second")
    """How fast the notifier works when it has the machine to itself; None when it had nothing to do."""
    cpu_us: dict[str, float] | None
    """CPU microseconds of each part for one letter, measured then."""


async def count_booked(database_url: str, shows: list[int]) -> int:
    """Bookings of `shows` in the database."""
    connection = await asyncpg.connect(database_url)
    try:
        booked: int = await connection.fetchval(_BOOKED, shows)
        return booked
    finally:
        await connection.close()


async def measure_emails(database_url: str, shows: list[int], cpu: CpuMeter, watch_s: float) -> Emails:
    """Counts the letters about bookings of `shows`, then watches the notifier for `watch_s`."""
    connection = await asyncpg.connect(database_url)
    try:
        booked = await connection.fetchval(_BOOKED, shows)
        confirmed = await connection.fetchval(_CONFIRMED, shows)
        sent = await connection.fetchval(_SENT, shows)
        cpu_before = cpu.read()
        await asyncio.sleep(watch_s)
        used = cpu.read()
        later = await connection.fetchval(_SENT, shows)
    finally:
        await connection.close()
    used.subtract(cpu_before)
    done = later - sent
    return Emails(
        booked=booked,
        sent=sent,
        pending=confirmed - sent,
        per_second=done / watch_s if done else None,
        cpu_us={part: seconds * 1e6 / done for part, seconds in used.items()} if done else None,
    )

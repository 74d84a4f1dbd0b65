"""E-mails about the benchmark's bookings: how many are pending, and what one costs on an idle machine."""

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
    """E-mails about the benchmark's bookings."""

    booked: int
    """Bookings in the database; each confirmed one gets an e-mail."""
    sent: int
    pending: int = msgspec.field(name="left")
    """Confirmed bookings whose e-mail was not sent when the last run ended."""
    per_second: float | None = msgspec.field(name="a_second")
    """Rate of the notifier alone on the machine; None when it sent nothing."""
    cpu_us: dict[str, float] | None
    """CPU microseconds of each part per e-mail, measured at the same time."""


async def count_booked(database_url: str, shows: list[int]) -> int:
    """Returns the number of bookings of `shows` in the database."""
    connection = await asyncpg.connect(database_url)
    try:
        booked: int = await connection.fetchval(_BOOKED, shows)
        return booked
    finally:
        await connection.close()


async def measure_emails(database_url: str, shows: list[int], cpu: CpuMeter, watch_s: float) -> Emails:
    """Counts the e-mails about bookings of `shows`, then measures the notifier for `watch_s` seconds."""
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

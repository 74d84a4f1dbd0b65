"""Reads the state of PostgreSQL, the log and the seat maps after a storm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg

from runtime.log import Log
from runtime.log.opening import open_log
from schemas.wire import EVENTS_TOPIC, decode_decision, decode_published_event
from tests.chaos.chaos_instance import ChaosInstance
from tests.chaos.stored_state import Claim, StoredBooking, StoredState

_DECIDED_S = 60.0
_PAGE = 2_000

_RUNNING_OUT = """
    SELECT count(*) FROM bookings
     WHERE show_id = ANY ($1::int[]) AND status = 'held' AND expires_ms < 1000 * ($2 + 30)::bigint"""
"""Number of holds that expire during the reading."""

_BOOKINGS = """
    SELECT booking_id::text, show_id, user_id, status, seats FROM bookings WHERE show_id = ANY ($1::int[])"""
_CLAIMS = """
    SELECT show_id, seat, booking_id::text, state FROM claims
     WHERE show_id = ANY ($1::int[]) AND booking_id IS NOT NULL"""
_ANSWERS = "SELECT partition, log_offset, answer FROM decisions"


async def read_stored(instance: ChaosInstance, shows: Sequence[tuple[int, int]]) -> StoredState:
    """Returns the state once all commands are decided, at the latest after a minute."""
    log = await open_log(instance.kafka, instance.database_url)
    database = await asyncpg.connect(instance.database_url)
    try:
        ids = [show_id for show_id, _ in shows]
        await _until_holds_have_run_out(database, ids)
        decided = {
            f"{partition}-{offset}-{n}"
            for partition, offset, answer in await database.fetch(_ANSWERS)
            for n in range(len(decode_decision(answer).events))
        }
        published = await _published(log, decided)
        bookings = [
            StoredBooking(booking_id, show_id, user_id, status, tuple(seats))
            for booking_id, show_id, user_id, status, seats in await database.fetch(_BOOKINGS, ids)
        ]
        claims: dict[int, dict[str, Claim]] = {show_id: {} for show_id in ids}
        for show_id, seat, booking_id, state in await database.fetch(_CLAIMS, ids):
            claims[show_id][str(seat + 1)] = Claim(booking_id, state.decode())
    finally:
        await database.close()
        await log.close()
    return StoredState(
        bookings={booking.booking_id: booking for booking in bookings},
        claims=claims,
        maps={show_id: await _map(instance, show_id) for show_id in ids},
        decided_events=decided,
        published_events=published,
        read_at_s=time.time(),
    )


async def _until_holds_have_run_out(database: asyncpg.Connection, show_ids: list[int]) -> None:
    deadline = time.monotonic() + _DECIDED_S
    while time.monotonic() < deadline:
        if not await database.fetchval(_RUNNING_OUT, show_ids, time.time()):
            return
        await asyncio.sleep(0.2)


async def _published(log: Log, decided: set[str]) -> set[str]:
    """Returns the ids of all published events, after waiting for missing ones."""
    deadline = time.monotonic() + _DECIDED_S
    found: set[str] = set()
    read_to: dict[int, int] = {}
    while True:
        for partition, (_, end) in (await log.bounds(EVENTS_TOPIC)).items():
            start = read_to.get(partition, 0)
            while start < end:
                for record in await log.read(EVENTS_TOPIC, partition, start, min(_PAGE, end - start)):
                    found.add(decode_published_event(record.body).event_id)
                    start = record.offset + 1
            read_to[partition] = start
        if decided <= found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)


async def _map(instance: ChaosInstance, show_id: int) -> dict[str, str]:
    async with instance.client(1) as anybody:
        states: str = (await anybody.get(f"/api/shows/{show_id}/seats")).json()["states"]
    return {str(number): letter for number, letter in enumerate(states, 1)}

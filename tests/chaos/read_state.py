"""Reads the state of PostgreSQL, the log and the seat maps after a storm."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from runtime.log import Log
from runtime.log.opening import open_log
from schemas.wire import EVENTS_TOPIC, decode_decision, decode_published_event
from tests.chaos.chaos_instance import ChaosInstance
from tests.chaos.history import History
from tests.chaos.stored_state import Claim, Remark, StoredBlock, StoredBooking, StoredState

_DECIDED_S = 60.0
_PAGE = 2_000
MAX_SHOWN = 50
"""Bookings with a remark that are read through the API."""

_RUNNING_OUT = """
    SELECT (SELECT count(*) FROM bookings
             WHERE show_id = ANY ($1::int[]) AND status = 'held' AND expires_ms < 1000 * ($2 + 30)::bigint)
         + (SELECT count(*) FROM claims WHERE show_id = ANY ($1::int[]) AND release_ms < 1000 * ($2 + 10)::bigint)"""
"""Number of holds that expire, and of blocked seats that are released, during the reading."""

_BOOKINGS = """
    SELECT booking_id::text, show_id, user_id, status, seats, total, expires_ms FROM bookings
     WHERE show_id = ANY ($1::int[])"""
_CLAIMS = """
    SELECT show_id, seat, booking_id::text, state, code, release_ms FROM claims WHERE show_id = ANY ($1::int[])"""
_REMARKS = (
    "SELECT booking_id::text, note, paid, staff_id FROM booking_remarks WHERE booking_id = ANY ($1::uuid[])"
)
_ANSWERS = "SELECT partition, log_offset, answer FROM decisions"


async def read_stored(instance: ChaosInstance, history: History) -> StoredState:
    """Returns the state once all commands are decided, at the latest after a minute."""
    log = await open_log(instance.kafka, instance.database_url)
    database = await asyncpg.connect(instance.database_url)
    shows = history.shows
    try:
        ids = [show.show_id for show in shows]
        await _until_holds_have_run_out(database, ids)
        decided = {
            f"{partition}-{offset}-{n}"
            for partition, offset, answer in await database.fetch(_ANSWERS)
            for n in range(len(decode_decision(answer).events))
        }
        published = await _published(log, decided)
        bookings = {
            row["booking_id"]: StoredBooking(
                row["booking_id"],
                row["show_id"],
                row["user_id"],
                row["status"],
                tuple(row["seats"]),
                row["total"],
                _seconds(row["expires_ms"]),
            )
            for row in await database.fetch(_BOOKINGS, ids)
        }
        claims: dict[int, dict[str, Claim]] = {show_id: {} for show_id in ids}
        blocks: dict[int, dict[str, StoredBlock]] = {show_id: {} for show_id in ids}
        labels = {show.show_id: show.labels for show in shows}
        for show_id, seat, booking_id, state, code, release_ms in await database.fetch(_CLAIMS, ids):
            label = labels[show_id][seat]
            if state == b"b":
                blocks[show_id][label] = StoredBlock(code, _seconds(release_ms))
            else:
                claims[show_id][label] = Claim(booking_id, state.decode())
        remarks = {
            row["booking_id"]: Remark(row["note"], row["paid"], row["staff_id"])
            for row in await database.fetch(_REMARKS, [*bookings])
        }
    finally:
        await database.close()
        await log.close()
    maps = {show.show_id: await _map(instance, show.show_id) for show in shows}
    owned = {booking_id: row.user_id for booking_id, row in bookings.items() if row.user_id}
    noted = [booking_id for booking_id in bookings if booking_id in remarks]
    return StoredState(
        bookings=bookings,
        claims=claims,
        blocks=blocks,
        remarks=remarks,
        shown_to_staff={one: await _shown(instance, one, 1, "staff") for one in noted[:MAX_SHOWN]},
        shown_to_owner={
            one: await _shown(instance, one, owned[one], "customer")
            for one in [one for one in noted if one in owned][:MAX_SHOWN]
        },
        kinds={show_id: kinds for show_id, (_, kinds) in maps.items()},
        maps={show_id: states for show_id, (states, _) in maps.items()},
        decided_events=decided,
        published_events=published,
        read_at_s=time.time(),
    )


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


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


async def _map(instance: ChaosInstance, show_id: int) -> tuple[dict[str, str], str | None]:
    """Returns label → letter, and the kinds of the seats in layout order."""
    async with instance.client(1) as anybody:
        seat_map = (await anybody.get(f"/api/shows/{show_id}/seats")).json()
    labels = [label for section in seat_map["sections"] for row in section["rows"] for label in row["seats"]]
    return dict(zip(labels, seat_map["states"], strict=True)), seat_map.get("kinds")


async def _shown(instance: ChaosInstance, booking_id: str, user_id: int, role: str) -> Remark:
    """Returns what the API shows a user of the remark on a booking."""
    async with instance.client(user_id, role) as client:
        body = (await client.get(f"/api/bookings/{booking_id}")).json()
    assert body["id"] == booking_id, body
    return Remark(body.get("note"), body.get("paid"))

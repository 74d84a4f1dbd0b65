"""Comparison of replayed shows with their stored rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

import msgspec

from ops.audit.findings import Findings
from ops.audit.replay import Replay
from schemas.events import Booking
from schemas.ids import Position
from seat_workers.fold import Claim
from seat_workers.show_state import BLOCKED, Show

_CLAIMS = "SELECT seat, state::text, booking_id, code, release_ms FROM claims WHERE show_id = $1"
_BOOKINGS = """
    SELECT booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, checked_in,
           hold_ms, paid, partition, log_offset
      FROM bookings WHERE show_id = ANY ($1::int[])"""
_SHOWS_AT_ONCE, _BOOKINGS_AT_ONCE = 64, 100_000
"""Limits of a portion of shows. Bookings have no index by show, so the table is read once per portion, which is then
in memory."""
_STATE = "SELECT * FROM show_states WHERE show_id = $1"
_STRAYS = """
    SELECT 'claims' AS what, show_id FROM claims WHERE show_id <> ALL ($1::int[])
     UNION SELECT 'bookings', show_id FROM bookings WHERE show_id <> ALL ($1::int[])
     UNION SELECT 'show_states', show_id FROM show_states WHERE show_id <> ALL ($1::int[])"""


class Comparison:
    """Compares replayed shows with stored rows and adds the differences to the findings."""

    def __init__(self, database: Any, findings: Findings) -> None:
        self._database = database
        self._findings = findings

    async def compare_shows(self, replay: Replay) -> None:
        """Compares all shows of a partition with their rows."""
        for portion in _portions(replay.shows):
            bookings: dict[int, dict[UUID, Any]] = {show_id: {} for show_id in portion}
            for row in await self._database.fetch(_BOOKINGS, portion):
                bookings[row["show_id"]][row["booking_id"]] = row
            for show_id in portion:
                show = replay.shows[show_id]
                await self._compare_claims(show_id, show)
                self._compare_bookings(bookings.pop(show_id), show, replay)
                await self._compare_state(show_id, show, replay.partition)
        self._findings.shows += len(replay.shows)

    async def compare_strays(self, show_ids: Collection[int]) -> None:
        """Reports rows of shows that the log does not have."""
        for what, show_id in await self._database.fetch(_STRAYS, sorted(show_ids)):
            self._differ(f"{what} has rows of show {show_id}, which the log never opened")

    async def _compare_claims(self, show_id: int, show: Show) -> None:
        rows = await self._database.fetch(_CLAIMS, show_id)
        claims = {row["seat"]: Claim(*tuple(row)[1:]) for row in rows}
        for seat, claim in _claims_of(show).items():
            if claims.pop(seat, None) != claim:
                self._differ(f"show {show_id}: seat {show.seating.label(seat)} is not claimed as {claim}")
        for seat, claim in claims.items():
            self._differ(f"show {show_id}: seat index {seat} is claimed as {claim}, and should be free")

    def _compare_bookings(self, rows: dict[UUID, Any], show: Show, replay: Replay) -> None:
        for booking in (*show.ended.values(), *show.bookings.values()):
            self._findings.bookings += 1
            row = rows.pop(booking.booking_id, None)
            at = Position(replay.partition, replay.decided_at[booking.booking_id])
            if row is None or not _same(booking, at, row):
                stored = "nothing" if row is None else str(dict(row))
                self._differ(
                    f"booking {booking.booking_id} is stored as {stored}, and should be {booking} by {at}"
                )
        for booking_id in rows:
            self._differ(f"booking {booking_id} is stored, but the log has no decision that made it")

    async def _compare_state(self, show_id: int, show: Show, partition: int) -> None:
        state = await self._database.fetchrow(_STATE, show_id)
        assert show.status is not None
        wanted = {
            "partition": partition,
            "status": show.status.value,
            "version": show.version,
            "available": show.available,
            **msgspec.structs.asdict(show.terms),
        }
        for name, value in wanted.items():
            if state is None or state[name] != value:
                self._differ(f"show {show_id}: {name} is {state and state[name]}, and should be {value}")

    def _differ(self, difference: str) -> None:
        self._findings.differences.append(difference)


def _portions(shows: Mapping[int, Show]) -> Iterator[list[int]]:
    """Yields all shows in portions within the limits; a show beyond them is a portion of its own."""
    portion: list[int] = []
    bookings = 0
    for show_id, show in shows.items():
        more = len(show.ended) + len(show.bookings)
        if portion and (len(portion) == _SHOWS_AT_ONCE or bookings + more > _BOOKINGS_AT_ONCE):
            yield portion
            portion, bookings = [], 0
        portion.append(show_id)
        bookings += more
    if portion:
        yield portion


def _same(booking: Booking, at: Position, row: Mapping[str, Any]) -> bool:
    stored = {name: row[name] for name in Booking.__struct_fields__}
    stored["checked_in"] = msgspec.json.decode(row["checked_in"]) if row["checked_in"] else {}
    wanted = msgspec.structs.asdict(booking) | {"status": booking.status.value, "seats": list(booking.seats)}
    return stored == wanted and Position(row["partition"], row["log_offset"]) == at


def _claims_of(show: Show) -> dict[int, Claim]:
    claims = {
        seat: Claim("b", None, *show.block(seat))
        for seat, letter in enumerate(show.states)
        if letter == BLOCKED
    }
    for booking in show.bookings.values():
        letter = "s" if booking.status.value == "confirmed" else "h"
        claims.update(dict.fromkeys(show.indexes(booking.seats), Claim(letter, booking.booking_id)))
    return claims

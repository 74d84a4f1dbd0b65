"""Checkpoints of `aisle verify`: the replayed state of each partition at the last run without differences."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from ops.audit.replay import Replay
from runtime.log import WrongLog
from schemas.events import RULES, Booking, ShowStatus, Terms
from schemas.wire import encode
from seat_workers.show_state import BLOCKED, Show

_DROP = "DELETE FROM verify_checkpoints; DELETE FROM verify_checkpoint_shows"
_WRITE = "INSERT INTO verify_checkpoints (partition, next_offset, last_ms, rules) VALUES ($1, $2, $3, $4)"
_WRITE_SHOW = "INSERT INTO verify_checkpoint_shows (show_id, partition, state) VALUES ($1, $2, $3)"
_READ = "SELECT partition, next_offset, last_ms, rules, at FROM verify_checkpoints"
_READ_SHOWS = "SELECT show_id, state FROM verify_checkpoint_shows WHERE partition = $1 ORDER BY show_id"


class Checkpoint(msgspec.Struct, frozen=True):
    """The checkpoint of one partition."""

    partition: int
    next_offset: int
    last_ms: int
    rules: int
    at: datetime


class _State(msgspec.Struct, frozen=True):
    """A show in a checkpoint. Each booking, ended ones included, has the offset of its last decision."""

    status: ShowStatus
    terms: Terms
    version: int
    bookings: list[tuple[Booking, int]]
    blocked: list[int]


_decode = msgspec.json.Decoder(_State).decode


async def read_checkpoints(database: Any) -> dict[int, Checkpoint]:
    """Returns the newest checkpoint, by partition."""
    return {row["partition"]: Checkpoint(*row) for row in await database.fetch(_READ)}


async def restore(database: Any, replay: Replay, checkpoint: Checkpoint) -> None:
    """Sets a replay that has not begun to the state of the checkpoint."""
    replay.next_offset, replay.last_ms = checkpoint.next_offset, checkpoint.last_ms
    for show_id, compressed in await database.fetch(_READ_SHOWS, replay.partition):
        state = _decode(zlib.decompress(compressed))
        seating = await replay.seating(state.terms.layout_digest)
        if seating is None:
            raise WrongLog(f"layout {state.terms.layout_id} of show {show_id} is not stored any more")
        show = Show(show_id, seating)
        bookings = [booking for booking, _ in state.bookings]
        show.restore(
            state.status, state.terms, state.version, [b for b in bookings if b.status.live], state.blocked
        )
        show.ended = {booking.booking_id: booking for booking in bookings if not booking.status.live}
        replay.shows[show_id] = show
        replay.decided_at.update({booking.booking_id: offset for booking, offset in state.bookings})


async def write_checkpoint(database: Any, replays: Collection[Replay]) -> None:
    """Stores the state of these replays in place of any older checkpoint."""
    async with database.transaction():
        await database.execute(_DROP)
        for replay in replays:
            await database.execute(_WRITE, replay.partition, replay.next_offset, replay.last_ms, RULES)
            for show_id, show in replay.shows.items():
                state = zlib.compress(encode(_state_of(show, replay)), level=1)
                await database.execute(_WRITE_SHOW, show_id, replay.partition, state)


def _state_of(show: Show, replay: Replay) -> _State:
    assert show.status is not None
    bookings = [*show.ended.values(), *show.bookings.values()]
    return _State(
        status=show.status,
        terms=show.terms,
        version=show.version,
        bookings=[(booking, replay.decided_at[booking.booking_id]) for booking in bookings],
        blocked=[seat for seat, letter in enumerate(show.states) if letter == BLOCKED],
    )

"""Checkpoints: the replayed state of each partition at some offset.

`aisle verify` has one, of its last run without differences. `aisle prune` has one of the decisions that it dropped,
which advances with each run: only the shows that the newly dropped decisions are about are stored anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from ops.audit.findings import WrongRules
from ops.audit.replay import Replay
from runtime.log import WrongLog
from schemas.events import RULES, Booking, ShowStatus, Terms
from schemas.wire import encode
from seat_workers.show_state import BLOCKED, PLAIN, Block, Show


class Tables(msgspec.Struct, frozen=True):
    """The two tables of a checkpoint."""

    partitions: str
    shows: str


VERIFIED = Tables("verify_checkpoints", "verify_checkpoint_shows")
PRUNED = Tables("prune_checkpoints", "prune_checkpoint_shows")

_DROP = "DELETE FROM verify_checkpoints; DELETE FROM verify_checkpoint_shows"
_WRITE = """
INSERT INTO {0.partitions} AS t (partition, next_offset, last_ms, rules) VALUES ($1, $2, $3, $4)
    ON CONFLICT (partition) DO UPDATE
   SET next_offset = excluded.next_offset, last_ms = excluded.last_ms, rules = excluded.rules, at = now()"""
_WRITE_SHOW = """
INSERT INTO {0.shows} (show_id, partition, state) VALUES ($1, $2, $3)
    ON CONFLICT (show_id) DO UPDATE SET state = excluded.state"""
_READ = "SELECT partition, next_offset, last_ms, rules, at FROM {0.partitions}"
_READ_SHOWS = "SELECT show_id, state FROM {0.shows} WHERE partition = $1 ORDER BY show_id"
_READ_SHOW = "SELECT state FROM {0.shows} WHERE show_id = $1 AND partition = $2"


class Checkpoint(msgspec.Struct, frozen=True):
    """The checkpoint of one partition."""

    partition: int
    next_offset: int
    last_ms: int
    rules: int
    at: datetime


class ShowState(msgspec.Struct, frozen=True):
    """A show in a checkpoint. Each booking, ended ones included, has the offset of its last decision."""

    status: ShowStatus
    terms: Terms
    version: int
    bookings: list[tuple[Booking, int]]
    blocked: list[int]
    blocks: list[tuple[int, Block]] = []
    """Those of the blocked seats that have a code or a release time. Absent from checkpoints of release 1."""


_decode = msgspec.json.Decoder(ShowState).decode


async def read_checkpoints(database: Any, tables: Tables = VERIFIED) -> dict[int, Checkpoint]:
    """Returns the newest checkpoint, by partition. Raises WrongRules for one of a later release."""
    rows = await database.fetch(_READ.format(tables))
    checkpoints = {row["partition"]: Checkpoint(*row) for row in rows}
    rules = max((checkpoint.rules for checkpoint in checkpoints.values()), default=RULES)
    if rules > RULES:
        raise WrongRules(
            f"the checkpoint has rules {rules} of a later release, this one has rules {RULES}: run `aisle verify` of"
            " that release"
        )
    return checkpoints


async def read_show_state(
    database: Any, partition: int, show_id: int, tables: Tables = PRUNED
) -> ShowState | None:
    """Returns a show in the checkpoint of its partition; None if it is not there."""
    compressed = await database.fetchval(_READ_SHOW.format(tables), show_id, partition)
    return None if compressed is None else _decode(zlib.decompress(compressed))


async def restore(database: Any, replay: Replay, checkpoint: Checkpoint, tables: Tables = VERIFIED) -> None:
    """Sets a replay that has not begun to the state of the checkpoint."""
    replay.next_offset, replay.last_ms = checkpoint.next_offset, checkpoint.last_ms
    for show_id, compressed in await database.fetch(_READ_SHOWS.format(tables), replay.partition):
        await _restore_show(replay, show_id, _decode(zlib.decompress(compressed)))


async def restore_on_demand(database: Any, replay: Replay, checkpoint: Checkpoint) -> None:
    """As `restore` from the checkpoint of `aisle prune`, but each show when the first command for it is replayed."""
    replay.next_offset, replay.last_ms = checkpoint.next_offset, checkpoint.last_ms

    async def load(show_id: int) -> None:
        state = await read_show_state(database, replay.partition, show_id)
        if state is not None:
            await _restore_show(replay, show_id, state)

    replay.load_show = load


async def _restore_show(replay: Replay, show_id: int, state: ShowState) -> None:
    seating = await replay.seating(state.terms.layout_digest)
    if seating is None:
        raise WrongLog(f"layout {state.terms.layout_id} of show {show_id} is not stored any more")
    show = Show(show_id, seating)
    bookings = [booking for booking, _ in state.bookings]
    live = [booking for booking in bookings if booking.status.live]
    blocked = dict.fromkeys(state.blocked, PLAIN) | dict(state.blocks)
    show.restore(state.status, state.terms, state.version, live, blocked)
    show.ended = {booking.booking_id: booking for booking in bookings if not booking.status.live}
    replay.shows[show_id] = show
    replay.decided_at.update({booking.booking_id: offset for booking, offset in state.bookings})


async def write_checkpoint(database: Any, replays: Collection[Replay]) -> None:
    """Stores the state of these replays as the checkpoint of `aisle verify`, in place of any older one."""
    async with database.transaction():
        await database.execute(_DROP)
        for replay in replays:
            await advance_checkpoint(database, replay, VERIFIED)


async def advance_checkpoint(database: Any, replay: Replay, tables: Tables = PRUNED) -> None:
    """Stores the offset of a replay, and the shows that it has in memory."""
    await database.execute(_WRITE.format(tables), replay.partition, replay.next_offset, replay.last_ms, RULES)
    for show_id, show in replay.shows.items():
        state = zlib.compress(encode(_state_of(show, replay)), level=1)
        await database.execute(_WRITE_SHOW.format(tables), show_id, replay.partition, state)


def _state_of(show: Show, replay: Replay) -> ShowState:
    assert show.status is not None
    bookings = [*show.ended.values(), *show.bookings.values()]
    return ShowState(
        status=show.status,
        terms=show.terms,
        version=show.version,
        bookings=[(booking, replay.decided_at[booking.booking_id]) for booking in bookings],
        blocked=[seat for seat, letter in enumerate(show.states) if letter == BLOCKED],
        blocks=list(show.blocks.items()),
    )

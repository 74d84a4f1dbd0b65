"""A show as pruned decisions left it, written as the events that lead there.

So what reads decisions, `aisle explain` and `aisle rebuild`, can begin at the checkpoint of `aisle prune`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from ops.audit.checkpoints import PRUNED, ShowState, read_checkpoints, read_show_state
from runtime.log import WrongLog
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    Decision,
    Event,
    HoldExpired,
    HoldReleased,
    SeatsBlocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowStatus,
)
from schemas.ids import Position
from schemas.layout import decode_layout
from schemas.seating import Seating
from seat_workers.fold import DecidedRecord
from seat_workers.show_state import PLAIN, Block

BY = "a command that is pruned"

_LAYOUT = "SELECT body FROM layouts WHERE digest = $1"


class Carried(msgspec.Struct, frozen=True):
    """The offset from which decisions are kept, and decisions that stand for those before it."""

    next_offset: int
    records: list[DecidedRecord]


async def carried_to(database: Any, partition: int, show_id: int) -> Carried:
    """Returns the show at the checkpoint of `aisle prune`; nothing from offset 0 where nothing is pruned."""
    checkpoint = (await read_checkpoints(database, PRUNED)).get(partition)
    if checkpoint is None:
        return Carried(0, [])
    state = await read_show_state(database, partition, show_id)
    if state is None:
        return Carried(checkpoint.next_offset, [])
    body = await database.fetchval(_LAYOUT, state.terms.layout_digest)
    if body is None:
        raise WrongLog(f"layout {state.terms.layout_id} of show {show_id} is not stored any more")
    made = _records(show_id, partition, state, Seating(decode_layout(body)), checkpoint.last_ms)
    return Carried(checkpoint.next_offset, list(made))


def _records(
    show_id: int, partition: int, state: ShowState, seating: Seating, last_ms: int
) -> Iterator[DecidedRecord]:
    """Yields the opening, ended bookings before those that may have their seats now, blocks, and the last terms."""

    def record(offset: int, at_ms: int, *events: Event) -> DecidedRecord:
        return DecidedRecord(
            Position(partition, offset), at_ms, b"", None, Decision(events=events), b"", False
        )

    terms = state.terms
    yield record(state.version, last_ms, ShowOpened(show_id, ShowStatus.OPEN, terms))
    for booking, offset in sorted(state.bookings, key=lambda one: (one[0].status.live, one[1])):
        yield record(offset, booking.created_ms, *_events_of(booking))
    seats: dict[Block, list[str]] = defaultdict(list)
    blocks = dict(state.blocks)
    for seat in state.blocked:
        seats[blocks.get(seat, PLAIN)].append(seating.label(seat))
    for block, labels in seats.items():
        yield record(
            state.version,
            last_ms,
            SeatsBlocked(show_id, tuple(labels), code=block.code, release_ms=block.release_ms),
        )
    match state.status:
        case ShowStatus.CLOSED:
            last: Event = ShowClosed(show_id, state.status, terms)
        case ShowStatus.CANCELLED:
            last = ShowCancelled(show_id, state.status, terms)
        case _:
            last = ShowChanged(show_id, state.status, terms)
    yield record(state.version, last_ms, last)


def _events_of(booking: Booking) -> tuple[Event, ...]:
    match booking.status:
        case BookingStatus.HELD:
            return (BookingHeld(booking),)
        case BookingStatus.CONFIRMED:
            return (BookingConfirmed(booking),)
        case BookingStatus.CANCELLED:
            return (BookingConfirmed(booking), BookingCancelled(booking))
        case BookingStatus.RELEASED:
            return (BookingHeld(booking), HoldReleased(booking))
        case BookingStatus.EXPIRED:
            return (BookingHeld(booking), HoldExpired(booking))

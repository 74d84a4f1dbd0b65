"""One batch as it goes to PostgreSQL: everything that is committed at once, and how it becomes columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from schemas.events import RULES, Booking, ShowStatus, Terms
from schemas.wire import encode
from seat_workers.fold import Decided, NetChanges


class ShowRow(msgspec.Struct, frozen=True):
    """A show as the batch leaves it."""

    show_id: int
    partition: int
    status: ShowStatus
    terms: Terms
    version: int
    available: int


class Advance(msgspec.Struct, frozen=True):
    """How far a batch moves one partition."""

    epoch: int
    expected: int
    next: int
    published: int
    last_ms: int


class Batch(msgspec.Struct, frozen=True):
    """What is committed in one call, and published when that has returned."""

    advances: dict[int, Advance]
    decided: list[Decided]
    net: NetChanges
    shows: list[ShowRow]
    """Every show of which anything changed."""
    versions_before: Mapping[int, int]
    """The version that each of these shows had before."""
    outdated: Sequence[tuple[UUID, int]] = ()
    """Command ids that this batch uses and that may be stored from long ago, each with the log time in ms from which on
    a use counts: what is older is forgotten in the same commit."""


def transposed(rows: Sequence[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    """Columns of the rows, each as one array; `width` empty ones when there are no rows."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def arguments(batch: Batch) -> list[Any]:
    """What `commit_batch_v1` takes, in its order: one array per column."""
    net = batch.net
    opened = [show for show in batch.shows if show.show_id in net.opened]
    changed = [show for show in batch.shows if show.show_id not in net.opened]
    termed = [show for show in changed if show.show_id in net.termed]
    # A new booking's row is made without its check-ins: those of the same batch are written right after.
    let_in = [row for row in net.new_bookings if row[0].checked_in]
    return [
        *transposed(
            [
                (partition, a.epoch, a.expected, a.next, a.published, a.last_ms)
                for partition, a in sorted(batch.advances.items())
            ],
            6,
        ),
        *transposed(
            [
                (
                    d.position.partition,
                    d.position.offset,
                    d.at_ms,
                    d.body,
                    d.answer,
                    d.command.command_id if d.first and d.command is not None else None,
                )
                for d in batch.decided
            ],
            6,
        ),
        RULES,
        *transposed(net.frees, 2),
        *transposed([(show, seat, c.state, c.booking_id) for show, seat, c in net.claims], 4),
        *transposed(
            [
                (
                    b.booking_id,
                    b.show_id,
                    b.user_id,
                    b.status.value,
                    "\x1f".join(b.seats),
                    b.total,
                    b.currency,
                    b.created_ms,
                    b.expires_ms,
                    at.partition,
                    at.offset,
                )
                for b, at in net.new_bookings
            ],
            11,
        ),
        *transposed(
            [
                (b.booking_id, b.status.value, b.expires_ms, _checked_in(b), at.partition, at.offset)
                for b, at in (*net.changed_bookings, *let_in)
            ],
            6,
        ),
        *transposed([_opened_row(show) for show in opened], 11),
        *transposed([(show.show_id, show.version, show.available) for show in changed], 3),
        *transposed([_termed_row(show) for show in termed], 6),
    ]


def _checked_in(booking: Booking) -> str | None:
    return encode(booking.checked_in).decode() if booking.checked_in else None


def _opened_row(show: ShowRow) -> tuple[Any, ...]:
    t = show.terms
    return (
        show.show_id,
        show.partition,
        show.status.value,
        show.version,
        show.available,
        t.layout_id,
        t.layout_digest,
        t.starts_ms,
        t.seats_per_customer,
        t.sales_start_ms,
        t.sales_end_ms,
    )


def _termed_row(show: ShowRow) -> tuple[Any, ...]:
    t = show.terms
    return (
        show.show_id,
        show.status.value,
        t.starts_ms,
        t.seats_per_customer,
        t.sales_start_ms,
        t.sales_end_ms,
    )

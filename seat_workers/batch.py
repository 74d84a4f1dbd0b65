"""A batch: everything that is committed at once, and its form as arguments of `commit_batch_v2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from schemas.events import RULES, Booking, ShowStatus, Terms
from schemas.wire import encode
from seat_workers.fold import DecidedRecord, NetChanges
from seat_workers.queries import SCAN_WIDTH


class ShowRow(msgspec.Struct, frozen=True):
    """A show's row after the batch."""

    show_id: int
    partition: int
    status: ShowStatus
    terms: Terms
    version: int
    available: int


class Advance(msgspec.Struct, frozen=True):
    """The change of one partition's row: its offsets before and after the batch."""

    epoch: int
    expected: int
    """`next_offset` before the batch."""
    next: int
    """`next_offset` after the batch."""
    published: int
    """`published_offset`: everything before it is published."""
    last_ms: int
    """Log time of the last record, Unix milliseconds."""


class Batch(msgspec.Struct, frozen=True):
    """Decisions that are committed in one call, and published after it has returned."""

    advances: dict[int, Advance]
    decided: list[DecidedRecord]
    net: NetChanges
    shows: list[ShowRow]
    """Every show that changed."""
    versions_before: Mapping[int, int]
    """Show → its version before the batch, for each of these shows."""
    expired_ids: Sequence[tuple[UUID, int]] = ()
    """Command ids that this batch uses and that may be stored although they have expired, each with the log time in ms
    since which a use counts: older uses are deleted in the same commit."""


def scan_arguments(batch: Batch) -> list[Sequence[Any]]:
    """The columns of `check_ins` that a batch with scans adds, in the order of `queries.commit_with_scans`."""
    return transposed(
        [
            (
                *(one.position.partition, one.position.offset, one.decided_ms, one.show_id, one.booking_id),
                *(one.seat, one.at_ms, one.gate, one.used_ms),
            )
            for one in batch.net.scans
        ],
        SCAN_WIDTH,
    )


def transposed(rows: Sequence[Sequence[Any]], width: int) -> list[Sequence[Any]]:
    """The columns of the rows; `width` empty ones when there are no rows."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _columns(rows: Sequence[Sequence[Any]], width: int) -> Sequence[Sequence[Any] | None]:
    """The columns of the rows; None for each when there are no rows, which is cheaper to send than empty arrays."""
    return list(zip(*rows, strict=True)) if rows else [None] * width


def arguments(batch: Batch) -> list[Any]:
    """The arguments of `commit_batch_v2`, in its order: one array per column."""
    net = batch.net
    opened = [show for show in batch.shows if show.show_id in net.opened]
    changed = [show for show in batch.shows if show.show_id not in net.opened]
    terms_changed = [show for show in changed if show.show_id in net.terms_changed]
    # Check-ins and extended holds of new bookings are not inserted but written right after, as changes.
    later = [row for row in net.new_bookings if row[0].checked_in or row[0].hold_ms is not None]
    changed_bookings = [booking for booking, _ in (*net.changed_bookings, *later)]
    moved = [booking if booking.booking_id.int in net.moved else None for booking in changed_bookings]
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
        *_columns(net.freed, 2),
        *_columns([(show, seat, c.state, c.booking_id) for show, seat, c in net.claims], 4),
        _sparse([c.code for _, _, c in net.claims]),
        _sparse([c.release_ms for _, _, c in net.claims]),
        *_columns(
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
        _sparse([b.paid or None for b, _ in net.new_bookings]),
        *_columns(
            [
                (b.booking_id, b.status.value, b.expires_ms, _checked_in(b), at.partition, at.offset)
                for b, at in (*net.changed_bookings, *later)
            ],
            6,
        ),
        _sparse([b.hold_ms for b in changed_bookings]),
        _sparse([b and "\x1f".join(b.seats) for b in moved]),
        _sparse([b and b.total for b in moved]),
        *_columns([_opened_row(show) for show in opened], 12),
        *_columns([(show.show_id, show.version, show.available) for show in changed], 3),
        *_columns([_terms_row(show) for show in terms_changed], 6),
    ]


def _sparse(column: Sequence[Any]) -> Sequence[Any] | None:
    """The column; None if all of its values are."""
    return None if column.count(None) == len(column) else column


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
        t.payment,
    )


def _terms_row(show: ShowRow) -> tuple[Any, ...]:
    t = show.terms
    return (
        show.show_id,
        show.status.value,
        t.starts_ms,
        t.seats_per_customer,
        t.sales_start_ms,
        t.sales_end_ms,
    )

"""The writers' ledger in PostgreSQL: takes partitions, loads shows, commits a batch in one round trip.

A commit is one call of the function `commit_batch_v2`, so one transaction without client round trips inside: it writes
everything or raises. A writer whose partition was taken by another has an old epoch and writes nothing. If the
connection is lost during a commit, `next_offset` shows afterwards whether it succeeded.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from runtime.postgres import UNAVAILABLE
from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.ids import Position
from schemas.layout import decode_layout
from schemas.seating import Seating
from seat_workers import queries
from seat_workers.batch import Batch, arguments, scan_arguments, transposed
from seat_workers.command_ids import FirstDecision
from seat_workers.compact.stored_show import BlockedColumns, BookingColumns, StoredShow


class Refused(Exception):
    """A commit that certainly wrote nothing."""


class Fenced(Refused):
    """Another writer has taken a partition of the batch, or advanced it."""


class IdUsed(Refused):
    """A command id of the batch was used before, in a decision that the worker did not remember."""


class DataRefused(Refused):
    """PostgreSQL refuses these rows. The next attempt must be smaller."""


class Unavailable(Refused):
    """PostgreSQL cannot commit now, for example on a full disk or while it shuts down. The commit can be retried."""


class OutcomeUnknown(Exception):
    """The connection was lost during a commit; `next_offset` shows whether it succeeded."""


class PartitionState(msgspec.Struct, frozen=True):
    """A partition's row in `partitions`."""

    epoch: int
    next_offset: int
    published_offset: int
    last_ms: int


class ShowSize(msgspec.Struct, frozen=True):
    """The size of a stored show, which decides how it is loaded."""

    show_id: int
    partition: int
    layout_digest: str
    claims: int
    """Seats that are not available."""


_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58")


class Ledger:
    """Three connections to PostgreSQL: one for commits, one for reads and taking partitions, one for big shows."""

    def __init__(self, connect: Callable[[str], Awaitable[Any]]) -> None:
        self._connect = connect
        self._connections: dict[str, Any] = {}
        self._commit_call: Any = None
        self._discard_plans_at = 0.0

    async def _connection(self, use: str) -> Any:
        connection = self._connections.get(use)
        if connection is None or connection.is_closed():
            connection = await self._connect(f"seat worker, {use}")
            try:
                await connection.execute(queries.ACCESS_BY_KEY_ONLY)
                if use == "commit":
                    await connection.execute(queries.KEEP_PLANS)
                    self._commit_call = await connection.prepare(queries.COMMIT)
            except BaseException:
                connection.terminate()  # a half-configured connection must not be used
                raise
            self._connections[use] = connection
        return connection

    async def prepare(self) -> None:
        """Connects, so that taking partitions and the first commit are quick. Failures are left to these."""
        with contextlib.suppress(*UNAVAILABLE, asyncpg.PostgresError):
            for use in ("read", "commit"):
                await self._connection(use)

    async def close(self) -> None:
        for connection in list(self._connections.values()):
            try:
                await connection.close(timeout=2)
            except UNAVAILABLE:
                connection.terminate()
        self._connections.clear()

    async def take(self, partitions: Sequence[int], owner: str) -> dict[int, PartitionState]:
        """Raises the epochs of these partitions, so that their previous owners can commit nothing more.

        A partition that has decisions but no row is left out, since that database is incomplete. One statement, so
        that a worker that is suspended here holds no lock.
        """
        connection = await self._connection("read")
        rows = await connection.fetch(queries.TAKE_PARTITIONS, sorted(partitions), owner)
        return {row["partition"]: _partition_state(row) for row in rows}

    async def states(self, partitions: Sequence[int]) -> dict[int, PartitionState]:
        """The rows of these partitions as they are now."""
        connection = await self._connection("read")
        rows = await connection.fetch(queries.PARTITION_STATES, sorted(partitions))
        return {row["partition"]: _partition_state(row) for row in rows}

    async def mark_published(self, advances: Mapping[int, tuple[int, int]]) -> None:
        """Stores partition → (epoch, published offset) without a commit, when partitions are revoked.

        Does nothing without an open connection: the only effect is that the next owner publishes again.
        """
        connection = self._connections.get("read")
        if connection is not None and not connection.is_closed():
            columns = [(partition, *advance) for partition, advance in sorted(advances.items())]
            await connection.execute(queries.MARK_PUBLISHED, *transposed(columns, 3))

    async def show_sizes(self, show_ids: Sequence[int], partitions: Sequence[int]) -> list[ShowSize]:
        """The sizes of those shows that have been opened on one of these partitions."""
        connection = await self._connection("read")
        return [ShowSize(*row) for row in await connection.fetch(queries.SHOW_SIZES, show_ids, partitions)]

    async def load_shows(
        self, show_ids: Sequence[int], partitions: Sequence[int], *, in_background: bool = False
    ) -> list[StoredShow]:
        """Reads those shows that have been opened on one of these partitions, with their live bookings.

        `in_background`: uses a connection of its own, so that other reads need not wait. One such call at a time.
        """
        connection = await self._connection("load" if in_background else "read")
        try:
            rows = await connection.fetch(queries.SHOWS, show_ids, partitions)
        except asyncio.CancelledError:
            if in_background:
                self._connections.pop("load", None)
                connection.terminate()
            raise
        return [_stored_show(row) for row in rows]

    async def pending_timers(
        self, partitions: Sequence[int]
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
        """The shows on these partitions that need a timer.

        Shows with holds or with blocks that end, as (partition, show, first expiry or release in Unix ms), and
        cancelled shows that still have bookings, as (partition, show).
        """
        connection = await self._connection("read")
        held = [tuple(row) for row in await connection.fetch(queries.SHOWS_WITH_HOLDS, partitions)]
        return held, [
            tuple(row) for row in await connection.fetch(queries.CANCELLED_SHOWS_WITH_BOOKINGS, partitions)
        ]

    async def load_layouts(self, digests: Sequence[str]) -> dict[str, Seating]:
        """The seatings of these layouts, by digest."""
        connection = await self._connection("read")
        rows = await connection.fetch(queries.LAYOUTS, digests)
        return {row["digest"]: Seating(decode_layout(row["body"])) for row in rows}

    async def load_bookings(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        """Those of the bookings that are stored, live or ended."""
        connection = await self._connection("read")
        return [_booking(row) for row in await connection.fetch(queries.BOOKINGS, booking_ids)]

    async def first_decisions(self, command_ids: Sequence[UUID]) -> list[tuple[UUID, FirstDecision]]:
        """The first decision on each of the ids that has been used."""
        connection = await self._connection("read")
        rows = await connection.fetch(queries.FIRST_DECISIONS, command_ids)
        return [
            (
                UUID(int=row["command_id"].int),
                FirstDecision(
                    Position(row["partition"], row["log_offset"]), row["at_ms"], row["command"], row["answer"]
                ),
            )
            for row in rows
        ]

    async def decisions(
        self, partition: int, start: int, end: int, limit: int
    ) -> list[tuple[int, int, bytes, bytes]]:
        """Stored decisions with start ≤ offset < end, as (offset, log time in ms, command, answer)."""
        connection = await self._connection("read")
        return [tuple(row) for row in await connection.fetch(queries.DECISIONS, partition, start, end, limit)]

    async def commit(self, batch: Batch) -> None:
        """Writes the batch, all or nothing. Raises a kind of Refused, or OutcomeUnknown."""
        try:
            connection = await self._connection("commit")
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise Unavailable(f"no connection to commit on: {error}") from error
        try:
            if time.monotonic() >= self._discard_plans_at:
                await connection.execute(queries.DISCARD_PLANS)
                self._discard_plans_at = time.monotonic() + queries.PLAN_LIFETIME_S
            if batch.net.scans:
                expired = transposed(sorted(batch.expired_ids), 2) if batch.expired_ids else ()
                await connection.execute(
                    queries.commit_with_scans(deleting_expired_ids=bool(batch.expired_ids)),
                    *arguments(batch),
                    *expired,
                    *scan_arguments(batch),
                )
            elif batch.expired_ids:
                await connection.fetchval(
                    queries.COMMIT_DELETING_EXPIRED_IDS,
                    *arguments(batch),
                    *transposed(sorted(batch.expired_ids), 2),
                )
            else:
                await self._commit_call.fetchval(*arguments(batch))
        except asyncpg.PostgresError as error:
            raise _refusal(error) from error
        except (asyncpg.DataError, ValueError, TypeError, OverflowError) as error:
            raise DataRefused(f"a value does not fit its column: {error}") from error
        except UNAVAILABLE as error:
            raise OutcomeUnknown(repr(error)) from error
        except asyncio.CancelledError:
            self._connections.pop("commit").terminate()
            raise


def _refusal(error: asyncpg.PostgresError) -> Exception:
    code = error.sqlstate or ""
    if code == "AI001":
        return Fenced(str(error))
    if error.constraint_name == "command_ids_pkey":
        return IdUsed(str(error))
    if code.startswith(("57P", "08")):
        return OutcomeUnknown(str(error))
    if code.startswith(_TRANSIENT_CLASSES):
        return Unavailable(str(error))
    return DataRefused(f"{code}: {error}")


def _partition_state(row: Any) -> PartitionState:
    return PartitionState(row["epoch"], row["next_offset"], row["published_offset"], row["last_ms"])


def _stored_show(row: Any) -> StoredShow:
    return StoredShow(
        show_id=row["show_id"],
        partition=row["partition"],
        status=ShowStatus(row["status"]),
        terms=Terms(
            layout_id=row["layout_id"],
            layout_digest=row["layout_digest"],
            starts_ms=row["starts_ms"],
            seats_per_customer=row["seats_per_customer"],
            sales_start_ms=row["sales_start_ms"],
            sales_end_ms=row["sales_end_ms"],
            payment=_PAYMENTS[row["payment"]],
        ),
        version=row["version"],
        available=row["available"],
        bookings=BookingColumns.received(
            ids=row["ids"] or b"",
            users=row["users"] or b"",
            created_ms=row["created_ms"] or b"",
            expires_ms=row["expires_ms"] or b"",
            sizes=row["sizes"] or b"",
            seats=row["claimed"] or b"",
            check_ins=row["check_ins"] or (),
            extended_ids=row["extended_ids"] or b"",
            hold_ms=row["hold_ms"] or b"",
            paid_ids=row["paid_ids"] or b"",
        ),
        blocked=BlockedColumns.received(row["blocked"] or b"", row["releases"] or b"", row["codes"] or ()),
    )


_PAYMENTS: dict[str, Literal["none", "required"]] = {"none": "none", "required": "required"}
"""The values of `Terms.payment`. Encoders omit a default only if it is the same object."""
_STATUSES = {status.value: status for status in BookingStatus}


def _booking(row: Any) -> Booking:
    booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, checked_in = row[
        :10
    ]
    return Booking(
        UUID(int=booking_id.int),
        show_id,
        user_id,
        _STATUSES[status],
        tuple(seats),
        total,
        currency,
        created_ms,
        expires_ms,
        msgspec.json.decode(checked_in) if checked_in else {},
        row["hold_ms"],
        row["paid"],
    )

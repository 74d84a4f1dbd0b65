"""PostgreSQL as the writers' ledger: take a partition, load shows, commit one batch in one round trip.

The commit is one call of the function `commit_batch_v1`, so one transaction that waits for nobody outside: it
writes everything or raises. A writer whose partition was taken by another has an old epoch and writes
nothing. When the connection is lost in mid-commit, `next_offset` tells afterwards whether it happened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from runtime.postgres import AWAY
from schemas.events import Booking, BookingStatus, ShowStatus, Terms
from schemas.ids import Position
from schemas.layout import Seating, decode_layout
from seat_workers.batch import Batch, arguments, transposed
from seat_workers.recent import First
from seat_workers.stored_show import BookingColumns, StoredShow, received_numbers


class Refused(Exception):
    """A commit that certainly wrote nothing."""


class Fenced(Refused):
    """Another writer has taken a partition of the batch, or moved it on."""


class IdUsed(Refused):
    """A command id of the batch was used before, in a decision that the worker did not remember."""


class DataRefused(Refused):
    """PostgreSQL does not take these rows. The next try must be smaller."""


class Unavailable(Refused):
    """PostgreSQL cannot commit now: disk full, shutting down. Try again later."""


class OutcomeUnknown(Exception):
    """The connection was lost in mid-commit; `next_offset` tells."""


class PartitionState(msgspec.Struct, frozen=True):
    """A partition's row in `partitions`."""

    epoch: int
    next_offset: int
    published_offset: int
    last_ms: int


class ShowSize(msgspec.Struct, frozen=True):
    """What a show costs to load."""

    show_id: int
    partition: int
    layout_digest: str
    claims: int
    """Seats that are not available."""


_TAKE = """
    INSERT INTO partitions AS t (partition, epoch, owner)
    SELECT p, 1, $2 FROM unnest($1::int[]) p
     WHERE EXISTS (SELECT FROM partitions known WHERE known.partition = p)
        OR NOT EXISTS (SELECT FROM decisions d WHERE d.partition = p)
     ORDER BY p
        ON CONFLICT (partition) DO UPDATE SET epoch = t.epoch + 1, owner = excluded.owner
    RETURNING partition, epoch, next_offset, published_offset, last_ms"""
_STATES = """
    SELECT partition, epoch, next_offset, published_offset, last_ms
      FROM partitions WHERE partition = ANY ($1::int[])"""
_PUBLISHED = """
    UPDATE partitions t SET published_offset = p.published
      FROM unnest($1::int[], $2::bigint[], $3::bigint[]) p (partition, epoch, published)
     WHERE t.partition = p.partition AND t.epoch = p.epoch AND t.published_offset < p.published"""
_SIZES = """
    SELECT s.show_id, s.partition, s.layout_digest, coalesce(l.total_seats, 0) - s.available
      FROM show_states s LEFT JOIN layouts l ON l.digest = s.layout_digest
     WHERE s.show_id = ANY ($1::int[]) AND s.partition = ANY ($2::int[])"""
_SHOWS = """
    SELECT s.show_id, s.partition, s.status, s.version, s.available, s.layout_id, s.layout_digest, s.starts_ms,
           s.seats_per_customer, s.sales_start_ms, s.sales_end_ms, b.*, c.*
      FROM show_states s
     CROSS JOIN LATERAL (
           SELECT string_agg(uuid_send(booking_id), ''::bytea ORDER BY booking_id) AS ids,
                  string_agg(int8send(user_id), ''::bytea ORDER BY booking_id) AS users,
                  string_agg(int8send(created_ms), ''::bytea ORDER BY booking_id) AS created_ms,
                  string_agg(int8send(coalesce(expires_ms, 0)), ''::bytea ORDER BY booking_id) AS expires_ms,
                  string_agg(int4send(cardinality(seats)), ''::bytea ORDER BY booking_id) AS sizes,
                  array_agg(checked_in) FILTER (WHERE checked_in IS NOT NULL) AS check_ins
             FROM bookings
            WHERE booking_id IN (SELECT booking_id FROM claims WHERE show_id = s.show_id AND state <> 'b')
              AND status IN ('held', 'confirmed')) b
     CROSS JOIN LATERAL (
           SELECT string_agg(int4send(seat), ''::bytea ORDER BY booking_id, seat)
                  FILTER (WHERE state <> 'b') AS claimed,
                  string_agg(int4send(seat), ''::bytea) FILTER (WHERE state = 'b') AS blocked
             FROM claims WHERE show_id = s.show_id) c
     WHERE s.show_id = ANY ($1::int[]) AND s.partition = ANY ($2::int[])"""
_BOOKING_COLUMNS = (
    "booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, checked_in"
)
_BOOKINGS = f"SELECT {_BOOKING_COLUMNS} FROM bookings WHERE booking_id = ANY ($1::uuid[])"
_HELD = """
    SELECT s.partition, c.show_id, min(b.expires_ms) AS due_ms
      FROM claims c JOIN bookings b USING (booking_id) JOIN show_states s ON s.show_id = c.show_id
     WHERE c.state = 'h' AND s.partition = ANY ($1::int[]) GROUP BY s.partition, c.show_id"""
_CANCELLED = """
    SELECT s.partition, s.show_id FROM show_states s
     WHERE s.status = 'cancelled' AND s.partition = ANY ($1::int[])
       AND EXISTS (SELECT FROM claims c WHERE c.show_id = s.show_id AND c.state <> 'b')"""
_LAYOUTS = "SELECT digest, body FROM layouts WHERE digest = ANY ($1::text[])"
_FIRST_DECISIONS = """
    SELECT i.command_id, d.partition, d.log_offset, d.at_ms, d.command, d.answer
      FROM command_ids i JOIN decisions d USING (partition, log_offset)
     WHERE i.command_id = ANY ($1::uuid[])"""
_DECISIONS = """
    SELECT log_offset, at_ms, command, answer FROM decisions
     WHERE partition = $1 AND log_offset >= $2 AND log_offset < $3 ORDER BY log_offset LIMIT $4"""
_COMMIT = "SELECT commit_batch_v1(" + ", ".join(f"${n}" for n in range(1, 57)) + ")"
_COMMIT_FORGETTING = f"""
    WITH forgotten AS (
        DELETE FROM command_ids i USING unnest($57::uuid[], $58::bigint[]) u (command_id, counts_from_ms)
         WHERE i.command_id = u.command_id AND i.at_ms < u.counts_from_ms RETURNING i.command_id)
    {_COMMIT} FROM (SELECT count(*) FROM forgotten)"""
"""First forgets ids, then commits, in one statement: the count is there only when all are gone, and a function sees
what its own statement has changed."""

_BY_KEY = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
"""A worker touches rows by key only. Plans are made while tables are small, or for the average show; one that scans a
table would be right then and wrong an hour later, for all shows of the worker."""
_KEEP_PLANS = "SET plan_cache_mode = force_generic_plan"
"""Of the commit. Left alone, PostgreSQL would plan each of its statements anew for each batch, since a plan for few
rows looks cheaper: a third of what committing one booking costs."""
_PLAN_ANEW, _PLANS_KEPT_S = "DISCARD PLANS", 2.0
"""A plan that was made for a table of a few rows reads all of its index, and would go on as the table grows."""

_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58")


class Ledger:
    """Connections to PostgreSQL: one only commits, one reads and takes partitions, one loads big shows."""

    def __init__(self, connect: Callable[[str], Awaitable[Any]]) -> None:
        self._connect = connect
        self._connections: dict[str, Any] = {}
        self._commit_call: Any = None
        self._plan_anew_at = 0.0

    async def _connection(self, use: str) -> Any:
        connection = self._connections.get(use)
        if connection is None or connection.is_closed():
            connection = await self._connect(f"seat worker, {use}")
            try:
                await connection.execute(_BY_KEY)
                if use == "commit":
                    await connection.execute(_KEEP_PLANS)
                    self._commit_call = await connection.prepare(_COMMIT)
            except BaseException:
                connection.terminate()  # half made, it would be no use to anybody
                raise
            self._connections[use] = connection
        return connection

    async def close(self) -> None:
        for connection in list(self._connections.values()):
            try:
                await connection.close(timeout=2)
            except AWAY:
                connection.terminate()
        self._connections.clear()

    async def take(self, partitions: Sequence[int], owner: str) -> dict[int, PartitionState]:
        """Raises the epoch of these partitions: whoever had them can commit nothing more.

        A partition that has decisions but no row is left out: that database has lost something. One
        statement, so that a worker that falls asleep here holds no lock.
        """
        connection = await self._connection("read")
        rows = await connection.fetch(_TAKE, sorted(partitions), owner)
        return {row["partition"]: _partition_state(row) for row in rows}

    async def states(self, partitions: Sequence[int]) -> dict[int, PartitionState]:
        """The rows of these partitions as they are now."""
        connection = await self._connection("read")
        rows = await connection.fetch(_STATES, sorted(partitions))
        return {row["partition"]: _partition_state(row) for row in rows}

    async def mark_published(self, advances: Mapping[int, tuple[int, int]]) -> None:
        """Stores partition → (epoch, published offset) apart from a commit, before going idle or away.

        Does nothing without a connection at hand: what is not marked is published again, no more.
        """
        connection = self._connections.get("read")
        if connection is not None and not connection.is_closed():
            columns = [(partition, *advance) for partition, advance in sorted(advances.items())]
            await connection.execute(_PUBLISHED, *transposed(columns, 3))

    async def show_sizes(self, show_ids: Sequence[int], partitions: Sequence[int]) -> list[ShowSize]:
        """Those of the shows that have been opened on one of these partitions."""
        connection = await self._connection("read")
        return [ShowSize(*row) for row in await connection.fetch(_SIZES, show_ids, partitions)]

    async def load_shows(
        self, show_ids: Sequence[int], partitions: Sequence[int], *, aside: bool = False
    ) -> list[StoredShow]:
        """As `show_sizes`, with all that is in them.

        `aside`: on a connection for this alone, so that the others need not wait. One call at a time.
        """
        connection = await self._connection("load" if aside else "read")
        try:
            rows = await connection.fetch(_SHOWS, show_ids, partitions)
        except asyncio.CancelledError:
            if aside:
                self._connections.pop("load", None)
                connection.terminate()
            raise
        return [_stored_show(row) for row in rows]

    async def unfinished(
        self, partitions: Sequence[int]
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
        """What waits to be done by itself on these partitions.

        Shows with holds, as (partition, show, when the first is due in ms), and cancelled shows that still
        have bookings, as (partition, show).
        """
        connection = await self._connection("read")
        held = [tuple(row) for row in await connection.fetch(_HELD, partitions)]
        return held, [tuple(row) for row in await connection.fetch(_CANCELLED, partitions)]

    async def load_layouts(self, digests: Sequence[str]) -> dict[str, Seating]:
        """Layouts by digest, made ready."""
        connection = await self._connection("read")
        rows = await connection.fetch(_LAYOUTS, digests)
        return {row["digest"]: Seating(decode_layout(row["body"])) for row in rows}

    async def load_bookings(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        """Those of the bookings that are stored, live or over."""
        connection = await self._connection("read")
        return [_booking(row) for row in await connection.fetch(_BOOKINGS, booking_ids)]

    async def first_decisions(self, command_ids: Sequence[UUID]) -> list[tuple[UUID, First]]:
        """For each of the ids that has been used: its first decision."""
        connection = await self._connection("read")
        rows = await connection.fetch(_FIRST_DECISIONS, command_ids)
        return [
            (
                UUID(int=row["command_id"].int),
                First(
                    Position(row["partition"], row["log_offset"]), row["at_ms"], row["command"], row["answer"]
                ),
            )
            for row in rows
        ]

    async def decisions(
        self, partition: int, start: int, end: int, limit: int
    ) -> list[tuple[int, int, bytes, bytes]]:
        """Stored decisions with start ≤ offset < end: offset, time, command, answer."""
        connection = await self._connection("read")
        return [tuple(row) for row in await connection.fetch(_DECISIONS, partition, start, end, limit)]

    async def commit(self, batch: Batch) -> None:
        """Writes the batch, all or nothing. Raises a kind of Refused, or OutcomeUnknown."""
        try:
            connection = await self._connection("commit")
        except (*AWAY, asyncpg.PostgresError) as error:
            raise Unavailable(f"no connection to commit on: {error}") from error
        try:
            if time.monotonic() >= self._plan_anew_at:
                await connection.execute(_PLAN_ANEW)
                self._plan_anew_at = time.monotonic() + _PLANS_KEPT_S
            if batch.outdated:
                await connection.fetchval(
                    _COMMIT_FORGETTING, *arguments(batch), *transposed(sorted(batch.outdated), 2)
                )
            else:
                await self._commit_call.fetchval(*arguments(batch))
        except asyncpg.PostgresError as error:
            raise _refusal(error) from error
        except (asyncpg.DataError, ValueError, TypeError, OverflowError) as error:
            raise DataRefused(f"a value does not fit its column: {error}") from error
        except AWAY as error:
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
        ),
        blocked=received_numbers("I", row["blocked"] or b""),
    )


_STATUSES = {status.value: status for status in BookingStatus}


def _booking(row: Any) -> Booking:
    booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, checked_in = row
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
    )

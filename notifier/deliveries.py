"""The table of deliveries: each e-mail is recorded once, sent by one notifier at a time, and retried until it is done.

A delivery is recorded in the transaction that moves the consumer offset, under the id of its event, so a repeated
event records nothing. To send it, a notifier takes a lease: it sets `due_at` to a time in the future, so that no
transaction is open during the SMTP dialogue. It renews the lease while it works. A lease expires when its holder was
killed; the delivery is then due again.

A notifier that is killed after the mail server accepts a message and before `mark_sent` leaves a delivery that is sent
and still due. It is sent again under the same Message-ID: delivery is at least once.

An address gets a bounded number of e-mails in an hour. Those beyond it are held back until it may get one again, and
then go out as one: one delivery is sent for the others, which are stored as merged into it before the first attempt,
so that every attempt has the same content. Nothing is dropped, except what nobody needs: the e-mails about a booking
that its owner cancelled before the first of them was tried.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from notifier.kinds import BOOKING_CANCELLED, BOOKING_CONFIRMED, UNMERGED
from runtime.outdated_plans import retry_outdated_plans
from runtime.postgres import Pool
from runtime.retries import backoff_s, jittered_s

CONSUMER = "notifier"

LEASE_S = 30
GIVE_UP_AFTER_S = 3 * 24 * 3600
PASSWORD_RESET_S = 30 * 60
"""Lifetime of a reset link in seconds. An e-mail with an expired link is not sent."""
PER_ADDRESS_AND_HOUR = 30
"""E-mails that one address gets in an hour. Those beyond it are held back and merged."""
MERGED_AT_MOST = 25
"""E-mails that are merged into one, with their attachments."""
UNLIMITED_KINDS = sorted(UNMERGED)
"""Not held back: the gateway bounds the links that it requests for an address, and they expire soon."""
_FIRST_DELAY_S = 5
_LONGEST_DELAY_S = 3600


class NewDelivery(msgspec.Struct, frozen=True):
    """A delivery to be recorded for an event."""

    event_id: str
    kind: str
    user_id: int
    booking_id: UUID | None
    payload: bytes


class Delivery(msgspec.Struct, frozen=True):
    """A delivery under lease. `attempts` includes the current one."""

    delivery_id: int
    event_id: str
    kind: str
    user_id: int
    payload: bytes
    attempts: int
    created_at: datetime
    age_s: float
    held: bool = False
    """Whether it was held back, and may be merged with others of its address."""


def retry_delay_s(attempts: int) -> int:
    """Exponential backoff in seconds: 5 s after the first attempt, doubled after each, an hour at most."""
    return int(backoff_s(attempts, _FIRST_DELAY_S, _LONGEST_DELAY_S))


_OFFSETS = "SELECT partition, next_offset FROM consumer_offsets WHERE consumer = $1 AND partition = ANY ($2)"

_RECORD = """
INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::bytea[])
    ON CONFLICT (event_id, kind) DO NOTHING"""

# The previous owner of the partition may commit late, so the offset never decreases.
_MOVE = """
INSERT INTO consumer_offsets AS old (consumer, partition, next_offset)
SELECT $1, * FROM unnest($2::int[], $3::bigint[]) AS moved (partition, next_offset) ORDER BY partition
    ON CONFLICT (consumer, partition) DO UPDATE
   SET next_offset = greatest(old.next_offset, excluded.next_offset)"""

_TAKE_REQUESTED = """
WITH requested AS (
    DELETE FROM letters_wanted WHERE letter_id IN (
        SELECT letter_id FROM letters_wanted ORDER BY letter_id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING letter_id, user_id, kind, data, created_at)
INSERT INTO deliveries (event_id, kind, user_id, payload, created_at)
SELECT 'letter-' || letter_id, kind, user_id, convert_to(data::text, 'UTF8'), created_at FROM requested
    ON CONFLICT (event_id, kind) DO NOTHING"""

# E-mails about one booking go out in the order of their events: a later one waits for the earlier ones. Attempts are
# never below zero: the condition is that of the index. OFFSET 0 keeps the planner from turning the search for earlier
# ones into a join, which would read all pending deliveries for each.
_TAKE_DUE = """
WITH due AS (
    SELECT delivery_id FROM deliveries d
     WHERE status = 'due' AND attempts >= 0 AND due_at <= now() AND NOT EXISTS (
           SELECT 1 FROM deliveries e
            WHERE e.status = 'due' AND e.booking_id = d.booking_id AND e.delivery_id < d.delivery_id OFFSET 0)
     ORDER BY due_at, delivery_id LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE deliveries t SET due_at = now() + $3 * interval '1 second', taken_by = $1, attempts = attempts + 1
  FROM due WHERE t.delivery_id = due.delivery_id
RETURNING t.delivery_id, event_id, kind, user_id, payload, attempts, created_at,
          extract(epoch FROM now() - created_at)::float AS age_s, held"""

# Its owner cancelled it before the first e-mail about it was tried. A cancellation by the venue is news to them, and
# what nobody knows to be theirs counts as the owner's. A later attempt may follow one that arrived.
_BY_OWNER = """
       NOT EXISTS (SELECT FROM bookings b JOIN show_states t USING (show_id)
                    WHERE b.booking_id = e.booking_id AND t.status = 'cancelled')
   AND NOT EXISTS (SELECT FROM decisions x
                    WHERE x.partition = substring(e.event_id FROM '^([0-9]+)-[0-9]+-')::int
                      AND x.log_offset = substring(e.event_id FROM '^[0-9]+-([0-9]+)-')::bigint
                      AND (convert_from(x.command, 'UTF8')::jsonb ->> 'user_id')::bigint IS DISTINCT FROM e.user_id)"""

_SKIP_NEEDLESS = f"""
WITH cancelled AS (
    SELECT e.delivery_id, e.booking_id FROM deliveries c JOIN deliveries e USING (booking_id)
     WHERE c.delivery_id = ANY ($2) AND c.taken_by = $1 AND c.status = 'due' AND c.kind = 'booking_confirmed'
       AND c.attempts = 1 AND e.status = 'due' AND e.kind = 'booking_cancelled' AND {_BY_OWNER}
    UNION ALL
    SELECT e.delivery_id, e.booking_id FROM deliveries e JOIN deliveries c USING (booking_id)
     WHERE e.delivery_id = ANY ($2) AND e.taken_by = $1 AND e.status = 'due' AND e.kind = 'booking_cancelled'
       AND e.attempts = 1 AND c.status = 'skipped' AND c.kind = 'booking_confirmed' AND c.attempts <= 1 AND {_BY_OWNER})
UPDATE deliveries d
   SET status = 'skipped', taken_by = NULL, last_error = 'the booking was cancelled before its first e-mail was sent'
  FROM cancelled WHERE d.booking_id = cancelled.booking_id AND d.delivery_id <= cancelled.delivery_id
   AND d.status = 'due'
RETURNING d.delivery_id"""

_TAKE_TURNS = """
SELECT take_email_turns_v1($1, array(SELECT delivery_id FROM deliveries
                                      WHERE delivery_id = ANY ($2) AND kind <> ALL ($3)), $4)"""

# They are due at infinity: no notifier, of an earlier release either, takes them by themselves.
_MERGE = """
WITH others AS (
    SELECT delivery_id FROM deliveries
     WHERE user_id = $3 AND status = 'due' AND held AND merged_into IS NULL AND delivery_id <> $2 AND kind <> ALL ($4)
       AND (taken_by IS NULL OR taken_by = $1 OR due_at <= now())
     ORDER BY delivery_id LIMIT $5 FOR UPDATE SKIP LOCKED)
UPDATE deliveries d SET merged_into = $2, due_at = 'infinity', taken_by = NULL
  FROM others WHERE d.delivery_id = others.delivery_id AND EXISTS (
       SELECT FROM deliveries l WHERE l.delivery_id = $2 AND l.taken_by = $1 AND l.status = 'due')"""

_MERGED = """
SELECT delivery_id, event_id, kind, user_id, payload, attempts, created_at,
       extract(epoch FROM now() - created_at)::float AS age_s, held
  FROM deliveries WHERE merged_into = $1 AND status = 'due' ORDER BY delivery_id"""

_RENEW = """
UPDATE deliveries SET due_at = now() + $3 * interval '1 second'
 WHERE delivery_id = ANY ($2) AND taken_by = $1 AND status = 'due'"""

_RELEASE = """
UPDATE deliveries SET due_at = now(), taken_by = NULL, attempts = attempts - 1
 WHERE delivery_id = ANY ($2) AND taken_by = $1 AND status = 'due'"""

_POSTPONE = """
UPDATE deliveries SET due_at = now() + $3 * interval '1 second', taken_by = NULL, attempts = attempts - 1,
       last_error = $4
 WHERE delivery_id = $2 AND taken_by = $1 AND status = 'due'"""

_DEFER = """
UPDATE deliveries SET due_at = now() + $3 * interval '1 second', taken_by = NULL, last_error = $4
 WHERE delivery_id = $2 AND taken_by = $1 AND status = 'due'"""

# A link that sets a password is a secret: it is deleted once the delivery is done.
_FINISH = """
UPDATE deliveries
   SET status = $2, last_error = $3, taken_by = NULL, sent_at = CASE WHEN $2 = 'sent' THEN now() END,
       due_at = CASE WHEN due_at = 'infinity' THEN now() ELSE due_at END,
       payload = CASE WHEN kind = 'password_reset' THEN '{}' ELSE payload END
 WHERE (delivery_id = $1 OR merged_into = $1) AND status <> 'sent'"""

COUNTED_EXACTLY = 10_000
"""Up to this number pending e-mails are counted exactly; above it the index's estimate is used."""

# Both read the index deliveries_waiting, which exists for this query. The estimate is as old as the last VACUUM
# or ANALYZE, which PostgreSQL runs by itself within a minute or two of such a change.
_BACKLOG = f"""
SELECT CASE WHEN counted <= {COUNTED_EXACTLY} THEN counted ELSE greatest(counted, (
           SELECT reltuples::bigint FROM pg_class WHERE oid = 'deliveries_waiting'::regclass)) END AS waiting,
       coalesce((SELECT extract(epoch FROM now() - created_at)::float FROM deliveries
                  WHERE status = 'due' AND user_id >= 0 ORDER BY created_at LIMIT 1), 0) AS oldest_s
  FROM (SELECT count(*) AS counted FROM (
            SELECT created_at FROM deliveries WHERE status = 'due' AND user_id >= 0
             ORDER BY created_at LIMIT {COUNTED_EXACTLY + 1}) waiting) counted"""


class Backlog(msgspec.Struct, frozen=True):
    """The number of pending e-mails (an estimate if large) and the age of the oldest in seconds."""

    waiting: int
    oldest_s: float


class Deliveries:
    """The deliveries in PostgreSQL, for one notifier. `holder` is its unique name."""

    def __init__(
        self, pool: Pool, holder: str, *, lease_s: int = LEASE_S, per_hour: int = PER_ADDRESS_AND_HOUR
    ) -> None:
        self._pool = pool
        self._holder = holder
        self._per_hour = per_hour
        self.lease_s = lease_s

    async def offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """The next offset of each of these partitions that has been read before."""
        return dict(await self._pool.fetch(_OFFSETS, CONSUMER, partitions))

    @retry_outdated_plans
    async def record(
        self,
        new: Sequence[NewDelivery],
        next_offsets: Mapping[int, int],
        also: Callable[[asyncpg.Connection], Awaitable[None]] | None = None,
    ) -> None:
        """Records deliveries and moves the consumer offsets in one transaction, with what `also` writes."""
        async with self._pool.acquire() as connection, connection.transaction():
            if new:
                await connection.execute(
                    _RECORD,
                    [one.event_id for one in new],
                    [one.kind for one in new],
                    [one.user_id for one in new],
                    [one.booking_id for one in new],
                    [one.payload for one in new],
                )
            if also is not None:
                await also(connection)
            await connection.execute(_MOVE, CONSUMER, list(next_offsets), list(next_offsets.values()))

    async def take_requested(self, limit: int) -> int:
        """Turns e-mails that gateways have requested into deliveries; returns the number of requests taken."""
        return _count(await self._pool.execute(_TAKE_REQUESTED, limit))

    async def take_due(self, limit: int) -> list[Delivery]:
        """Leases deliveries that are due, oldest first."""
        rows = await self._pool.fetch(_TAKE_DUE, self._holder, limit, self.lease_s)
        return sorted((Delivery(**row) for row in rows), key=lambda delivery: delivery.delivery_id)

    async def sift(self, batch: Sequence[Delivery]) -> list[Delivery]:
        """Those of leased deliveries that may be sent now. Skips what nobody needs, holds back what is too many."""
        left = {delivery.delivery_id for delivery in batch}
        if any(delivery.kind in (BOOKING_CONFIRMED, BOOKING_CANCELLED) for delivery in batch):
            skipped = await self._pool.fetch(_SKIP_NEEDLESS, self._holder, list(left))
            left -= {row[0] for row in skipped}
        if left:
            held = await self._pool.fetch(
                _TAKE_TURNS, self._holder, list(left), UNLIMITED_KINDS, self._per_hour
            )
            left -= {row[0] for row in held}
        return [delivery for delivery in batch if delivery.delivery_id in left]

    async def merged_with(self, delivery: Delivery) -> list[Delivery]:
        """The deliveries that go out as part of this one, which is leased. Chosen before the first attempt."""
        if not delivery.held or delivery.kind in UNMERGED:
            return []
        if delivery.attempts == 1:
            await self._pool.execute(
                _MERGE,
                self._holder,
                delivery.delivery_id,
                delivery.user_id,
                UNLIMITED_KINDS,
                MERGED_AT_MOST - 1,
            )
        return [Delivery(**row) for row in await self._pool.fetch(_MERGED, delivery.delivery_id)]

    async def postpone(self, delivery: Delivery, delay_s: float, reason: str) -> None:
        """Puts off a leased delivery; the attempt does not count."""
        await self._pool.execute(_POSTPONE, self._holder, delivery.delivery_id, delay_s, _short(reason))

    async def renew(self, delivery_ids: Iterable[int]) -> None:
        """Renews leases."""
        await self._pool.execute(_RENEW, self._holder, list(delivery_ids), self.lease_s)

    async def release(self, delivery_ids: Iterable[int]) -> None:
        """Releases leases: the deliveries are due at once, and the attempt does not count."""
        await self._pool.execute(_RELEASE, self._holder, list(delivery_ids))

    async def defer(self, delivery: Delivery, error: str) -> bool:
        """Schedules the next attempt. Returns False when the delivery is given up and marked as failed."""
        if delivery.age_s > GIVE_UP_AFTER_S and delivery.attempts > 3:
            await self.mark_failed(delivery, f"given up after {delivery.attempts} attempts: {error}")
            return False
        delay_s = jittered_s(retry_delay_s(delivery.attempts))
        await self._pool.execute(_DEFER, self._holder, delivery.delivery_id, delay_s, _short(error))
        return True

    async def mark_sent(self, delivery: Delivery) -> None:
        await self._pool.execute(_FINISH, delivery.delivery_id, "sent", None)

    async def mark_failed(self, delivery: Delivery, error: str) -> None:
        await self._pool.execute(_FINISH, delivery.delivery_id, "failed", _short(error))

    async def mark_skipped(self, delivery: Delivery, reason: str) -> None:
        await self._pool.execute(_FINISH, delivery.delivery_id, "skipped", _short(reason))

    async def backlog(self) -> Backlog:
        """The pending e-mails. The cost does not grow with their number."""
        row = await self._pool.fetchrow(_BACKLOG)
        return Backlog(row["waiting"], max(0.0, row["oldest_s"]))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])


def _short(error: str) -> str:
    return error.replace("\0", "")[:500]

"""The table of letters: each is recorded once, sent by one notifier at a time, and tried until it is gone.

A letter is recorded in the transaction that moves the reader's offset, under the id of its event: a repeated
event finds its letter there. To send it, a notifier takes a lease on it, which is a `due_at` in the future,
so that no transaction is open while a mail server talks; it renews the lease as long as it lives. A lease
that runs out (its holder was killed) makes the letter due again.

Between the mail server's yes and `mark_sent` lies a moment in which a killed notifier leaves a letter that is
sent and still due: it is sent again, under the same Message-ID. At least once; the other way round, letters
would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from runtime.postgres import AWAY, Pool

CONSUMER = "notifier"

DATABASE_ERRORS = (*AWAY, asyncpg.PostgresError)
"""Whatever the database says: the letters are there, and are tried again in a moment."""

LEASE_S = 30
GIVE_UP_AFTER_S = 3 * 24 * 3600
PASSWORD_RESET_S = 30 * 60
"""How long a reset link is good for; a letter with an old one is not sent."""
_FIRST_DELAY_S = 5
_LONGEST_DELAY_S = 3600


class NewDelivery(msgspec.Struct, frozen=True):
    """A letter to be sent because of an event."""

    event_id: str
    kind: str
    user_id: int
    booking_id: UUID | None
    payload: bytes


class Delivery(msgspec.Struct, frozen=True):
    """A letter in our hand. `attempts` counts this one."""

    delivery_id: int
    event_id: str
    kind: str
    user_id: int
    payload: bytes
    attempts: int
    created_at: datetime
    age_s: float


def retry_delay_s(attempts: int) -> int:
    """How long to wait after so many attempts: 5 s, doubled each time, an hour at most."""
    return int(min(_FIRST_DELAY_S * 2 ** min(attempts - 1, 20), _LONGEST_DELAY_S))


_OFFSETS = "SELECT partition, next_offset FROM consumer_offsets WHERE consumer = $1 AND partition = ANY ($2)"

_RECORD = """
INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::bytea[])
    ON CONFLICT (event_id, kind) DO NOTHING"""

# Whoever had the partition before may commit late: the offset never goes back.
_MOVE = """
INSERT INTO consumer_offsets AS old (consumer, partition, next_offset)
SELECT $1, * FROM unnest($2::int[], $3::bigint[]) AS moved (partition, next_offset) ORDER BY partition
    ON CONFLICT (consumer, partition) DO UPDATE
   SET next_offset = greatest(old.next_offset, excluded.next_offset)"""

_TAKE_WANTED = """
WITH wanted AS (
    DELETE FROM letters_wanted WHERE letter_id IN (
        SELECT letter_id FROM letters_wanted ORDER BY letter_id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING letter_id, user_id, kind, data, created_at)
INSERT INTO deliveries (event_id, kind, user_id, payload, created_at)
SELECT 'letter-' || letter_id, kind, user_id, convert_to(data::text, 'UTF8'), created_at FROM wanted
    ON CONFLICT (event_id, kind) DO NOTHING"""

# Letters about one booking go out in the order of their events: a later one waits for those before it. Attempts are
# never below zero: the condition is that of the index. OFFSET 0 keeps the planner from making a join of the search for
# earlier ones, which would read all that wait for each.
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
          extract(epoch FROM now() - created_at)::float AS age_s"""

_RENEW = """
UPDATE deliveries SET due_at = now() + $3 * interval '1 second'
 WHERE delivery_id = ANY ($2) AND taken_by = $1 AND status = 'due'"""

_GIVE_BACK = """
UPDATE deliveries SET due_at = now(), taken_by = NULL, attempts = attempts - 1
 WHERE delivery_id = ANY ($2) AND taken_by = $1 AND status = 'due'"""

_PUT_OFF = """
UPDATE deliveries SET due_at = now() + $3 * interval '1 second', taken_by = NULL, last_error = $4
 WHERE delivery_id = $2 AND taken_by = $1 AND status = 'due'"""

# A link that sets a password is a secret: it does not outlive its letter.
_FINISH = """
UPDATE deliveries
   SET status = $2, last_error = $3, taken_by = NULL, sent_at = CASE WHEN $2 = 'sent' THEN now() END,
       payload = CASE WHEN kind = 'password_reset' THEN '{}' ELSE payload END
 WHERE delivery_id = $1 AND status <> 'sent'"""

COUNTED_EXACTLY = 10_000
"""Waiting e-mails that are counted one by one; of more, the index's own estimate is taken."""

# Both read the index deliveries_waiting, which is for them alone. The estimate is as old as the last VACUUM
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
    """E-mails that are still to be sent: how many (estimated, of many), and the age of the oldest in seconds."""

    waiting: int
    oldest_s: float


class Deliveries:
    """The letters in PostgreSQL, as one notifier (`holder`, unique) sees and takes them."""

    def __init__(self, pool: Pool, holder: str, *, lease_s: int = LEASE_S) -> None:
        self._pool = pool
        self._holder = holder
        self.lease_s = lease_s

    async def offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """From where to read on, for those partitions that have been read before."""
        return dict(await self._pool.fetch(_OFFSETS, CONSUMER, partitions))

    async def record(self, new: Sequence[NewDelivery], next_offsets: Mapping[int, int]) -> None:
        """Records the letters of what was read, and that it was read, in one transaction."""
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
            await connection.execute(_MOVE, CONSUMER, list(next_offsets), list(next_offsets.values()))

    async def take_wanted(self, limit: int) -> int:
        """Makes deliveries of letters that the gateways want sent; returns of how many."""
        return _count(await self._pool.execute(_TAKE_WANTED, limit))

    async def take_due(self, limit: int) -> list[Delivery]:
        """Takes a lease on what is due, oldest first."""
        rows = await self._pool.fetch(_TAKE_DUE, self._holder, limit, self.lease_s)
        return sorted((Delivery(**row) for row in rows), key=lambda delivery: delivery.delivery_id)

    async def renew(self, delivery_ids: Iterable[int]) -> None:
        """Starts the leases anew."""
        await self._pool.execute(_RENEW, self._holder, list(delivery_ids), self.lease_s)

    async def give_back(self, delivery_ids: Iterable[int]) -> None:
        """Due at once again, as if never taken."""
        await self._pool.execute(_GIVE_BACK, self._holder, list(delivery_ids))

    async def put_off(self, delivery: Delivery, error: str) -> bool:
        """To be tried again later; False when it has been tried for long enough and has failed now."""
        if delivery.age_s > GIVE_UP_AFTER_S and delivery.attempts > 3:
            await self.mark_failed(delivery, f"given up after {delivery.attempts} attempts: {error}")
            return False
        delay_s = retry_delay_s(delivery.attempts)
        await self._pool.execute(_PUT_OFF, self._holder, delivery.delivery_id, delay_s, _short(error))
        return True

    async def mark_sent(self, delivery: Delivery) -> None:
        await self._pool.execute(_FINISH, delivery.delivery_id, "sent", None)

    async def mark_failed(self, delivery: Delivery, error: str) -> None:
        await self._pool.execute(_FINISH, delivery.delivery_id, "failed", _short(error))

    async def mark_skipped(self, delivery: Delivery, why: str) -> None:
        await self._pool.execute(_FINISH, delivery.delivery_id, "skipped", _short(why))

    async def backlog(self) -> Backlog:
        """What is still to be sent. Cheap, however much that is."""
        row = await self._pool.fetchrow(_BACKLOG)
        return Backlog(row["waiting"], max(0.0, row["oldest_s"]))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])


def _short(error: str) -> str:
    return error.replace("\0", "")[:500]

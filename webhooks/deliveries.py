"""The deliveries of webhooks: leased, sent and retried until each is done.

To send some, a notifier takes a lease on them; one that is killed leaves them leased until that expires, and they are
sent again under the same `webhook-id`.

A delivery is `ordered` until its first minute is over: the ordered ones of a webhook and show are sent one after the
other, and only the first pending one can be taken, with those behind it. After that minute it is retried beside them.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec

from runtime.outdated_plans import retry_outdated_plans
from runtime.postgres import Pool
from webhooks.schedule import ORDERED_S, Try, next_delay_s, slowdown_s
from webhooks.signing import SigningKeys

LEASE_S = 30.0
"""Longer than a try, which renews the lease of its delivery."""
RUN = 20
"""Deliveries of one show that are taken at a time."""
GONE = "the receiver answered 410 Gone"
DEAD = "no delivery has succeeded for three days"
_PRUNED = 1000
"""Rows that one statement deletes."""

_DUE = """
SELECT w.webhook_id, w.url, w.slowdowns FROM webhooks w
 WHERE w.active AND (w.paused_until IS NULL OR w.paused_until <= now()) AND EXISTS (
       SELECT 1 FROM webhook_deliveries d
        WHERE d.webhook_id = w.webhook_id AND d.status = 'pending' AND d.due_at <= now()
          AND (d.leased_until IS NULL OR d.leased_until <= now()))"""

# One notifier at a time takes deliveries of a webhook; another one skips it for now.
_LOCK = "SELECT 1 FROM webhooks WHERE webhook_id = $1 AND active FOR NO KEY UPDATE SKIP LOCKED"
_END_ORDER = """
UPDATE webhook_deliveries SET ordered = false
 WHERE webhook_id = $1 AND status = 'pending' AND ordered AND first_try_at <= now() - $2 * interval '1 second'"""
# The first ordered delivery of each show, by a loose index scan: its cost is that of the shows, not of the deliveries.
# A show whose first delivery is leased or not due is passed over.
_TAKE = """
WITH RECURSIVE heads AS (
    (SELECT show_id, delivery_id, due_at, leased_until FROM webhook_deliveries
      WHERE webhook_id = $1 AND status = 'pending' AND ordered ORDER BY show_id, delivery_id LIMIT 1)
    UNION ALL
    SELECT n.* FROM heads h CROSS JOIN LATERAL (
        SELECT show_id, delivery_id, due_at, leased_until FROM webhook_deliveries
         WHERE webhook_id = $1 AND status = 'pending' AND ordered AND show_id > h.show_id
         ORDER BY show_id, delivery_id LIMIT 1) n),
shows AS (
    SELECT show_id, due_at FROM heads
     WHERE due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
     ORDER BY due_at, delivery_id LIMIT $2),
late AS (
    SELECT delivery_id, due_at FROM webhook_deliveries
     WHERE webhook_id = $1 AND status = 'pending' AND NOT ordered AND due_at <= now()
       AND (leased_until IS NULL OR leased_until <= now())
     ORDER BY due_at LIMIT $2),
lanes AS (
    SELECT * FROM (SELECT show_id, NULL::bigint AS delivery_id, due_at FROM shows
                   UNION ALL SELECT NULL, delivery_id, due_at FROM late) both_kinds ORDER BY due_at LIMIT $2),
taken AS (
    SELECT r.delivery_id, l.show_id AS lane FROM lanes l CROSS JOIN LATERAL (
        SELECT delivery_id FROM webhook_deliveries
         WHERE l.show_id IS NOT NULL AND webhook_id = $1 AND status = 'pending' AND ordered AND show_id = l.show_id
         ORDER BY delivery_id LIMIT $3) r
    UNION ALL SELECT delivery_id, NULL FROM lanes WHERE delivery_id IS NOT NULL)
UPDATE webhook_deliveries d SET taken_by = $4, leased_until = now() + $5 * interval '1 second'
  FROM taken WHERE d.delivery_id = taken.delivery_id
RETURNING d.delivery_id, d.webhook_id, d.event_id, d.body, d.taken_by, taken.lane"""

_KEYS = """
SELECT webhook_id, secret, private_key FROM webhook_secrets
 WHERE webhook_id = ANY ($1) AND (retires_at IS NULL OR retires_at > now()) ORDER BY secret_id DESC"""

# Before a request, so that what is not known of it is at most its outcome.
_BEGIN = """
UPDATE webhook_deliveries
   SET attempts = attempts + 1, last_try_at = now(), first_try_at = coalesce(first_try_at, now()),
       leased_until = now() + $3 * interval '1 second'
 WHERE delivery_id = $1 AND taken_by = $2 AND status = 'pending' RETURNING attempts"""
_RELEASE = """
UPDATE webhook_deliveries SET taken_by = NULL, leased_until = NULL
 WHERE delivery_id = ANY ($1) AND taken_by = $2 AND status = 'pending'"""
_DELIVERED = """
WITH done AS (
    UPDATE webhook_deliveries
       SET status = 'delivered', response_status = $2, error = NULL, taken_by = NULL, leased_until = NULL
     WHERE delivery_id = $1 RETURNING webhook_id)
UPDATE webhooks w SET last_success_at = now(), slowdowns = 0, paused_until = NULL FROM done
 WHERE w.webhook_id = done.webhook_id
   AND (w.slowdowns > 0 OR w.last_success_at IS NULL OR w.last_success_at < now() - interval '1 minute')"""
_DEFER = """
UPDATE webhook_deliveries
   SET due_at = now() + $3 * interval '1 second', response_status = $4, error = $5, taken_by = NULL,
       leased_until = NULL
 WHERE delivery_id = $1 AND taken_by = $2 AND status = 'pending'"""
_FAIL = """
UPDATE webhook_deliveries
   SET status = 'failed', response_status = $3, error = $4, taken_by = NULL, leased_until = NULL
 WHERE delivery_id = $1 AND taken_by = $2 AND status = 'pending'"""
_SLOW_DOWN = """
UPDATE webhooks SET slowdowns = $2, paused_until = greatest(paused_until, now() + $3 * interval '1 second')
 WHERE webhook_id = $1"""
_SWITCH_OFF = """
UPDATE webhooks SET active = false, disabled = $2, paused_until = NULL
 WHERE webhook_id = $1 AND active RETURNING webhook_id"""
_SWITCH_OFF_DEAD = """
UPDATE webhooks w SET active = false, disabled = $2, paused_until = NULL FROM webhook_deliveries d
 WHERE d.delivery_id = $1 AND w.webhook_id = d.webhook_id AND w.active
   AND (w.last_success_at IS NULL OR w.last_success_at < d.first_try_at) RETURNING w.webhook_id"""
_FAIL_ALL = """
UPDATE webhook_deliveries SET status = 'failed', error = $2, taken_by = NULL, leased_until = NULL
 WHERE webhook_id = $1 AND status = 'pending'"""
_PRUNE = """
DELETE FROM webhook_deliveries WHERE delivery_id IN (
    SELECT delivery_id FROM webhook_deliveries
     WHERE status <> 'pending' AND coalesce(last_try_at, created_at) < now() - $1 * interval '1 second' LIMIT $2)"""
_PRUNE_SWITCHED_OFF = """
DELETE FROM webhook_deliveries WHERE delivery_id IN (
    SELECT d.delivery_id FROM webhooks w JOIN webhook_deliveries d USING (webhook_id)
     WHERE NOT w.active AND d.status = 'pending' AND d.created_at < now() - $1 * interval '1 second' LIMIT $2)"""
_PRUNE_SECRETS = "DELETE FROM webhook_secrets WHERE retires_at < now()"
_BACKLOG = """
SELECT waiting, oldest_s, (SELECT count(*) FROM webhooks WHERE disabled IS NOT NULL) AS disabled FROM (
    SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(created_at))::float, 0) AS oldest_s FROM (
        SELECT d.created_at FROM webhooks w JOIN webhook_deliveries d USING (webhook_id)
         WHERE w.active AND d.status = 'pending' ORDER BY d.delivery_id LIMIT 10000) first) backlog"""


class Receiver(msgspec.Struct, frozen=True):
    """A webhook with deliveries that are due."""

    webhook_id: int
    url: str
    slowdowns: int


class Delivery(msgspec.Struct, frozen=True):
    """A delivery under lease. `lane` is its show while it is ordered."""

    delivery_id: int
    webhook_id: int
    event_id: str
    body: bytes
    taken_by: str
    """The lease. Each has another name, so that one that was lost is noticed."""
    lane: int | None


class Deliveries:
    """Reads and writes deliveries for one notifier, named by `holder`."""

    def __init__(self, pool: Pool, holder: str, lease_s: float = LEASE_S) -> None:
        self._pool = pool
        self._holder = holder
        self._lease_s = lease_s
        self._leases = itertools.count()

    async def due(self) -> list[Receiver]:
        """The webhooks with deliveries that are due."""
        return [Receiver(**row) for row in await self._pool.fetch(_DUE)]

    @retry_outdated_plans
    async def take(self, webhook_id: int, lanes: int) -> list[list[Delivery]]:
        """Leases deliveries of a webhook: at most this number of runs, each to be sent in its order."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(_LOCK, webhook_id) is None:
                return []
            await connection.execute(_END_ORDER, webhook_id, ORDERED_S)
            lease = f"{self._holder}:{next(self._leases)}"
            rows = await connection.fetch(_TAKE, webhook_id, lanes, RUN, lease, self._lease_s)
        runs: defaultdict[tuple[int | None, int], list[Delivery]] = defaultdict(list)
        for row in rows:
            delivery = Delivery(**row)
            runs[(delivery.lane, delivery.delivery_id if delivery.lane is None else 0)].append(delivery)
        return [sorted(run, key=lambda one: one.delivery_id) for run in runs.values()]

    async def keys(self, webhook_ids: Collection[int]) -> dict[int, list[SigningKeys]]:
        """What signs the requests of each webhook, the current one first."""
        found: defaultdict[int, list[SigningKeys]] = defaultdict(list)
        for row in await self._pool.fetch(_KEYS, list(webhook_ids)):
            found[row["webhook_id"]].append(SigningKeys(row["secret"], row["private_key"]))
        return dict(found)

    async def begin(self, delivery: Delivery) -> int | None:
        """Counts a try before it is made, and renews the lease. Returns the number of tries with this one; None where
        the lease was lost or the delivery withdrawn."""
        attempts: int | None = await self._pool.fetchval(
            _BEGIN, delivery.delivery_id, delivery.taken_by, self._lease_s
        )
        return attempts

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Releases leases of one take: the deliveries can be taken at once."""
        await self._pool.execute(_RELEASE, [one.delivery_id for one in deliveries], deliveries[0].taken_by)

    async def mark_delivered(self, delivery: Delivery, status: int | None) -> None:
        await self._pool.execute(_DELIVERED, delivery.delivery_id, status)

    async def defer(self, delivery: Delivery, attempts: int, result: Try) -> int | None:
        """Schedules the next try and returns the seconds until it; None when there is none and it has failed."""
        delay_s = next_delay_s(attempts)
        if delay_s is None:
            await self._fail(delivery, result)
            return None
        delay_s = max(delay_s, result.retry_after_s)
        await self._pool.execute(
            _DEFER, delivery.delivery_id, delivery.taken_by, delay_s, result.status, _short(result.error)
        )
        return delay_s

    async def slow_down(self, receiver: Receiver, result: Try) -> int:
        """Pauses a webhook; returns the pause in seconds."""
        pause_s = slowdown_s(receiver.slowdowns + 1, result.retry_after_s)
        await self._pool.execute(_SLOW_DOWN, receiver.webhook_id, receiver.slowdowns + 1, pause_s)
        return pause_s

    @retry_outdated_plans
    async def switch_off(self, delivery: Delivery, result: Try) -> bool:
        """Switches a webhook off whose receiver is gone; everything pending has failed. False: it was off before."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                _FAIL, delivery.delivery_id, delivery.taken_by, result.status, _short(result.error)
            )
            off = await connection.fetchval(_SWITCH_OFF, delivery.webhook_id, GONE)
            await connection.execute(_FAIL_ALL, delivery.webhook_id, GONE)
        return off is not None

    async def _fail(self, delivery: Delivery, result: Try) -> None:
        await self._pool.execute(
            _FAIL, delivery.delivery_id, delivery.taken_by, result.status, _short(result.error)
        )

    async def switch_off_dead(self, delivery: Delivery) -> bool:
        """Switches a webhook off if nothing was delivered since the first try of this one, which has failed."""
        off = await self._pool.fetchval(_SWITCH_OFF_DEAD, delivery.delivery_id, DEAD)
        return off is not None

    async def prune(self, keep_s: float) -> int:
        """Deletes what was done longer ago, what waits for longer at a webhook that is off, and retired secrets."""
        deleted = 0
        for statement in (_PRUNE, _PRUNE_SWITCHED_OFF):
            count = _PRUNED
            while count == _PRUNED:
                count = _count(await self._pool.execute(statement, keep_s, _PRUNED))
                deleted += count
        await self._pool.execute(_PRUNE_SECRETS)
        return deleted

    async def backlog(self) -> Backlog:
        """The pending deliveries of active webhooks."""
        return Backlog(**await self._pool.fetchrow(_BACKLOG))


class Backlog(msgspec.Struct, frozen=True):
    """The number of pending deliveries, at most 10,000, the age of the oldest in seconds, and webhooks switched off by
    their receivers or for want of one."""

    waiting: int
    oldest_s: float
    disabled: int


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])


def _short(error: str | None) -> str | None:
    return None if error is None else error.replace("\0", "")[:300]

"""Recording of messages for webhooks: rows of deliveries, and how far the events were read, in one transaction.

A repeated event records nothing: a delivery is unique by webhook and event.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from runtime.outdated_plans import retry_outdated_plans
from runtime.postgres import Pool
from schemas.events import PublishedEvent
from webhooks.bodies import Message, sold_out

CONSUMER = "webhooks"

_OFFSETS = "SELECT partition, next_offset FROM consumer_offsets WHERE consumer = $1 AND partition = ANY ($2)"
# The previous owner of the partition may commit late, so the offset never decreases.
_MOVE = """
INSERT INTO consumer_offsets AS old (consumer, partition, next_offset)
SELECT $1, * FROM unnest($2::int[], $3::bigint[]) AS moved (partition, next_offset) ORDER BY partition
    ON CONFLICT (consumer, partition) DO UPDATE
   SET next_offset = greatest(old.next_offset, excluded.next_offset)"""

# Clocks of log and database may differ by two seconds.
_RECORD = """
INSERT INTO webhook_deliveries (webhook_id, event_id, type, show_id, body)
SELECT w.webhook_id, e.event_id, e.type, e.show_id, e.body
  FROM unnest($1::text[], $2::text[], $3::int[], $4::bytea[], $5::bigint[])
       WITH ORDINALITY AS e (event_id, type, show_id, body, at_ms, number)
  JOIN webhooks w ON w.active AND (e.type = ANY (w.events) OR w.events = '{*}')
                 AND e.at_ms >= floor(extract(epoch FROM w.since) * 1000) - 2000
 ORDER BY e.number, w.webhook_id
    ON CONFLICT (webhook_id, event_id) DO NOTHING"""

_AVAILABLE_AGAIN = """
DELETE FROM sold_out_shows o USING show_states s
 WHERE o.show_id = ANY ($1) AND s.show_id = o.show_id AND s.available > 0"""
_SOLD_OUT = """
INSERT INTO sold_out_shows (show_id)
SELECT s.show_id FROM show_states s
 WHERE s.show_id = ANY ($1) AND s.available = 0 AND s.status <> 'cancelled'
   AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.show_id = s.show_id AND b.status = 'held')
    ON CONFLICT DO NOTHING RETURNING show_id"""


class Recording:
    """Records what the events of the log call for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def offsets(self, partitions: Sequence[int]) -> dict[int, int]:
        """The stored offsets; partitions without one are left out."""
        return dict(await self._pool.fetch(_OFFSETS, CONSUMER, partitions))

    @retry_outdated_plans
    async def record(
        self,
        messages: Sequence[Message],
        changed_shows: Collection[int],
        taking: Mapping[int, PublishedEvent],
        next_offsets: Mapping[int, int],
    ) -> int:
        """Records messages for the webhooks that want them, and moves the offsets, in one transaction.

        `taking`: the last event of each show that may have sold it out. Returns the number of deliveries.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            shows = sorted(set(changed_shows))
            if shows:
                await connection.execute(_AVAILABLE_AGAIN, shows)
            gone = await connection.fetch(_SOLD_OUT, sorted(taking)) if taking else []
            shows_gone = sorted(row["show_id"] for row in gone)
            every = [*messages, *(sold_out(taking[show_id], show_id) for show_id in shows_gone)]
            recorded = 0
            if every:
                recorded = _count(
                    await connection.execute(
                        _RECORD,
                        [one.event_id for one in every],
                        [one.type for one in every],
                        [one.show_id for one in every],
                        [one.body for one in every],
                        [one.at_ms for one in every],
                    )
                )
            if recorded or gone:
                # A row is durable before its request: a crash of the server does not make it anew under another id.
                await connection.execute("SET LOCAL synchronous_commit = on")
            await connection.execute(_MOVE, CONSUMER, list(next_offsets), list(next_offsets.values()))
        return recorded


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])

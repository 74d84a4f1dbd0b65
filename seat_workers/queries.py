"""SQL of the writers' ledger, and the planner settings that it runs with."""

from __future__ import annotations

TAKE_PARTITIONS = """
    INSERT INTO partitions AS t (partition, epoch, owner)
    SELECT p, 1, $2 FROM unnest($1::int[]) p
     WHERE EXISTS (SELECT FROM partitions known WHERE known.partition = p)
        OR NOT EXISTS (SELECT FROM decisions d WHERE d.partition = p)
     ORDER BY p
        ON CONFLICT (partition) DO UPDATE SET epoch = t.epoch + 1, owner = excluded.owner
    RETURNING partition, epoch, next_offset, published_offset, last_ms"""
PARTITION_STATES = """
    SELECT partition, epoch, next_offset, published_offset, last_ms
      FROM partitions WHERE partition = ANY ($1::int[])"""
MARK_PUBLISHED = """
    UPDATE partitions t SET published_offset = p.published
      FROM unnest($1::int[], $2::bigint[], $3::bigint[]) p (partition, epoch, published)
     WHERE t.partition = p.partition AND t.epoch = p.epoch AND t.published_offset < p.published"""
SHOW_SIZES = """
    SELECT s.show_id, s.partition, s.layout_digest, coalesce(l.total_seats, 0) - s.available
      FROM show_states s LEFT JOIN layouts l ON l.digest = s.layout_digest
     WHERE s.show_id = ANY ($1::int[]) AND s.partition = ANY ($2::int[])"""
SHOWS = """
    SELECT s.show_id, s.partition, s.status, s.version, s.available, s.layout_id, s.layout_digest, s.starts_ms,
           s.seats_per_customer, s.sales_start_ms, s.sales_end_ms, s.payment, b.*, c.*
      FROM show_states s
     CROSS JOIN LATERAL (
           SELECT string_agg(uuid_send(booking_id), ''::bytea ORDER BY booking_id) AS ids,
                  string_agg(int8send(user_id), ''::bytea ORDER BY booking_id) AS users,
                  string_agg(int8send(created_ms), ''::bytea ORDER BY booking_id) AS created_ms,
                  string_agg(int8send(coalesce(expires_ms, 0)), ''::bytea ORDER BY booking_id) AS expires_ms,
                  string_agg(int4send(cardinality(seats)), ''::bytea ORDER BY booking_id) AS sizes,
                  array_agg(checked_in) FILTER (WHERE checked_in IS NOT NULL) AS check_ins,
                  string_agg(uuid_send(booking_id), ''::bytea ORDER BY booking_id)
                  FILTER (WHERE hold_ms IS NOT NULL) AS extended_ids,
                  string_agg(int8send(hold_ms), ''::bytea ORDER BY booking_id)
                  FILTER (WHERE hold_ms IS NOT NULL) AS hold_ms,
                  string_agg(uuid_send(booking_id), ''::bytea ORDER BY booking_id) FILTER (WHERE paid) AS paid_ids
             FROM bookings
            WHERE booking_id IN (SELECT booking_id FROM claims WHERE show_id = s.show_id AND state <> 'b')
              AND status IN ('held', 'confirmed')) b
     CROSS JOIN LATERAL (
           SELECT string_agg(int4send(seat), ''::bytea ORDER BY booking_id, seat)
                  FILTER (WHERE state <> 'b') AS claimed,
                  string_agg(int4send(seat), ''::bytea ORDER BY seat) FILTER (WHERE state = 'b') AS blocked,
                  string_agg(int8send(coalesce(release_ms, 0)), ''::bytea ORDER BY seat)
                  FILTER (WHERE state = 'b') AS releases,
                  array_agg(code ORDER BY seat) FILTER (WHERE state = 'b') AS codes
             FROM claims WHERE show_id = s.show_id) c
     WHERE s.show_id = ANY ($1::int[]) AND s.partition = ANY ($2::int[])"""
_BOOKING_COLUMNS = (
    "booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, checked_in,"
    " hold_ms, paid"
)
BOOKINGS = f"SELECT {_BOOKING_COLUMNS} FROM bookings WHERE booking_id = ANY ($1::uuid[])"
SHOWS_WITH_HOLDS = """
    SELECT s.partition, c.show_id, min(coalesce(b.expires_ms, c.release_ms)) AS due_ms
      FROM claims c LEFT JOIN bookings b USING (booking_id) JOIN show_states s ON s.show_id = c.show_id
     WHERE (c.state = 'h' OR c.release_ms IS NOT NULL) AND coalesce(b.expires_ms, c.release_ms) IS NOT NULL
       AND s.partition = ANY ($1::int[]) GROUP BY s.partition, c.show_id"""
CANCELLED_SHOWS_WITH_BOOKINGS = """
    SELECT s.partition, s.show_id FROM show_states s
     WHERE s.status = 'cancelled' AND s.partition = ANY ($1::int[])
       AND EXISTS (SELECT FROM claims c WHERE c.show_id = s.show_id AND c.state <> 'b')"""
LAYOUTS = "SELECT digest, body FROM layouts WHERE digest = ANY ($1::text[])"
FIRST_DECISIONS = """
    SELECT i.command_id, d.partition, d.log_offset, d.at_ms, d.command, d.answer
      FROM command_ids i JOIN decisions d USING (partition, log_offset, at_ms)
     WHERE i.command_id = ANY ($1::uuid[])"""
DECISIONS = """
    SELECT log_offset, at_ms, command, answer FROM decisions
     WHERE partition = $1 AND log_offset >= $2 AND log_offset < $3 ORDER BY log_offset LIMIT $4"""
COMMIT = "SELECT commit_batch_v2(" + ", ".join(f"${n}" for n in range(1, 64)) + ")"
COMMIT_DELETING_EXPIRED_IDS = f"""
    WITH forgotten AS (
        DELETE FROM command_ids i USING unnest($64::uuid[], $65::bigint[]) u (command_id, counts_from_ms)
         WHERE i.command_id = u.command_id AND i.at_ms < u.counts_from_ms RETURNING i.command_id)
    {COMMIT} FROM (SELECT count(*) FROM forgotten)"""
"""Deletes expired ids, then commits, in one statement: counting the deleted rows makes the call wait for them, and a
volatile function sees what its own statement has changed."""
_SCAN_COLUMNS = "partition, log_offset, decided_ms, show_id, booking_id, seat, at_ms, gate, used_ms"
_SCAN_TYPES = ("int", "bigint", "bigint", "int", "uuid", "text", "bigint", "text", "bigint")
SCAN_WIDTH = len(_SCAN_TYPES)


def commit_with_scans(*, deleting_expired_ids: bool) -> str:
    """The commit of a batch with scans, in one statement. The arguments of `check_ins` are the last ones.

    The function is called before the first row is inserted, so that a fenced worker is refused as such.
    """
    first = 66 if deleting_expired_ids else 64
    arrays = ", ".join(f"${first + n}::{kind}[]" for n, kind in enumerate(_SCAN_TYPES))
    commit = f"SELECT committed FROM ({COMMIT} AS committed) c"
    forgotten = ""
    if deleting_expired_ids:
        forgotten, _, commit = (
            COMMIT_DELETING_EXPIRED_IDS.strip().removeprefix("WITH ").partition("\n    SELECT ")
        )
        forgotten, commit = f"{forgotten},", f"SELECT {commit}"
    return f"""
        WITH {forgotten} committed AS MATERIALIZED ({commit})
        INSERT INTO check_ins ({_SCAN_COLUMNS})
        SELECT u.* FROM committed, unnest({arrays}) u"""


ACCESS_BY_KEY_ONLY = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
"""A worker touches rows by key only. Plans are made while tables are small, or for the average show; a plan that scans
a table would be right then and wrong an hour later, for all shows of the worker."""
KEEP_PLANS = "SET plan_cache_mode = force_generic_plan"
"""For commits. By default PostgreSQL would plan each statement anew for each batch, since a plan for few rows looks
cheaper; planning is a third of the cost of committing one booking."""
DISCARD_PLANS, PLAN_LIFETIME_S = "DISCARD PLANS", 2.0
"""Plans are discarded every two seconds: one made for a nearly empty table reads the whole index, even after the table
has grown."""

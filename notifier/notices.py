"""E-mails that no event of the log calls for by itself: changed shows to their customers, and sales to staff.

Both are made from tables in one transaction with what says that they were made, so that several notifiers, repeats and
crashes make each once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from runtime.polling import OutageLog
from runtime.postgres import DATABASE_ERRORS, Pool
from schemas.zones import zone_of

EVERY_S = 2.0
SETTLED_S = 5.0
"""Time after a change of a show in which a slip can be corrected, before its customers are notified."""
STAFF_EVERY = 15
"""Staff's notices are looked for at each of this number of polls."""
SUMMARY_HOUR = 7
"""Hour of the venue's day at which the summary of the day before is made."""
FEW_LEFT = 0.1
"""Part of a show's seats that counts as few."""

# A booking made after the change was made knowing it. Bookings are found by their claims, which have an index.
_SHOW_CHANGES = """
WITH settled AS (
    SELECT show_id, min(change_id) AS change_id, max(version) AS version, max(changed_at) AS changed_at
      FROM show_changes GROUP BY show_id HAVING max(changed_at) < now() - make_interval(secs => $1) LIMIT 1
), taken AS (
    DELETE FROM show_changes c USING settled
     WHERE c.change_id IN (SELECT change_id FROM show_changes WHERE show_id = settled.show_id
                            FOR UPDATE SKIP LOCKED) RETURNING c.*
), change AS (
    SELECT t.change_id, t.show_id, t.starts_at, t.timezone, t.screen, settled.version, settled.changed_at
      FROM taken t JOIN settled USING (show_id, change_id)
      JOIN shows s ON s.show_id = t.show_id
     WHERE (s.starts_at, s.timezone, s.screen_name) IS DISTINCT FROM (t.starts_at, t.timezone, t.screen)
       AND s.starts_at > now()
), made AS (
    INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload)
    SELECT 'show-change-' || change_id || '-' || b.booking_id, 'show_changed', b.user_id, b.booking_id,
           convert_to(jsonb_build_object(
               'booking_id', b.booking_id, 'old_starts_ms', (extract(epoch FROM starts_at) * 1000)::bigint,
               'old_timezone', timezone, 'old_screen', screen, 'version', version)::text, 'UTF8')
      FROM change CROSS JOIN LATERAL (
           SELECT DISTINCT booking_id FROM claims c WHERE c.show_id = change.show_id AND c.state = 's') claimed
      JOIN bookings b USING (booking_id)
     WHERE b.status = 'confirmed' AND b.user_id > 0 AND b.created_ms < extract(epoch FROM changed_at) * 1000
        ON CONFLICT DO NOTHING RETURNING 1
) SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM made)"""

_STAFF = "SELECT user_id FROM users WHERE role IN ('staff', 'admin') AND active AND summaries AND email IS NOT NULL"

# Seats that are held may come back: the show is sold out once nobody holds any.
_SALES = f"""
WITH due AS (
    SELECT CASE WHEN t.available = 0 THEN 'staff_sold_out' ELSE 'staff_few_left' END AS kind, s.show_id
      FROM shows s JOIN show_states t USING (show_id) JOIN layouts l ON l.layout_id = s.layout_id
     WHERE s.starts_at > now() AND t.status = 'open' AND t.available <= l.total_seats * $1::float8
       AND NOT EXISTS (SELECT FROM claims c WHERE c.show_id = s.show_id AND c.state = 'h')
       AND EXISTS (SELECT FROM claims c WHERE c.show_id = s.show_id AND c.state = 's')
), noted AS (
    INSERT INTO staff_notices (kind, about) SELECT kind, show_id::text FROM due
        ON CONFLICT DO NOTHING RETURNING kind, about
)
INSERT INTO deliveries (event_id, kind, user_id, payload)
SELECT 'notice-' || about || '-' || user_id, kind, user_id,
       convert_to(jsonb_build_object('show_id', about::int)::text, 'UTF8')
  FROM noted CROSS JOIN ({_STAFF}) staff ON CONFLICT DO NOTHING"""

_SUMMARY = f"""
WITH noted AS (
    INSERT INTO staff_notices (kind, about) VALUES ('staff_daily_summary', $1) ON CONFLICT DO NOTHING RETURNING about
)
INSERT INTO deliveries (event_id, kind, user_id, payload)
SELECT 'summary-' || about || '-' || user_id, 'staff_daily_summary', user_id,
       convert_to(jsonb_build_object('day', about)::text, 'UTF8')
  FROM noted CROSS JOIN ({_STAFF}) staff ON CONFLICT DO NOTHING"""

# A venue that has just begun has no day to look back on.
_HAS_DAY = "SELECT EXISTS (SELECT FROM shows WHERE created_at < $1)"


class Notices:
    """Makes the deliveries. Several notifiers may run it at once."""

    def __init__(
        self,
        pool: Pool,
        timezone: str,
        wake: Callable[[], None],
        *,
        every_s: float = EVERY_S,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._pool = pool
        self._zone = zone_of(timezone, timezone)
        self._wake = wake
        self._every_s = every_s
        self._settled_s = settled_s
        self._summary_of = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        outage = OutageLog("notices")
        polls = 0
        while not stop.is_set():
            try:
                while await self.notify_of_a_changed_show():
                    self._wake()
                if polls % STAFF_EVERY == 0:
                    await self.notify_staff(datetime.now(self._zone))
                    self._wake()
                polls += 1
            except DATABASE_ERRORS as error:
                outage.failed(error)
            else:
                outage.succeeded()
            try:
                async with asyncio.timeout(self._every_s):
                    await stop.wait()
            except TimeoutError:
                pass

    async def notify_of_a_changed_show(self) -> bool:
        """Makes the deliveries to everybody who has tickets of one changed show. Returns whether there was one."""
        taken, _made = await self._pool.fetchrow(_SHOW_CHANGES, self._settled_s)
        return bool(taken)

    async def notify_staff(self, now: datetime) -> None:
        """Makes the deliveries to staff that are due. `now`: in the venue's time zone."""
        await self._pool.execute(_SALES, FEW_LEFT)
        if now.hour < SUMMARY_HOUR:
            return
        day = now.date() - timedelta(days=1)
        if self._summary_of == day.isoformat():
            return
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if await self._pool.fetchval(_HAS_DAY, today):
            await self._pool.execute(_SUMMARY, day.isoformat())
        self._summary_of = day.isoformat()

"""Reminders before a show: rows with a time, made from events, that become deliveries when their time has come.

A row is made when a booking is confirmed and removed when it is cancelled; a changed show has its rows made anew. A
reminder that was due already when its booking was confirmed is not sent. The delivery's event id names booking, lead
and start, so that a row which comes back (a repeated event, a clock set back) sends nothing twice.

The clock is the database's. Times are instants: a change to summer time moves none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import asyncpg
import msgspec

from notifier import kinds
from runtime.polling import OutageLog
from runtime.postgres import DATABASE_ERRORS, Pool
from schemas.events import (
    BookingCancelled,
    BookingConfirmed,
    PublishedEvent,
    ShowCancelled,
    ShowChanged,
)

EVERY_S = 1.0
BATCH = 500


class ReminderChanges(msgspec.Struct):
    """What events change: bookings confirmed, with the time in ms; bookings cancelled; shows changed or cancelled."""

    confirmed: list[tuple[UUID, int, int, int]] = msgspec.field(default_factory=list)
    """Booking, show, account, time."""
    cancelled: list[UUID] = msgspec.field(default_factory=list)
    shows: set[int] = msgspec.field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.confirmed or self.cancelled or self.shows)


def changes_of(events: Iterable[PublishedEvent]) -> ReminderChanges:
    """The changes that events call for. Walk-ins have nobody to remind."""
    changes = ReminderChanges()
    for published in events:
        match published.event:
            case BookingConfirmed(booking=booking) if booking.owned:
                changes.confirmed.append(
                    (booking.booking_id, booking.show_id, booking.user_id, published.at_ms)
                )
            case BookingCancelled(booking=booking):
                changes.cancelled.append(booking.booking_id)
            case ShowChanged(show_id=show_id) | ShowCancelled(show_id=show_id):
                changes.shows.add(show_id)
    return changes


# Where the writer's row is there, its start is that of the decisions; the catalogue's follows.
_START = "coalesce(t.starts_ms, (extract(epoch FROM s.starts_at) * 1000)::bigint)"

_CONFIRMED = f"""
INSERT INTO reminders (booking_id, lead_s, show_id, user_id, starts_ms, due_at)
SELECT booking_id, lead_s, show_id, user_id, starts_ms, due_at
  FROM (SELECT c.booking_id, lead_s, c.show_id, c.user_id, {_START} AS starts_ms, c.at_ms,
               to_timestamp({_START} / 1000.0) - make_interval(secs => lead_s) AS due_at
          FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[]) c (booking_id, show_id, user_id, at_ms)
         CROSS JOIN unnest($5::int[]) lead_s
          JOIN shows s USING (show_id) LEFT JOIN show_states t USING (show_id)) made
 WHERE due_at > to_timestamp(at_ms / 1000.0)
    ON CONFLICT (booking_id, lead_s) DO NOTHING"""

_CANCELLED = "DELETE FROM reminders WHERE booking_id = ANY ($1)"

# A row that is due and whose show starts as before stays: it is about to be sent.
_FORGET_SHOWS = f"""
DELETE FROM reminders r USING shows s LEFT JOIN show_states t USING (show_id)
 WHERE r.show_id = ANY ($1) AND s.show_id = r.show_id AND (t.status = 'cancelled' OR r.starts_ms <> {_START})"""

# Those of a cancelled booking whose event is not read yet go with that event; the composer skips them too.
_OF_SHOWS = f"""
INSERT INTO reminders (booking_id, lead_s, show_id, user_id, starts_ms, due_at)
SELECT * FROM (
    SELECT b.booking_id, lead_s, b.show_id, b.user_id, {_START} AS starts_ms,
           to_timestamp({_START} / 1000.0) - make_interval(secs => lead_s) AS due_at
      FROM shows s LEFT JOIN show_states t USING (show_id)
      JOIN bookings b ON b.show_id = s.show_id AND b.status IN ('held', 'confirmed')
     CROSS JOIN unnest($1::int[]) lead_s
     WHERE b.status = 'confirmed' AND b.user_id > 0
       AND t.status IS DISTINCT FROM 'cancelled' AND s.show_id = ANY ($2)) made
 WHERE due_at > now()
    ON CONFLICT (booking_id, lead_s) DO NOTHING"""

_LEADS = "SELECT leads_s FROM reminder_leads"
_OTHER_LEADS = "DELETE FROM reminders WHERE lead_s <> ALL ($1::int[])"
_COMING_SHOWS = "SELECT show_id FROM shows WHERE starts_at > now() ORDER BY starts_at"
_ADOPTED = """
INSERT INTO reminder_leads (leads_s) VALUES ($1) ON CONFLICT (only_one) DO UPDATE SET leads_s = excluded.leads_s"""

# After an outage several leads of a booking may be due: the last one says it all.
_FIRE = """
WITH due AS (
    SELECT booking_id, lead_s FROM reminders WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM reminders r USING due WHERE r.booking_id = due.booking_id AND r.lead_s = due.lead_s RETURNING r.*
), made AS (
    INSERT INTO deliveries (event_id, kind, user_id, booking_id, payload)
    SELECT DISTINCT ON (booking_id)
           'reminder-' || booking_id || '-' || lead_s || '-' || starts_ms, $2, user_id, booking_id,
           convert_to(jsonb_build_object('booking_id', booking_id, 'show_id', show_id, 'starts_ms', starts_ms)::text,
                      'UTF8')
      FROM taken JOIN users USING (user_id)
     WHERE users.reminders AND to_timestamp(starts_ms / 1000.0) > now()
     ORDER BY booking_id, lead_s
        ON CONFLICT (event_id, kind) DO NOTHING RETURNING 1
) SELECT (SELECT count(*) FROM taken) AS taken, (SELECT count(*) FROM made) AS made"""


class Reminders:
    """The rows of reminders. Several notifiers may work on them. `leads_s`: seconds before the start."""

    def __init__(self, pool: Pool, leads_s: Sequence[int], wake: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._leads_s = list(leads_s)
        self._wake = wake

    async def record(self, connection: asyncpg.Connection, changes: ReminderChanges) -> None:
        """Makes and removes rows, in the caller's transaction."""
        if changes.confirmed and self._leads_s:
            bookings, shows, users, times = zip(*changes.confirmed, strict=True)
            await connection.execute(_CONFIRMED, bookings, shows, users, times, self._leads_s)
        if changes.cancelled:
            await connection.execute(_CANCELLED, changes.cancelled)
        if changes.shows:
            changed = sorted(changes.shows)
            await connection.execute(_FORGET_SHOWS, changed)
            await connection.execute(_OF_SHOWS, self._leads_s, changed)

    async def fire(self) -> int:
        """Turns rows whose time has come into deliveries; returns the number of rows."""
        row = await self._pool.fetchrow(_FIRE, BATCH, kinds.REMINDER)
        if row["made"]:
            self._wake()
        return int(row["taken"])

    async def adopt_settings(self) -> None:
        """Where the setting is another one than before: makes the rows that it calls for, and removes others.

        Show by show, since a house may have sold a million tickets. A second run finds the rest.
        """
        if await self._pool.fetchval(_LEADS) == self._leads_s:
            return
        await self._pool.execute(_OTHER_LEADS, self._leads_s)
        for show in await self._pool.fetch(_COMING_SHOWS):
            await self._pool.execute(_OF_SHOWS, self._leads_s, [show["show_id"]])
        await self._pool.execute(_ADOPTED, self._leads_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        outage = OutageLog("reminders")
        adopted = False
        while not stop.is_set():
            try:
                if not adopted:
                    await self.adopt_settings()
                    adopted = True
                while await self.fire() == BATCH:
                    pass
            except DATABASE_ERRORS as error:
                outage.failed(error)
            else:
                outage.succeeded()
            try:
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()
            except TimeoutError:
                pass

"""What staff ask of a show beyond what its command carries: screen and time zone, and notes on blocked seats.

It is written down before the command is sent and put into the catalogue once that is accepted, by the gateway
that sent it or, should that stop, by whichever comes by. Names and remarks stay out of the log in this way.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from gateway.refusals import key_reused
from gateway.used_keys import KEY_LIFETIME_S
from schemas.wire import decode_decision

_NOTE_SQL = """
INSERT INTO show_requests AS old (command_id, kind, show_id, user_id, screen_name, timezone, note)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (command_id) DO UPDATE
   SET kind = excluded.kind, show_id = excluded.show_id, user_id = excluded.user_id, asked_at = now(),
       screen_name = excluded.screen_name, timezone = excluded.timezone, note = excluded.note,
       accepted = NULL, log_offset = NULL
 WHERE old.asked_at < now() - make_interval(secs => $8)
RETURNING command_id
"""
_SAME_SQL = """
SELECT (kind, show_id, user_id, screen_name, timezone, note)
       IS NOT DISTINCT FROM ($2::text, $3::int, $4::bigint, $5::text, $6::text, $7::text)
  FROM show_requests WHERE command_id = $1
"""
_KNOWN_SQL = (
    "SELECT 1 FROM show_requests WHERE command_id = $1 AND asked_at > now() - make_interval(secs => $2)"
)
_DECIDED_SQL = """
SELECT r.kind, r.show_id, r.screen_name, r.timezone, d.log_offset, d.command, d.answer
  FROM show_requests r
  JOIN command_ids c ON c.command_id = r.command_id AND c.at_ms > extract(epoch FROM r.asked_at) * 1000 - $2
  JOIN decisions d ON d.partition = c.partition AND d.log_offset = c.log_offset
 WHERE r.command_id = $1 AND r.accepted IS NULL FOR UPDATE OF r
"""
# Taken before the show's state is read, so that of two gateways the one that comes last knows the latest.
_LOCK_SHOW_SQL = "SELECT 1 FROM shows WHERE show_id = $1 FOR UPDATE"
_COPY_SQL = """
UPDATE shows s
   SET starts_at = to_timestamp(st.starts_ms / 1000.0), seats_per_customer = st.seats_per_customer,
       sales_start_at = to_timestamp(st.sales_start_ms / 1000.0),
       sales_end_at = to_timestamp(st.sales_end_ms / 1000.0),
       screen_name = coalesce((SELECT r.screen_name FROM show_requests r
                                WHERE r.show_id = $1 AND r.accepted AND r.screen_name IS NOT NULL
                                ORDER BY r.log_offset DESC LIMIT 1), s.screen_name),
       timezone = coalesce((SELECT r.timezone FROM show_requests r
                             WHERE r.show_id = $1 AND r.accepted AND r.timezone IS NOT NULL
                             ORDER BY r.log_offset DESC LIMIT 1), s.timezone)
  FROM show_states st WHERE s.show_id = $1 AND st.show_id = s.show_id
"""
_SETTLED_SQL = "UPDATE show_requests SET accepted = $2, log_offset = $3 WHERE command_id = $1"
_LEFT_SQL = """
SELECT r.command_id FROM show_requests r JOIN command_ids c ON c.command_id = r.command_id
 WHERE r.accepted IS NULL AND r.asked_at < now() - make_interval(secs => $1) ORDER BY r.asked_at LIMIT 100
"""
_FORGET_SQL = """
DELETE FROM show_requests WHERE accepted IS NOT TRUE AND asked_at < now() - make_interval(secs => $1)
"""


class _Head(msgspec.Struct):
    """What every command has, those of a later release too."""

    type: str
    show_id: int


_head_of = msgspec.json.Decoder(_Head).decode


class ShowRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request of staff. `kind` is the type of its command."""

    command_id: UUID
    kind: str
    show_id: int
    user_id: int
    screen_name: str | None = None
    timezone: str | None = None
    note: str = ""


class ShowRequests:
    """Writes requests down and puts them into the catalogue."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def note(self, request: ShowRequest) -> None:
        """Before the command is sent. Raises Problem `key_reused` where its id stands for something else."""
        values = msgspec.structs.astuple(request)
        if await self._pool.fetchval(_NOTE_SQL, *values, float(KEY_LIFETIME_S)) is not None:
            return
        if not await self._pool.fetchval(_SAME_SQL, *values):
            raise key_reused()

    async def known(self, command_id: UUID) -> bool:
        """Whether a request with this id was noted within the lifetime of a key."""
        return bool(await self._pool.fetchval(_KNOWN_SQL, command_id, float(KEY_LIFETIME_S)))

    async def settle(self, command_id: UUID) -> bool:
        """Puts a request into the catalogue if its command is decided. Returns whether it was accepted."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_DECIDED_SQL, command_id, KEY_LIFETIME_S * 1000)
            if row is None:
                return False
            # The id may be that of another kind of request, sent with the same key.
            command = _head_of(row["command"])
            same = command.type == row["kind"] and command.show_id == row["show_id"]
            accepted = same and decode_decision(row["answer"]).reason is None
            if accepted and row["kind"] == "ChangeShow":
                await connection.execute(_LOCK_SHOW_SQL, row["show_id"])
                await connection.execute(_SETTLED_SQL, command_id, accepted, row["log_offset"])
                await connection.execute(_COPY_SQL, row["show_id"])
            else:
                await connection.execute(_SETTLED_SQL, command_id, accepted, row["log_offset"])
            return accepted

    async def settle_left(self, older_than_s: float) -> int:
        """Settles what was asked at least this long ago and has been decided since.

        Returns how many were accepted; a refused one has nothing for the catalogue.
        """
        rows = await self._pool.fetch(_LEFT_SQL, older_than_s)
        return sum([await self.settle(row["command_id"]) for row in rows])

    async def forget(self) -> None:
        """Removes requests that came to nothing and whose keys have run out."""
        await self._pool.execute(_FORGET_SQL, KEY_LIFETIME_S + 3600)

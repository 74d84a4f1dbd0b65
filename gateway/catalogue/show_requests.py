"""Parts of a staff request that its command does not carry: screen, time zone, and notes on blocked seats.

A request is stored before its command is sent. Once the command is accepted, the gateway that sent it copies the change
into the catalogue; if that gateway stops, another does. This keeps names and notes out of the log.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from gateway.commands.refusals import key_reused
from gateway.commands.used_keys import KEY_LIFETIME_S
from runtime.outdated_plans import retry_outdated_plans
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
# Locked before the show's state is read, so that the last of two gateways copies the latest state.
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
_ABANDONED_SQL = """
SELECT r.command_id FROM show_requests r JOIN command_ids c ON c.command_id = r.command_id
 WHERE r.accepted IS NULL AND r.asked_at < now() - make_interval(secs => $1) ORDER BY r.asked_at LIMIT 100
"""
_DELETE_SQL = """
DELETE FROM show_requests WHERE accepted IS NOT TRUE AND asked_at < now() - make_interval(secs => $1)
"""


class _Head(msgspec.Struct):
    """The fields that every command has, also in later releases."""

    type: str
    show_id: int


_head_of = msgspec.json.Decoder(_Head).decode


class ShowRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A staff request. `kind` is the type of its command."""

    command_id: UUID
    kind: str
    show_id: int
    user_id: int
    screen_name: str | None = None
    timezone: str | None = None
    note: str = ""


class ShowRequests:
    """Stores staff requests and copies accepted ones into the catalogue."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def store(self, request: ShowRequest) -> None:
        """Stores a request, before its command is sent. Raises Problem `key_reused` if its id has another request."""
        values = msgspec.structs.astuple(request)
        if await self._pool.fetchval(_NOTE_SQL, *values, float(KEY_LIFETIME_S)) is not None:
            return
        if not await self._pool.fetchval(_SAME_SQL, *values):
            raise key_reused()

    async def known(self, command_id: UUID) -> bool:
        """Whether a request with this id was stored within the lifetime of a key."""
        return bool(await self._pool.fetchval(_KNOWN_SQL, command_id, float(KEY_LIFETIME_S)))

    @retry_outdated_plans
    async def settle(self, command_id: UUID) -> bool:
        """Copies a request into the catalogue if its command is decided. Returns whether it was accepted."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_DECIDED_SQL, command_id, KEY_LIFETIME_S * 1000)
            if row is None:
                return False
            # The id may belong to another kind of request, sent with the same key.
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

    async def settle_abandoned(self, older_than_s: float) -> int:
        """Settles requests that are at least `older_than_s` old and decided.

        Returns the number of accepted ones.
        """
        rows = await self._pool.fetch(_ABANDONED_SQL, older_than_s)
        return sum([await self.settle(row["command_id"]) for row in rows])

    async def delete_expired(self) -> None:
        """Deletes requests that were not accepted and whose keys have expired."""
        await self._pool.execute(_DELETE_SQL, KEY_LIFETIME_S + 3600)

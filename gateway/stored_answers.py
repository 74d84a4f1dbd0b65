"""Idempotency-Keys of calls that do not go through the log: the first answer, stored for 48 hours.

Keys are those of one account and one route. The answer is written in the transaction that does what was asked. A
request that is refused stores nothing. Two requests with one key at once: the second waits for the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gateway.http import Fields
from gateway.preferences import read_key
from gateway.refusals import key_reused
from gateway.used_keys import KEY_LIFETIME_S
from schemas.ids import keyed_command_id

_BEGIN_SQL = """
INSERT INTO stored_answers AS old (answer_id, digest) VALUES ($1, $2)
    ON CONFLICT (answer_id) DO UPDATE
   SET digest = excluded.digest, status = NULL, location = NULL, body = NULL, created_at = now()
 WHERE old.created_at < now() - make_interval(secs => $3)
RETURNING answer_id
"""
_STORE_SQL = "UPDATE stored_answers SET status = $2, location = $3, body = $4 WHERE answer_id = $1"
_READ_SQL = "SELECT digest, status, location, body FROM stored_answers WHERE answer_id = $1"
_FORGET_SQL = "DELETE FROM stored_answers WHERE created_at < now() - make_interval(secs => $1)"


class Answer(msgspec.Struct, frozen=True):
    """An answer as it is stored: its status, the header Location and the JSON of its body."""

    status: int
    location: str | None
    body: bytes
    replayed: bool = False


class StoredAnswers:
    """The stored answers of all gateways."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def once(
        self,
        user_id: int,
        route: str,
        fields: Fields,
        request: msgspec.Struct,
        make: Callable[[Any], Awaitable[Answer]],
    ) -> Answer:
        """What `make` answers, given a connection in a transaction; or the stored answer to the same request.

        `fields` are the headers of the request. Raises Problem: `validation` for an ill-formed key, `key_reused`,
        and whatever `make` raises.
        """
        header = fields.get(b"idempotency-key")
        async with self._pool.acquire() as connection, connection.transaction():
            if header is None:
                return await make(connection)
            answer_id = keyed_command_id(user_id, f"{route}\n{read_key(header.decode('latin-1'))}")
            digest = hashlib.sha256(msgspec.json.encode(request)).digest()
            if await connection.fetchval(_BEGIN_SQL, answer_id, digest, float(KEY_LIFETIME_S)) is None:
                row = await connection.fetchrow(_READ_SQL, answer_id)
                if row["digest"] != digest:
                    raise key_reused()
                return Answer(row["status"], row["location"], row["body"], replayed=True)
            answer = await make(connection)
            await connection.execute(_STORE_SQL, answer_id, answer.status, answer.location, answer.body)
            return answer

    async def forget(self) -> None:
        """Removes answers whose keys have run out."""
        await self._pool.execute(_FORGET_SQL, float(KEY_LIFETIME_S))

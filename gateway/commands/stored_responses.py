"""Idempotency-Keys of calls that do not go through the log: the first response, stored for 48 hours.

A key belongs to one account and one route. The response is written in the transaction of the change. A rejected
request stores nothing. Of two concurrent requests with one key, the second waits for the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gateway.commands.refusals import key_reused
from gateway.commands.used_keys import KEY_LIFETIME_S
from gateway.http.command_headers import read_key
from gateway.http.exchange import Headers
from runtime.outdated_plans import retry_outdated_plans
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


class StoredResponse(msgspec.Struct, frozen=True):
    """A response as it is stored: status, the header Location and the JSON of the body."""

    status: int
    location: str | None
    body: bytes
    replayed: bool = False


class StoredResponses:
    """The stored responses of all gateways."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @retry_outdated_plans
    async def once(
        self,
        user_id: int,
        route: str,
        headers: Headers,
        request: msgspec.Struct,
        make: Callable[[Any], Awaitable[StoredResponse]],
    ) -> StoredResponse:
        """Returns what `make` returns, given a connection in a transaction, or the stored response to the same request.

        `headers` are the headers of the request. Raises Problem `validation` for an invalid key and `key_reused`,
        and every error of `make`.
        """
        header = headers.get(b"idempotency-key")
        async with self._pool.acquire() as connection, connection.transaction():
            if header is None:
                return await make(connection)
            answer_id = keyed_command_id(user_id, f"{route}\n{read_key(header)}")
            digest = hashlib.sha256(msgspec.json.encode(request)).digest()
            if await connection.fetchval(_BEGIN_SQL, answer_id, digest, float(KEY_LIFETIME_S)) is None:
                row = await connection.fetchrow(_READ_SQL, answer_id)
                if row["digest"] != digest:
                    raise key_reused()
                return StoredResponse(row["status"], row["location"], row["body"], replayed=True)
            answer = await make(connection)
            await connection.execute(_STORE_SQL, answer_id, answer.status, answer.location, answer.body)
            return answer

    async def forget(self) -> None:
        """Removes responses whose keys have expired."""
        await self._pool.execute(_FORGET_SQL, float(KEY_LIFETIME_S))

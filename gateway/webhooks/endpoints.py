"""Webhooks in the database: their addresses, events and secrets."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from gateway.http.bodies import invalid
from gateway.http.pagination import read_cursor, split_page
from gateway.http.problems import Problem
from gateway.webhooks.targets import Targets
from schemas.api import timestamp
from schemas.api_webhooks import (
    ChangeWebhookBody,
    NewWebhookBody,
    WebhookBody,
    WebhookSecretBody,
    WebhooksPage,
)
from webhooks.signing import PRIVATE_KEY_BYTES, SECRET_BYTES, SigningKeys, shown_public_key

MAX_WEBHOOKS = 50
ROTATION_S = 24 * 3600
"""For how long a secret signs after it was replaced."""
MAX_SECRETS = 5
"""Secrets that sign at a time: past it, the oldest ones retire at once."""
MAX_ID = 2**63 - 1

_COLUMNS = """
w.webhook_id, w.url, w.events, w.active, w.disabled, (extract(epoch FROM w.created_at) * 1000)::bigint AS created_ms,
(SELECT private_key FROM webhook_secrets s WHERE s.webhook_id = w.webhook_id AND s.retires_at IS NULL) AS private_key"""
# One at a time, so that their number is exact.
_LOCK_ALL = "LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE"
_COUNT = "SELECT count(*) FROM webhooks"
_INSERT = "INSERT INTO webhooks (url, events) VALUES ($1, $2) RETURNING webhook_id"
_INSERT_SECRET = "INSERT INTO webhook_secrets (webhook_id, secret, private_key) VALUES ($1, $2, $3)"
_GET = f"SELECT {_COLUMNS} FROM webhooks w WHERE w.webhook_id = $1"
_LIST = f"SELECT {_COLUMNS} FROM webhooks w WHERE w.webhook_id > $1 ORDER BY w.webhook_id LIMIT $2"
# Switched on again, it gets the events from now on.
_CHANGE = """
UPDATE webhooks
   SET url = coalesce($2, url), events = coalesce($3, events), active = coalesce($4, active),
       since = CASE WHEN $4 AND NOT active THEN now() ELSE since END,
       disabled = CASE WHEN $4 THEN NULL ELSE disabled END,
       slowdowns = CASE WHEN $4 OR $2 IS NOT NULL THEN 0 ELSE slowdowns END,
       paused_until = CASE WHEN $4 OR $2 IS NOT NULL THEN NULL ELSE paused_until END
 WHERE webhook_id = $1 RETURNING webhook_id"""
_DELETE = "DELETE FROM webhooks WHERE webhook_id = $1 RETURNING webhook_id"
_LOCK = "SELECT 1 FROM webhooks WHERE webhook_id = $1 FOR UPDATE"
_RETIRE = """
UPDATE webhook_secrets SET retires_at = now() + $2 * interval '1 second' WHERE webhook_id = $1 AND retires_at IS NULL"""
_DROP_OLDEST = """
DELETE FROM webhook_secrets WHERE webhook_id = $1 AND (retires_at < now() OR secret_id NOT IN (
    SELECT secret_id FROM webhook_secrets WHERE webhook_id = $1 ORDER BY secret_id DESC LIMIT $2))"""


class Webhooks:
    """Reads and writes webhooks."""

    def __init__(self, pool: Any, targets: Targets) -> None:
        self._pool = pool
        self.targets = targets

    async def add(self, webhook: NewWebhookBody, connection: Any) -> WebhookSecretBody:
        """Adds a webhook in the connection's transaction. Its URL has been checked. Raises Problem `validation`."""
        events = _checked_events(webhook.events)
        await connection.execute(_LOCK_ALL)
        if await connection.fetchval(_COUNT) >= MAX_WEBHOOKS:
            raise invalid(
                ("url", f"there are {MAX_WEBHOOKS} webhooks already, as many as there may be: delete one")
            )
        webhook_id = await connection.fetchval(_INSERT, webhook.url, events)
        return await self._with_new_secret(webhook_id, connection)

    async def get(self, webhook_id: int) -> WebhookBody:
        """One webhook. Raises Problem `not_found`."""
        return _body(_found(await self._pool.fetchrow(_GET, checked_id(webhook_id))))

    async def page(self, limit: int, cursor: str | None) -> WebhooksPage:
        """A page of webhooks by id."""
        [after] = read_cursor(cursor, tuple[int]) if cursor is not None else (0,)
        if not 0 <= after <= MAX_ID:
            raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
        rows, next_cursor = split_page(
            await self._pool.fetch(_LIST, after, limit + 1), limit, lambda row: (row["webhook_id"],)
        )
        return WebhooksPage([_body(row) for row in rows], next_cursor)

    async def change(self, webhook_id: int, change: ChangeWebhookBody) -> WebhookBody:
        """Changes the given fields. Raises Problem `not_found`, `validation` or `webhook_address`."""
        url = None if change.url is msgspec.UNSET else change.url
        events = None if change.events is msgspec.UNSET else _checked_events(change.events)
        active = None if change.active is msgspec.UNSET else change.active
        if url is not None:
            await self.targets.check(url)
        _found(await self._pool.fetchrow(_CHANGE, checked_id(webhook_id), url, events, active))
        return await self.get(webhook_id)

    async def delete(self, webhook_id: int) -> None:
        """Deletes a webhook with its deliveries. Raises Problem `not_found`."""
        _found(await self._pool.fetchrow(_DELETE, checked_id(webhook_id)))

    async def rotate(self, webhook_id: int, connection: Any) -> WebhookSecretBody:
        """Makes a new secret and key pair; those of before sign for 24 hours more. Raises Problem `not_found`."""
        if await connection.fetchval(_LOCK, checked_id(webhook_id)) is None:
            raise webhook_not_found()
        await connection.execute(_RETIRE, webhook_id, ROTATION_S)
        body = await self._with_new_secret(webhook_id, connection)
        await connection.execute(_DROP_OLDEST, webhook_id, MAX_SECRETS)
        return body

    async def _with_new_secret(self, webhook_id: int, connection: Any) -> WebhookSecretBody:
        keys = SigningKeys(secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(PRIVATE_KEY_BYTES))
        await connection.execute(_INSERT_SECRET, webhook_id, keys.secret, keys.private_key)
        body = _body(_found(await connection.fetchrow(_GET, webhook_id)))
        return WebhookSecretBody(**msgspec.structs.asdict(body), secret=keys.shown_secret)


def checked_id(webhook_id: int) -> int:
    """A number that can be the id of a webhook. Raises Problem `not_found`."""
    if not 0 < webhook_id <= MAX_ID:
        raise webhook_not_found()
    return webhook_id


def webhook_not_found() -> Problem:
    """The problem for an unknown webhook."""
    return Problem("not_found", "There is no such webhook: GET /api/webhooks lists them.")


def _checked_events(events: tuple[str, ...]) -> list[str]:
    if "*" in events and len(events) > 1:
        raise invalid(("events", '["*"] stands for all events: name no others beside it'))
    for index, event in enumerate(events):
        if event in events[:index]:
            raise invalid((f"events[{index}]", "each event once is wanted"))
    return list(events)


def _found(row: Any) -> Any:
    if row is None:
        raise webhook_not_found()
    return row


def _body(row: Any) -> WebhookBody:
    return WebhookBody(
        id=row["webhook_id"],
        url=row["url"],
        events=row["events"],
        active=row["active"],
        disabled=row["disabled"],
        public_key=shown_public_key(row["private_key"]),
        created_at=timestamp(row["created_ms"]),
    )

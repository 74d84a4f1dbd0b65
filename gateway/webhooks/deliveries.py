"""Deliveries of webhooks as staff see them: listed, tested, and sent again."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from uuid import uuid4

from gateway.http.bodies import invalid
from gateway.http.pagination import read_cursor, split_page
from gateway.http.problems import Problem
from gateway.webhooks.endpoints import MAX_ID, checked_id, webhook_not_found
from schemas.api import timestamp
from schemas.api_webhooks import (
    TEST_TYPE,
    ReplayBody,
    ReplayedBody,
    WebhookDeliveriesPage,
    WebhookDeliveryBody,
    WebhookDeliveryStatus,
)
from webhooks.bodies import body_of_test

REPLAYED = 10_000
"""Deliveries that one call sends again."""

_COLUMNS = """
delivery_id, event_id, type, status, attempts, (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
(extract(epoch FROM last_try_at) * 1000)::bigint AS last_try_ms,
CASE WHEN status = 'pending' THEN (extract(epoch FROM due_at) * 1000)::bigint END AS due_ms, response_status, error"""
_ACTIVE = "SELECT active FROM webhooks WHERE webhook_id = $1 FOR SHARE"
_EXISTS = "SELECT 1 FROM webhooks WHERE webhook_id = $1"
_LIST = f"""
SELECT {_COLUMNS} FROM webhook_deliveries
 WHERE webhook_id = $1 AND delivery_id < $2 ORDER BY delivery_id DESC LIMIT $3"""
_LIST_BY_STATUS = f"""
SELECT {_COLUMNS} FROM webhook_deliveries
 WHERE webhook_id = $1 AND delivery_id < $2 AND status = $4 ORDER BY delivery_id DESC LIMIT $3"""
_TEST = f"""
INSERT INTO webhook_deliveries (webhook_id, event_id, type, show_id, body, ordered) VALUES ($1, $2, $3, 0, $4, false)
RETURNING {_COLUMNS}"""
_TRIES_AGAIN = """
status = 'pending', ordered = false, attempts = 0, due_at = now(), first_try_at = NULL, taken_by = NULL,
leased_until = NULL"""
_TRY_NOW = """
UPDATE webhook_deliveries SET due_at = now() WHERE webhook_id = $1 AND delivery_id = $2 AND status = 'pending'"""
_REPLAY = f"""
UPDATE webhook_deliveries SET {_TRIES_AGAIN} WHERE webhook_id = $1 AND delivery_id = $2 AND status <> 'pending'"""
_GET = f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE webhook_id = $1 AND delivery_id = $2"
_REPLAY_RANGE = f"""
WITH wanted AS (
    SELECT delivery_id, created_at FROM webhook_deliveries
     WHERE webhook_id = $1 AND status <> 'pending' AND status = coalesce($4, status)
       AND created_at >= $2 AND created_at < $3 ORDER BY created_at, delivery_id LIMIT $5 + 1),
first AS (SELECT * FROM wanted ORDER BY created_at, delivery_id LIMIT $5),
again AS (
    UPDATE webhook_deliveries d SET {_TRIES_AGAIN} FROM first WHERE d.delivery_id = first.delivery_id RETURNING 1)
SELECT (SELECT count(*) FROM again) AS replayed, (SELECT count(*) FROM wanted) > $5 AS more,
       (SELECT (floor(extract(epoch FROM max(created_at)) * 1000))::bigint FROM wanted) AS last_ms"""
_ALWAYS = datetime.fromisoformat("9999-12-31T00:00:00+00:00")


class WebhookDeliveries:
    """Reads deliveries, and has them sent again."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def page(
        self, webhook_id: int, status: WebhookDeliveryStatus | None, limit: int, cursor: str | None
    ) -> WebhookDeliveriesPage:
        """A page of a webhook's deliveries, newest first. Raises Problem `not_found`."""
        [before] = read_cursor(cursor, tuple[int]) if cursor is not None else (MAX_ID,)
        if not 0 <= before <= MAX_ID:
            raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
        if await self._pool.fetchval(_EXISTS, checked_id(webhook_id)) is None:
            raise webhook_not_found()
        if status is None:
            rows = await self._pool.fetch(_LIST, webhook_id, before, limit + 1)
        else:
            rows = await self._pool.fetch(_LIST_BY_STATUS, webhook_id, before, limit + 1, status)
        page, next_cursor = split_page(rows, limit, lambda row: (row["delivery_id"],))
        return WebhookDeliveriesPage([_body(row) for row in page], next_cursor)

    async def test(self, webhook_id: int, connection: Any) -> WebhookDeliveryBody:
        """Records a test event. Raises Problem `not_found` or `webhook_inactive`."""
        await self._check_active(webhook_id, connection)
        body = body_of_test(webhook_id, time.time_ns() // 1_000_000)
        return _body(await connection.fetchrow(_TEST, webhook_id, f"test-{uuid4()}", TEST_TYPE, body))

    async def replay(self, webhook_id: int, delivery_id: int, connection: Any) -> WebhookDeliveryBody:
        """Sends one delivery again; a pending one is tried now. Raises Problem `not_found` or `webhook_inactive`."""
        await self._check_active(webhook_id, connection)
        if 0 < delivery_id <= MAX_ID:
            await connection.execute(_TRY_NOW, webhook_id, delivery_id)
            await connection.execute(_REPLAY, webhook_id, delivery_id)
            if (row := await connection.fetchrow(_GET, webhook_id, delivery_id)) is not None:
                return _body(row)
        raise Problem(
            "not_found",
            "This webhook has no such delivery: GET /api/webhooks/{id}/deliveries lists those that are kept.",
        )

    async def replay_range(self, webhook_id: int, which: ReplayBody, connection: Any) -> ReplayedBody:
        """Sends the deliveries of a period again that are done. Raises Problem `not_found` or `webhook_inactive`."""
        await self._check_active(webhook_id, connection)
        to = which.to if isinstance(which.to, datetime) else _ALWAYS
        status = which.status if isinstance(which.status, str) else None
        row = await connection.fetchrow(_REPLAY_RANGE, webhook_id, which.from_, to, status, REPLAYED)
        return ReplayedBody(row["replayed"], row["more"], timestamp(row["last_ms"]) if row["more"] else None)

    async def _check_active(self, webhook_id: int, connection: Any) -> None:
        active = await connection.fetchval(_ACTIVE, checked_id(webhook_id))
        if active is None:
            raise webhook_not_found()
        if not active:
            raise Problem(
                "webhook_inactive",
                'This webhook is switched off. Switch it on first: PATCH /api/webhooks/{id} {"active": true}.',
            )


def _body(row: Any) -> WebhookDeliveryBody:
    return WebhookDeliveryBody(
        id=row["delivery_id"],
        event_id=row["event_id"],
        type=row["type"],
        status=row["status"],
        attempts=row["attempts"],
        created_at=timestamp(row["created_ms"]),
        last_try_at=None if row["last_try_ms"] is None else timestamp(row["last_try_ms"]),
        next_try_at=None if row["due_ms"] is None else timestamp(row["due_ms"]),
        response_status=row["response_status"],
        error=row["error"],
    )

"""The endpoint for deliveries: a list for staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import asyncpg
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from gateway.auth.guards import staff_only
from gateway.http.framework_requests import query_known
from gateway.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, read_cursor, split_page
from gateway.openapi.annotations import BEARER, problem_responses
from runtime.outdated_plans import retry_outdated_plans
from schemas.api import timestamp
from schemas.api_deliveries import DeliveriesPage, DeliveryBody, DeliveryStatus

_COLUMNS = """
SELECT delivery_id, event_id, kind, user_id, booking_id, status, held, attempts, created_at,
       CASE WHEN status = 'due' AND isfinite(due_at) THEN due_at END AS due_at, sent_at, last_error
  FROM deliveries WHERE delivery_id < $1"""
# Few fail or are due, and an index of their own finds them; each status has a statement, for a plan of its own.
_PAGE_SQL = {
    status: f"{_COLUMNS} {condition} ORDER BY delivery_id DESC LIMIT $2"
    for status, condition in {
        None: "",
        "due": "AND status = 'due'",
        "sent": "AND status = 'sent'",
        "failed": "AND status = 'failed'",
        "skipped": "AND status = 'skipped'",
    }.items()
}
_NEWEST = 2**63 - 1


class DeliveryList:
    """Reads the table of deliveries."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @retry_outdated_plans
    async def page(self, status: str | None, limit: int, cursor: str | None) -> DeliveriesPage:
        """A page, newest first. Raises Problem `validation` for an invalid cursor."""
        before = _NEWEST if cursor is None else min(max(read_cursor(cursor, tuple[int])[0], 0), _NEWEST)
        rows = await self._pool.fetch(_PAGE_SQL[status], before, limit + 1)
        found, next_cursor = split_page(rows, limit, lambda row: (row["delivery_id"],))
        return DeliveriesPage([_body(row) for row in found], next_cursor)


@get(
    "/",
    operation_id="ListDeliveries",
    security=BEARER,
    responses=problem_responses("database_unavailable"),
)
async def list_deliveries(
    delivery_list: NamedDependency[DeliveryList],
    status: Annotated[DeliveryStatus | None, QueryParameter(description="Only those of this status.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="Maximum number of items.")] = (
        DEFAULT_LIMIT
    ),
    cursor: Annotated[
        str | None, QueryParameter(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> Response[DeliveriesPage]:
    """E-mails and what became of them, newest first."""
    page = await delivery_list.page(status, limit, cursor)
    return Response(page, headers={"Cache-Control": "no-store"})


def delivery_routes() -> Router:
    """The router of this endpoint. Dependency to provide: `delivery_list`."""
    return Router(
        "/api/deliveries",
        route_handlers=[list_deliveries],
        guards=[staff_only, query_known],
        tags=["Reports"],
    )


def _body(row: Any) -> DeliveryBody:
    return DeliveryBody(
        id=row["delivery_id"],
        event_id=row["event_id"],
        channel="email",
        kind=row["kind"],
        user_id=row["user_id"],
        booking_id=row["booking_id"],
        status=row["status"],
        held=row["held"],
        attempts=row["attempts"],
        created_at=_time(row["created_at"]) or "",
        due_at=_time(row["due_at"]),
        sent_at=_time(row["sent_at"]),
        last_error=row["last_error"],
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else timestamp(round(at.timestamp() * 1000))

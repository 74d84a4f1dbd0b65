"""Endpoints of webhooks. All are for staff."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from gateway.auth.access_tokens import Caller
from gateway.auth.guards import staff_only
from gateway.commands.stored_responses import StoredResponse, StoredResponses
from gateway.http.exchange import Headers
from gateway.http.framework_requests import JsonRequest, json_accepted, query_known
from gateway.http.pagination import DEFAULT_LIMIT, MAX_CURSOR, MAX_LIMIT
from gateway.openapi.annotations import BEARER, problem_responses
from gateway.webhooks.deliveries import WebhookDeliveries
from gateway.webhooks.endpoints import Webhooks
from schemas.api_webhooks import (
    ChangeWebhookBody,
    NewWebhookBody,
    ReplayBody,
    ReplayedBody,
    WebhookBody,
    WebhookDeliveriesPage,
    WebhookDeliveryBody,
    WebhookDeliveryStatus,
    WebhookSecretBody,
    WebhooksPage,
)
from schemas.wire import encode

MAX_BODY = 16 * 1024

T = TypeVar("T", bound=msgspec.Struct)
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="Maximum number of items.")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=MAX_CURSOR, description="`next_cursor` of the page before.")
]


class _Nothing(msgspec.Struct, frozen=True):
    """The request of a call without fields."""


@post(
    "/",
    operation_id="AddWebhook",
    security=BEARER,
    responses=problem_responses("webhook_address", "key_reused"),
)
async def add_webhook(
    data: JSONBody[NewWebhookBody],
    caller: NamedDependency[Caller],
    webhooks: NamedDependency[Webhooks],
    stored_responses: NamedDependency[StoredResponses],
    request_headers: NamedDependency[Headers],
) -> Response[WebhookSecretBody]:
    """Add a webhook. The secret is shown only in this response.

    Accepts an Idempotency-Key, whose scope is this endpoint. Events are sent from then on, by
    the Standard Webhooks specification.
    """
    await webhooks.targets.check(data.url)

    async def add(connection: Any) -> StoredResponse:
        made = await webhooks.add(data, connection)
        return StoredResponse(201, f"/api/webhooks/{made.id}", encode(made))

    answer = await stored_responses.once(caller.user_id, "POST /api/webhooks", request_headers, data, add)
    return _response(answer, WebhookSecretBody)


@get("/", operation_id="ListWebhooks", security=BEARER)
async def list_webhooks(
    webhooks: NamedDependency[Webhooks], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> WebhooksPage:
    """Webhooks in the order of their ids."""
    return await webhooks.page(limit, cursor)


@get("/{webhook_id:int}", operation_id="GetWebhook", security=BEARER)
async def get_webhook(webhook_id: FromPath[int], webhooks: NamedDependency[Webhooks]) -> WebhookBody:
    """One webhook."""
    return await webhooks.get(webhook_id)


@patch(
    "/{webhook_id:int}",
    operation_id="ChangeWebhook",
    security=BEARER,
    responses=problem_responses("webhook_address"),
)
async def change_webhook(
    webhook_id: FromPath[int], data: JSONBody[ChangeWebhookBody], webhooks: NamedDependency[Webhooks]
) -> WebhookBody:
    """Change a webhook, or switch it off and on. Pending deliveries go to the new address."""
    return await webhooks.change(webhook_id, data)


@delete("/{webhook_id:int}", operation_id="DeleteWebhook", security=BEARER)
async def delete_webhook(webhook_id: FromPath[int], webhooks: NamedDependency[Webhooks]) -> None:
    """Delete a webhook with its deliveries."""
    await webhooks.delete(webhook_id)


@post(
    "/{webhook_id:int}/rotate",
    operation_id="RotateWebhookSecret",
    security=BEARER,
    status_code=200,
    responses=problem_responses("key_reused"),
)
async def rotate_secret(
    webhook_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    webhooks: NamedDependency[Webhooks],
    stored_responses: NamedDependency[StoredResponses],
    request_headers: NamedDependency[Headers],
) -> Response[WebhookSecretBody]:
    """Make a new secret and key pair. For 24 hours requests are signed with those of before, too."""
    await request.check_no_fields()

    async def rotate(connection: Any) -> StoredResponse:
        return StoredResponse(200, None, encode(await webhooks.rotate(webhook_id, connection)))

    route = f"POST /api/webhooks/{webhook_id}/rotate"
    answer = await stored_responses.once(caller.user_id, route, request_headers, _Nothing(), rotate)
    return _response(answer, WebhookSecretBody)


@post(
    "/{webhook_id:int}/test",
    operation_id="TestWebhook",
    security=BEARER,
    status_code=202,
    responses=problem_responses("webhook_inactive", "key_reused"),
)
async def test_webhook(
    webhook_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    webhook_deliveries: NamedDependency[WebhookDeliveries],
    stored_responses: NamedDependency[StoredResponses],
    request_headers: NamedDependency[Headers],
) -> Response[WebhookDeliveryBody]:
    """Send an event of the type `webhook.test`, whatever events the webhook gets. The deliveries list its outcome."""
    await request.check_no_fields()
    return await _accepted(
        lambda connection: webhook_deliveries.test(webhook_id, connection),
        WebhookDeliveryBody,
        f"POST /api/webhooks/{webhook_id}/test",
        _Nothing(),
        *(caller, stored_responses, request_headers),
    )


@get("/{webhook_id:int}/deliveries", operation_id="ListWebhookDeliveries", security=BEARER)
async def list_deliveries(
    webhook_id: FromPath[int],
    webhook_deliveries: NamedDependency[WebhookDeliveries],
    status: Annotated[
        WebhookDeliveryStatus | None, QueryParameter(description="Only deliveries in this status.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> WebhookDeliveriesPage:
    """Deliveries of a webhook, newest first. Those that are done are kept for 30 days."""
    return await webhook_deliveries.page(webhook_id, status, limit, cursor)


@post(
    "/{webhook_id:int}/deliveries/{delivery_id:int}/replay",
    operation_id="ReplayWebhookDelivery",
    security=BEARER,
    status_code=202,
    responses=problem_responses("webhook_inactive", "key_reused"),
)
async def replay_delivery(
    webhook_id: FromPath[int],
    delivery_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    webhook_deliveries: NamedDependency[WebhookDeliveries],
    stored_responses: NamedDependency[StoredResponses],
    request_headers: NamedDependency[Headers],
) -> Response[WebhookDeliveryBody]:
    """Send a delivery again, with the same `webhook-id`; a pending one is tried now."""
    await request.check_no_fields()
    return await _accepted(
        lambda connection: webhook_deliveries.replay(webhook_id, delivery_id, connection),
        WebhookDeliveryBody,
        f"POST /api/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
        _Nothing(),
        *(caller, stored_responses, request_headers),
    )


@post(
    "/{webhook_id:int}/replay",
    operation_id="ReplayWebhookDeliveries",
    security=BEARER,
    status_code=202,
    responses=problem_responses("webhook_inactive", "key_reused"),
)
async def replay_deliveries(
    webhook_id: FromPath[int],
    data: JSONBody[ReplayBody],
    caller: NamedDependency[Caller],
    webhook_deliveries: NamedDependency[WebhookDeliveries],
    stored_responses: NamedDependency[StoredResponses],
    request_headers: NamedDependency[Headers],
) -> Response[ReplayedBody]:
    """Send the deliveries of a period again that are delivered or failed, at most 10,000 in a call."""
    return await _accepted(
        lambda connection: webhook_deliveries.replay_range(webhook_id, data, connection),
        ReplayedBody,
        f"POST /api/webhooks/{webhook_id}/replay",
        data,
        *(caller, stored_responses, request_headers),
    )


async def _accepted(
    make: Callable[[Any], Awaitable[T]],
    kind: type[T],
    route: str,
    data: msgspec.Struct,
    caller: Caller,
    stored_responses: StoredResponses,
    request_headers: Headers,
) -> Response[T]:
    async def once(connection: Any) -> StoredResponse:
        return StoredResponse(202, None, encode(await make(connection)))

    return _response(await stored_responses.once(caller.user_id, route, request_headers, data, once), kind)


def _response(answer: StoredResponse, kind: type[T]) -> Response[T]:
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(msgspec.json.decode(answer.body, type=kind), status_code=answer.status, headers=headers)


def webhook_routes() -> Router:
    """The router of all webhook endpoints. Their parameters must be provided as dependencies."""
    handlers: list[Any] = [
        add_webhook,
        list_webhooks,
        get_webhook,
        change_webhook,
        delete_webhook,
        rotate_secret,
        test_webhook,
        list_deliveries,
        replay_delivery,
        replay_deliveries,
    ]
    return Router(
        "/api/webhooks",
        route_handlers=handlers,
        guards=[staff_only, json_accepted, query_known],
        request_max_body_size=MAX_BODY,
        tags=["Webhooks"],
    )

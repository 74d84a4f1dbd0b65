"""The fast routes in the OpenAPI document. The framework generates only its own routes."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.openapi.annotations import BEARER, ProblemBody, describe_problems
from schemas import (
    api,
    api_accounts,
    api_catalogue,
    api_check_in,
    api_deliveries,
    api_reports,
    api_seats,
    api_webhooks,
)

_SCHEMAS = (
    *(api, api_accounts, api_catalogue, api_check_in, api_deliveries, api_reports, api_seats, api_webhooks),
)
_REF = "#/components/schemas/{name}"

PROBLEM_SCHEMA = {"$ref": _REF.format(name="ProblemBody")}

_INTEGER = {"type": "integer", "minimum": 1}
_SHOW = {"name": "show_id", "in": "path", "required": True, "schema": _INTEGER}
_USER = {"name": "user_id", "in": "path", "required": True, "schema": _INTEGER}
_BOOKING = {
    "name": "booking_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_POSITION = {
    "name": "position",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": r"^\d+-\d+$"},
    "example": "3-18211",
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string"},
    "description": "`wait=N` (0 to 30 seconds, 10 by default) or `respond-async`.",
}
KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    "description": "The same key with the same request returns the stored first response, for 48 hours.",
}
COMMAND_PARAMETERS: list[dict[str, Any]] = [_PREFER, KEY_PARAMETER]
"""Headers of every command request."""

_BYTES = {"type": "string", "format": "binary"}
_LIST_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "status",
        "in": "query",
        "schema": {
            "type": "string",
            "enum": ["held", "confirmed", "cancelled", "expired", "released", "live"],
        },
        "description": "`live`: held or confirmed.",
    },
    {
        "name": "when",
        "in": "query",
        "schema": {"type": "string", "enum": ["coming", "past"]},
        "description": "`coming`: bookings of shows that have not ended yet; `past`: of those that have.",
    },
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    },
    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
]
_PUBLIC: list[dict[str, list[str]]] = []


def body_schemas() -> dict[str, Any]:
    """The component schemas of all request and response bodies."""
    bodies: list[type[Any]] = [ProblemBody]
    for module in _SCHEMAS:
        bodies += [kind for name, kind in vars(module).items() if name.endswith(("Body", "Page", "Request"))]
    return msgspec.json.schema_components(bodies, ref_template=_REF)[1]


def fast_route_paths() -> dict[str, dict[str, Any]]:
    """The operations of the fast routes, by path and method."""
    return {
        "/api/shows/{show_id}/seats": {
            "get": _operation(
                "GetSeatMap",
                "The seat map: the layout, and one letter per seat in layout order.",
                [_SHOW, {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}],
                {
                    "200": _json(
                        "SeatMapBody", "The map; ETag is its version. As br or gzip where accepted."
                    ),
                    "304": _plain("Unchanged."),
                },
                security=_PUBLIC,
            )
        },
        "/api/shows/{show_id}/bookings": {
            "post": _operation(
                "BookSeats",
                "Book seats, all or none. Staff who name no customer sell to a walk-in; they alone may send"
                " `user_id`, `lift_limit`, `note` and `paid`.",
                [_SHOW, *COMMAND_PARAMETERS],
                {"201": _json("BookingBody", "Booked; Location is the booking.")}
                | _pending()
                | _refused(*_SEATS)
                | {"400": _problems("too_many_seats", "seat_unknown"), "402": _problems("payment_required")},
                body="BookRequest",
            )
        },
        "/api/shows/{show_id}/holds": {
            "post": _operation(
                "HoldSeats",
                "Hold seats for a limited time, all or none; confirm the booking before it expires."
                " At most 30 an hour for each customer and show; refused and repeated ones do not count."
                " A hold does not replace an earlier one: change the seats of that one.",
                [_SHOW, *COMMAND_PARAMETERS],
                {"201": _json("BookingBody", "Held until `expires_at`; Location is the booking.")}
                | _pending()
                | _refused(*_SEATS)
                | {"400": _problems("too_many_seats", "seat_unknown")},
                body="HoldRequest",
            )
        },
        "/api/bookings/{booking_id}/confirm": {
            "post": _operation(
                "ConfirmBooking",
                "Make a held booking a confirmed one.",
                [_BOOKING, *COMMAND_PARAMETERS],
                {"200": _json("BookingBody", "The current booking.")}
                | _pending()
                | _refused("hold_expired", "already_confirmed", "already_cancelled", "show_cancelled")
                | {"402": _problems("payment_required"), "403": _problems("not_yours")},
            )
        },
        "/api/bookings/{booking_id}/extend": {
            "post": _operation(
                "ExtendHold",
                "Extend a hold by its own length from now, at most until 30 minutes after it was made.",
                [_BOOKING, *COMMAND_PARAMETERS],
                {"200": _json("BookingBody", "The hold with its new `expires_at`.")}
                | _pending()
                | _refused(
                    "hold_limit", "hold_expired", "already_confirmed", "already_cancelled", "show_cancelled"
                )
                | {"403": _problems("not_yours")},
            )
        },
        "/api/bookings/{booking_id}/seats": {
            "post": _operation(
                "ChangeSeats",
                "Give a booking other seats in one decision, as many as before; refused, it keeps its old ones."
                " A hold keeps its `expires_at`. Staff may name any number of seats.",
                [_BOOKING, *COMMAND_PARAMETERS],
                {"200": _json("BookingBody", "The booking with these seats.")}
                | _pending()
                | _refused(*_CHANGE)
                | {"400": _problems("too_many_seats", "seat_unknown"), "403": _problems("not_yours")},
                body="ChangeSeatsRequest",
            )
        },
        "/api/bookings/{booking_id}/swap": {
            "post": _operation(
                "SwapSeats",
                "Let two bookings of a show exchange their seats; for staff.",
                [_BOOKING, *COMMAND_PARAMETERS],
                {"200": _json("BookingBody", "The booking with the seats of the other one.")}
                | _pending()
                | _refused("already_cancelled", "hold_expired", "show_cancelled", "checked_in"),
                body="SwapSeatsRequest",
            )
        },
        "/api/bookings/{booking_id}": {
            "get": _operation(
                "GetBooking",
                "One booking, for its owner and staff.",
                [_BOOKING],
                {"200": _json("BookingBody", "The current booking.")},
            ),
            "delete": _cancel("DeleteBooking"),
        },
        "/api/bookings/{booking_id}/ticket.pdf": {
            "get": _operation(
                "GetTicketPdf",
                "The tickets of a confirmed booking as a PDF, a page for each seat; for its owner and staff.",
                [_BOOKING, {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}],
                {
                    "200": {
                        "description": "The tickets; ETag identifies exactly these bytes.",
                        "headers": {
                            "ETag": {"schema": {"type": "string"}},
                            "Content-Disposition": {"schema": {"type": "string"}},
                        },
                        "content": {
                            "application/pdf": {"schema": _BYTES},
                            "application/octet-stream": {"schema": _BYTES},
                        },
                    },
                    "304": _plain("Unchanged."),
                    "409": _problems("not_confirmed", "already_cancelled", "hold_expired"),
                    "503": _problems("overloaded", "database_unavailable"),
                },
            )
        },
        "/api/bookings/{booking_id}/ticket.svg": {
            "get": _operation(
                "GetTicketCode",
                "The QR code of one seat of a confirmed booking, as on its ticket; for its owner and staff.",
                [_BOOKING, {"name": "seat", "in": "query", "required": True, "schema": {"type": "string"}}],
                _file("The code, on white.", "image/svg+xml"),
            )
        },
        "/api/bookings/{booking_id}/calendar.ics": {
            "get": _operation(
                "GetCalendarEntry",
                "The show of a confirmed booking as an entry of calendars; for the booking's owner and staff."
                " Its UID is the booking's id, so that a later file of a show that was moved changes the entry.",
                [_BOOKING],
                _file("An iCalendar file with one event, in UTC.", "text/calendar"),
            )
        },
        "/api/bookings/{booking_id}/cancel": {"post": _cancel("CancelBooking")},
        "/api/me/bookings": {
            "get": _operation(
                "ListMyBookings",
                "The caller's own bookings, newest first.",
                _LIST_PARAMETERS,
                {"200": _json("BookingsPage", "A page.")},
            )
        },
        "/api/users/{user_id}/bookings": {
            "get": _operation(
                "ListBookingsOfUser",
                "A customer's bookings, newest first; for themselves and staff.",
                [_USER, *_LIST_PARAMETERS],
                {"200": _json("BookingsPage", "A page.")},
            )
        },
        "/api/commands/{position}": {
            "get": _operation(
                "GetCommand",
                "The status of a command that was answered 202.",
                [_POSITION, _PREFER],
                {
                    "200": _one_of(
                        ("PendingBody", "AcceptedBody", "RefusedBody"), "Pending, accepted or refused."
                    )
                },
            )
        },
    }


_SEATS = (
    "show_closed",
    "show_cancelled",
    "not_on_sale",
    "show_started",
    "seat_taken",
    "seat_blocked",
    "companion_only",
    "not_enough_seats",
    "limit_exceeded",
)
_CHANGE = (
    *("show_closed", "show_cancelled", "not_on_sale", "show_started"),
    *("seat_taken", "seat_blocked", "checked_in", "companion_only", "price_differs"),
    *("already_cancelled", "hold_expired"),
)


def _cancel(name: str) -> dict[str, Any]:
    return _operation(
        name,
        "Cancel a booking; its seats are free again at once.",
        [_BOOKING, *COMMAND_PARAMETERS],
        {"200": _json("BookingBody", "The current booking.")}
        | _pending()
        | _refused("already_cancelled", "hold_expired", "show_started", "checked_in"),
    )


def _operation(
    operation_id: str,
    summary: str,
    parameters: list[dict[str, Any]],
    responses: dict[str, Any],
    *,
    body: str | None = None,
    security: list[dict[str, list[str]]] = BEARER,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id,
        "summary": summary,
        "tags": ["Bookings"],
        "parameters": parameters,
        "responses": responses,
        "security": security,
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    return operation


def _file(description: str, media_type: str) -> dict[str, Any]:
    """The responses of a call that returns a file made from a confirmed booking."""
    content = {media_type: {"schema": _BYTES}, "application/octet-stream": {"schema": _BYTES}}
    return {
        "200": {"description": description, "content": content},
        "409": _problems("not_confirmed", "already_cancelled", "hold_expired"),
        "503": _problems("database_unavailable"),
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}


def _json(name: str, description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(name)}}}


def _one_of(names: tuple[str, ...], description: str) -> dict[str, Any]:
    discriminator = {
        "propertyName": "status",
        "mapping": {name.removesuffix("Body").lower(): _ref(name)["$ref"] for name in names},
    }
    schema = {"oneOf": [_ref(name) for name in names], "discriminator": discriminator}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _plain(description: str) -> dict[str, Any]:
    return {"description": description}


def _pending() -> dict[str, Any]:
    return {
        "202": _json("PendingBody", "Appended to the log, not decided yet; Location is the command's status.")
    }


def _refused(*codes: str) -> dict[str, Any]:
    return {"409": _problems(*codes), "422": _problems("key_reused")}


def _problems(*codes: str) -> dict[str, Any]:
    return {
        "description": describe_problems(*codes),
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
    }

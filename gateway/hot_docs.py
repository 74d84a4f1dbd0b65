"""The hot routes in the OpenAPI document; the framework does not know them."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.documents import BEARER, ProblemBody, described
from schemas import api, api_accounts, api_catalogue, api_reports, api_seats

_SCHEMAS = (api, api_accounts, api_catalogue, api_reports, api_seats)
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
    "description": "The same key and request get the stored first answer, for 48 hours.",
}
WAITING_PARAMETERS: list[dict[str, Any]] = [_PREFER, KEY_PARAMETER]
"""Headers of every call that is a command."""

_BYTES = {"type": "string", "format": "binary"}
_LIST: list[dict[str, Any]] = [
    {
        "name": "status",
        "in": "query",
        "schema": {"type": "string", "enum": ["held", "confirmed", "cancelled", "expired", "released"]},
    },
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    },
    {"name": "cursor", "in": "query", "schema": {"type": "string"}},
]
_OPEN_TO_ALL: list[dict[str, list[str]]] = []


def body_schemas() -> dict[str, Any]:
    """The components that all bodies are made of."""
    bodies = [ProblemBody]
    for module in _SCHEMAS:
        bodies += [kind for name, kind in vars(module).items() if name.endswith(("Body", "Page", "Request"))]
    return msgspec.json.schema_components(bodies, ref_template=_REF)[1]


def hot_paths() -> dict[str, dict[str, Any]]:
    """Paths of the hot routes, each with its operations."""
    return {
        "/api/shows/{show_id}/seats": {
            "get": _operation(
                "GetSeatMap",
                "The seat map: the layout, and one letter per seat in layout order.",
                [_SHOW, {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}],
                {"200": _json("SeatMapBody", "The map; ETag is its version."), "304": _plain("Unchanged.")},
                security=_OPEN_TO_ALL,
            )
        },
        "/api/shows/{show_id}/bookings": {
            "post": _operation(
                "BookSeats",
                "Book seats, all or none.",
                [_SHOW, *WAITING_PARAMETERS],
                {"201": _json("BookingBody", "Booked; Location is the booking.")}
                | _pending()
                | _refused(*_SEATS),
                body="BookRequest",
            )
        },
        "/api/shows/{show_id}/holds": {
            "post": _operation(
                "HoldSeats",
                "Keep seats for a while, all or none; confirm the booking before it expires."
                " At most 30 an hour for each customer and show; refused and repeated ones do not count.",
                [_SHOW, *WAITING_PARAMETERS],
                {"201": _json("BookingBody", "Held until `expires_at`; Location is the booking.")}
                | _pending()
                | _refused(*_SEATS),
                body="HoldRequest",
            )
        },
        "/api/bookings/{booking_id}/confirm": {
            "post": _operation(
                "ConfirmBooking",
                "Make a held booking a confirmed one.",
                [_BOOKING, *WAITING_PARAMETERS],
                {"200": _json("BookingBody", "The booking as it is now.")}
                | _pending()
                | _refused("hold_expired", "already_confirmed", "already_cancelled"),
            )
        },
        "/api/bookings/{booking_id}": {
            "get": _operation(
                "GetBooking",
                "One booking, for its owner and staff.",
                [_BOOKING],
                {"200": _json("BookingBody", "The booking as it is now.")},
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
                        "description": "The tickets; ETag names these very bytes.",
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
        "/api/bookings/{booking_id}/cancel": {"post": _cancel("CancelBooking")},
        "/api/me/bookings": {
            "get": _operation(
                "ListMyBookings",
                "One's own bookings, newest first.",
                _LIST,
                {"200": _json("BookingsPage", "A page.")},
            )
        },
        "/api/users/{user_id}/bookings": {
            "get": _operation(
                "ListBookingsOfUser",
                "A customer's bookings, newest first; for themselves and staff.",
                [_USER, *_LIST],
                {"200": _json("BookingsPage", "A page.")},
            )
        },
        "/api/commands/{position}": {
            "get": _operation(
                "GetCommand",
                "The fate of what was answered 202.",
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
    "limit_exceeded",
    "not_enough_seats",
)


def _cancel(name: str) -> dict[str, Any]:
    return _operation(
        name,
        "Cancel a booking; its seats are free again at once.",
        [_BOOKING, *WAITING_PARAMETERS],
        {"200": _json("BookingBody", "The booking as it is now.")}
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
    return {"202": _json("PendingBody", "In the log and not decided yet; Location is where to ask.")}


def _refused(*codes: str) -> dict[str, Any]:
    return {"409": _problems(*codes), "422": _problems("key_reused")}


def _problems(*codes: str) -> dict[str, Any]:
    return {
        "description": described(*codes),
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
    }

"""RFC 9457 problem details: the table of codes, the exception and its encoding.

The `detail` of every problem says what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

CONTENT_TYPE = b"application/problem+json"

PROBLEMS: dict[str, tuple[int, str]] = {
    "invalid_json": (400, "The body is not JSON"),
    "validation": (400, "The request is not valid"),
    "too_many_seats": (400, "Too many seats in one request"),
    "seat_unknown": (400, "No such seat in this show"),
    "webhook_address": (400, "Not an address for webhooks"),
    "unauthenticated": (401, "Not logged in"),
    "token_expired": (401, "The token has expired"),
    "token_invalid": (401, "The token is not valid"),
    "bad_credentials": (401, "Wrong name or password"),
    "payment_required": (402, "Payment required"),
    "forbidden": (403, "Not allowed"),
    "not_yours": (403, "Somebody else's"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "not_acceptable": (406, "Not acceptable"),
    "request_timeout": (408, "The request took too long to come"),
    "length_required": (411, "Length required"),
    "body_too_large": (413, "The body is too large"),
    "uri_too_long": (414, "The address is too long"),
    "unsupported_media_type": (415, "Unsupported media type"),
    "headers_too_large": (431, "The headers are too large"),
    "show_closed": (409, "The show takes no bookings"),
    "show_cancelled": (409, "The show is cancelled"),
    "not_on_sale": (409, "Not on sale yet"),
    "show_started": (409, "The show has started"),
    "seat_taken": (409, "Seat taken"),
    "seat_blocked": (409, "Seat not for sale"),
    "limit_exceeded": (409, "Seat limit reached"),
    "companion_only": (409, "Seat for a companion"),
    "price_differs": (409, "Another price"),
    "not_enough_seats": (409, "Not enough seats"),
    "already_cancelled": (409, "Already cancelled"),
    "already_confirmed": (409, "Already confirmed"),
    "already_open": (409, "Already open"),
    "hold_expired": (409, "The hold has expired"),
    "hold_limit": (409, "The hold cannot last longer"),
    "not_confirmed": (409, "Not confirmed"),
    "already_used": (409, "Ticket already used"),
    "checked_in": (409, "Already checked in"),
    "not_checked_in": (409, "Not checked in"),
    "wrong_show": (409, "Ticket of another show"),
    "wrong_day": (409, "Ticket of another day"),
    "ticket_unsigned": (409, "Ticket without a valid signature"),
    "email_taken": (409, "E-mail address taken"),
    "username_taken": (409, "User name taken"),
    "in_use": (409, "In use"),
    "webhook_inactive": (409, "The webhook is switched off"),
    "key_reused": (422, "Idempotency-Key used for another request"),
    "upgrade_required": (426, "A WebSocket is wanted"),
    "rate_limited": (429, "Too many requests"),
    "internal_error": (500, "Internal error"),
    "malformed": (500, "Internal error"),
    "not_implemented": (501, "Unknown method"),
    "overloaded": (503, "Overloaded"),
    "not_ready": (503, "Not ready"),
    "log_unavailable": (503, "The log does not answer"),
    "database_unavailable": (503, "The database does not answer"),
}
"""Code → (HTTP status, title). A published code keeps its meaning."""


class EncodedProblem(NamedTuple):
    """A problem document as status, headers and body, so that a frequent one is encoded once."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Problem(Exception):
    """An error that is reported to the client. `code` is one of PROBLEMS."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        seats: Sequence[str] = (),
        retry_after_s: int | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status, self.title = PROBLEMS[code]
        self.detail = detail
        self.errors = errors
        self.seats = seats
        self.retry_after_s = retry_after_s
        self.extra = extra or {}
        self._headers = tuple(headers)

    def document(self) -> dict[str, Any]:
        """The problem as its JSON object."""
        document: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.errors:
            document["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        if self.seats:
            document["seats"] = list(self.seats)
        if self.retry_after_s is not None:
            document["retry_after_s"] = self.retry_after_s
        return document | self.extra

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of this problem, without Content-Length."""
        headers = [(b"content-type", CONTENT_TYPE), *self._headers]
        if self.status == 401:
            wrong = b', error="invalid_token"' if self.code.startswith("token_") else b""
            headers.append((b"www-authenticate", b'Bearer realm="aisle"' + wrong))
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        return headers

    def add_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Adds headers to the response."""
        self._headers += tuple(headers)

    def body(self) -> bytes:
        return msgspec.json.encode(self.document())

    def encoded(self) -> EncodedProblem:
        """The problem as status, headers without Content-Length, and body."""
        return EncodedProblem(self.status, tuple(self.headers()), self.body())

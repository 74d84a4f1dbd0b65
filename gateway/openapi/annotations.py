"""Annotations of handlers for the OpenAPI document: problem responses and security."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from gateway.http.problems import PROBLEMS
from schemas.api import OwnBookingBody, PositionBody
from schemas.formats import Timestamp

BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
"""The call needs an access token."""


class FieldError(msgspec.Struct, frozen=True):
    """An invalid field, as a path such as `layout.sections[0].name`, and the expected value."""

    field: str
    message: str


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem. `code` is stable and names the error, `detail` says what to do next."""

    type: Annotated[str, msgspec.Meta(extra_json_schema={"format": "uri-reference"})]
    """The address of a page that explains the code."""
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    """With `validation`: the invalid fields."""
    seats: list[str] = []
    """The seats that caused the problem."""
    yours: list[OwnBookingBody] = []
    """With `seat_taken` and `limit_exceeded`: the customer's own bookings that are in the way."""
    retry_after_s: int | msgspec.UnsetType = msgspec.UNSET
    """Seconds, as in the header Retry-After."""
    request_id: str | msgspec.UnsetType = msgspec.UNSET
    """With `internal_error`: the id to report to the operator."""
    decided: PositionBody | msgspec.UnsetType = msgspec.UNSET
    """For a decided command: the position of the decision in the log."""
    sales_start_at: Timestamp | msgspec.UnsetType = msgspec.UNSET
    """With `not_on_sale`: when sales start."""
    outcome: Literal["unknown"] | msgspec.UnsetType = msgspec.UNSET
    """With `log_unavailable`: the request may have been appended to the log."""
    booking_id: UUID | msgspec.UnsetType = msgspec.UNSET
    """With `outcome`: the id that the booking has if it was made."""
    missing: list[str] = []
    """With `not_ready`: the prerequisites of bookings that are missing."""


def describe_problems(*codes: str) -> str:
    """The description of a response that is one of these problems, with links to their pages."""
    return "; ".join(f"[`{code}`](/problems/{code}): {PROBLEMS[code][1]}" for code in codes)


def problem_responses(*codes: str) -> dict[int, ResponseSpec]:
    """The OpenAPI responses of a handler that raises these problems, by status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: ResponseSpec(
            ProblemBody, generate_examples=False, description=describe_problems(*codes), media_type=_PROBLEM
        )
        for status, codes in by_status.items()
    }


_PROBLEM: Any = "application/problem+json"

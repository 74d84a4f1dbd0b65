"""What handlers say about themselves for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from gateway.problems import PROBLEMS
from schemas.api import PositionBody
from schemas.formats import Timestamp

BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
"""The call needs an access token."""


class FieldError(msgspec.Struct, frozen=True):
    """A field at fault, as a path such as `layout.sections[0].name`, and what would do."""

    field: str
    message: str


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem. `code` is stable and says what is the case, `detail` says what to do next."""

    type: Annotated[str, msgspec.Meta(extra_json_schema={"format": "uri-reference"})]
    """The address of a page about the code."""
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    """With `validation`: the fields at fault."""
    seats: list[str] = []
    """The seats at fault."""
    retry_after_s: int | msgspec.UnsetType = msgspec.UNSET
    """The header Retry-After."""
    request_id: str | msgspec.UnsetType = msgspec.UNSET
    """With `internal_error`: what to tell the operator."""
    decided: PositionBody | msgspec.UnsetType = msgspec.UNSET
    """Of a refusal that came through the log: the position of its decision."""
    sales_start_at: Timestamp | msgspec.UnsetType = msgspec.UNSET
    """With `not_on_sale`: when sales start."""
    outcome: Literal["unknown"] | msgspec.UnsetType = msgspec.UNSET
    """With `log_unavailable`: the log may have taken the request."""
    booking_id: UUID | msgspec.UnsetType = msgspec.UNSET
    """With `outcome`: the id of the booking, should it have been made."""
    missing: list[str] = []
    """With `not_ready`: what bookings need."""


def described(*codes: str) -> str:
    """The problems that an answer may be, in words."""
    return "; ".join(f"[`{code}`](/problems/{code}): {PROBLEMS[code][1]}" for code in codes)


def problem_responses(*codes: str) -> dict[int, ResponseSpec]:
    """The answers of a handler that raises these problems."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: ResponseSpec(
            ProblemBody, generate_examples=False, description=described(*codes), media_type=_PROBLEM
        )
        for status, codes in by_status.items()
    }


_PROBLEM: Any = "application/problem+json"

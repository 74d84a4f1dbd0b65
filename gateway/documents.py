"""What handlers say about themselves for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from gateway.problems import PROBLEMS

BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
"""The call needs an access token."""


class FieldError(msgspec.Struct, frozen=True):
    """A field at fault, as a path such as `layout.sections[0].name`, and what would do."""

    field: str
    message: str


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem. `code` is stable and says what is the case, `detail` says what to do next."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] = []
    """With `validation`: the fields at fault."""
    seats: list[str] = []
    """The seats at fault."""
    retry_after_s: int | None = None
    request_id: str | None = None
    """With `internal_error`: what to tell the operator."""
    outcome: Literal["unknown"] | None = None
    """With `log_unavailable`: the log may have taken the request."""
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

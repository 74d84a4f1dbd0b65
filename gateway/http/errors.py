"""Exceptions as problems: one mapping for the framework and for fast routes."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from gateway.http.bodies import invalid
from gateway.http.methods import method_not_allowed
from gateway.http.problems import Problem
from runtime.log import LogUnavailable
from runtime.postgres import UNAVAILABLE

_BY_STATUS = {
    401: ("unauthenticated", "Log in at /api/login and send 'Authorization: Bearer <access token>'."),
    403: ("forbidden", "This is not allowed for this account."),
    413: ("body_too_large", "Send less in one request."),
    415: ("unsupported_media_type", "Send the body as 'Content-Type: application/json'."),
    503: ("overloaded", "Try again in a moment."),
}

_log = structlog.get_logger()


def problem_for(error: BaseException, request_id: str, method: str, path: str) -> Problem:
    """The problem of an exception. An unexpected one is logged with its request id."""
    match error:
        case Problem():
            return error
        case ValidationException():
            return _validation_problem(error)
        case NotFoundException():
            return unknown_path()
        case MethodNotAllowedException():
            return method_not_allowed((error.headers or {}).get("allow", "").split(", "))
        case HTTPException() if error.status_code in _BY_STATUS:
            return Problem(*_BY_STATUS[error.status_code])
        case HTTPException() if 400 <= error.status_code < 500:
            return Problem("validation", error.detail)
        case LogUnavailable():
            return Problem(
                "log_unavailable", "The log is unavailable: try again in a moment.", retry_after_s=2
            )
        case _ if isinstance(error, UNAVAILABLE):
            _log.warning("database_call_failed", error=str(error) or type(error).__name__, path=path)
            return Problem(
                "database_unavailable",
                "The database is unavailable: try again in a moment.",
                retry_after_s=2,
            )
        case _:
            _log.error("request_failed", request_id=request_id, method=method, path=path, exc_info=error)
            return Problem(
                "internal_error",
                f"An unexpected error occurred: report the request id {request_id} to the operator.",
                extra={"request_id": request_id},
            )


def unknown_path() -> Problem:
    """The problem of a path without a route."""
    return Problem("not_found", "There is no such path: /docs lists all of them.")


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Exception handler of the framework, for every exception."""
    problem = problem_for(error, request.scope["aisle.request_id"], request.method, request.scope["path"])  # type: ignore[typeddict-item]
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    media_type = headers.pop("content-type")
    return Response(problem.body(), status_code=problem.status, headers=headers, media_type=media_type)


def _validation_problem(error: ValidationException) -> Problem:
    parts: Any = error.extra if isinstance(error.extra, list) else []
    if any(part.get("source") == "path" for part in parts):
        return unknown_path()
    errors = [_public(str(part.get("key", "query")), str(part.get("message", ""))) for part in parts]
    return invalid(*errors) if errors else invalid(("query", error.detail))


def _public(field: str, message: str) -> tuple[str, str]:
    # A parameter whose name is a Python keyword has a trailing _ in its handler.
    return field.rstrip("_"), message.replace("`", "").replace("Expected", "expected", 1)

"""The calls at the door, for staff."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from gateway.auth.access_tokens import Caller
from gateway.auth.guards import staff_only
from gateway.bookings.routes import preference_applied
from gateway.catalogue.days import optional_in_range, to_ms
from gateway.catalogue.shows import show_not_found
from gateway.check_in.door import Decided, Door
from gateway.http.command_headers import Preference, command_id_for, read_preference
from gateway.http.exchange import Headers
from gateway.http.framework_requests import json_accepted, query_known
from gateway.openapi.annotations import BEARER, problem_responses
from schemas.api import PendingBody
from schemas.api_check_in import CheckInBody, CheckInRequest, DoorBody, UndoCheckInRequest, UndoneBody
from schemas.ids import MAX_SHOW_ID

_MAX_BODY = 16 * 1024
_COMMAND: dict[str, Any] = {
    "status_code": 200,
    "guards": [staff_only],
    "security": BEARER,
    "responses": problem_responses("key_reused"),
}


@post("/checkin", operation_id="CheckIn", **_COMMAND)
async def check_in(
    data: JSONBody[CheckInRequest],
    caller: NamedDependency[Caller],
    door: NamedDependency[Door],
    request_headers: NamedDependency[Headers],
) -> Response[CheckInBody | PendingBody]:
    """Check in the seat of a scanned ticket, once.

    The answer is 200 for every ticket, and `result` says whether it is valid. Exactly one of several scans at the same
    time is. A scan with a `nonce` can be sent again safely. Devices that were offline send their scans later, with
    the time in `at`: a ticket that was used before is then a conflict, which GetCheckIns lists.
    """
    at = optional_in_range("at", data.at)
    preference = read_preference(request_headers)
    decided = await door.scan(
        data,
        None if at is None else to_ms(at),
        caller.user_id,
        _key_id(request_headers, caller),
        preference.wait_s,
    )
    return _response(decided, preference)


@post("/checkin/undo", operation_id="UndoCheckIn", **_COMMAND)
async def undo_check_in(
    data: JSONBody[UndoCheckInRequest],
    caller: NamedDependency[Caller],
    door: NamedDependency[Door],
    request_headers: NamedDependency[Headers],
) -> Response[UndoneBody | PendingBody]:
    """Take back the check-in of a ticket, so that it can be scanned again. Earlier answers stay as they are."""
    preference = read_preference(request_headers)
    decided = await door.undo(data, caller.user_id, _key_id(request_headers, caller), preference.wait_s)
    return _response(decided, preference)


@get("/shows/{show_id:int}/checkin", operation_id="GetCheckIns", guards=[staff_only], security=BEARER)
async def check_ins(show_id: FromPath[int], door: NamedDependency[Door]) -> DoorBody:
    """How many seats of a show are sold and checked in, and which late scans are in conflict with a check-in."""
    if not 0 < show_id <= MAX_SHOW_ID:
        raise show_not_found()
    return await door.state(show_id)


def check_in_routes() -> Router:
    """The router. Dependencies to provide: `door`, `caller` and `request_headers`."""
    return Router(
        "/api",
        route_handlers=[check_in, undo_check_in, check_ins],
        guards=[json_accepted, query_known],
        request_max_body_size=_MAX_BODY,
        tags=["Check-in"],
    )


def _key_id(headers: Headers, caller: Caller) -> Any:
    return command_id_for(headers, caller.user_id) if b"idempotency-key" in headers else None


def _response(decided: Decided, preference: Preference) -> Response[Any]:
    headers = {name.decode(): value.decode() for name, value in preference_applied(preference)}
    if isinstance(decided.body, PendingBody):
        headers |= {"Location": f"/api/commands/{decided.body.command}", "Retry-After": "1"}
        return Response(decided.body, status_code=202, headers=headers)
    if decided.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(decided.body, status_code=200, headers=headers)

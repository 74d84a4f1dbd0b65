"""Staff endpoints for a show. Like those for bookings, they wait for the decision and accept idempotency keys."""

from __future__ import annotations

from typing import Any

from litestar import Response, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from gateway.auth.access_tokens import Caller
from gateway.auth.guards import staff_only
from gateway.bookings.routes import preference_applied
from gateway.catalogue.days import optional_in_range, to_ms
from gateway.catalogue.large_bodies import large_body_counted
from gateway.catalogue.show_changes import ShowChanges
from gateway.catalogue.shows import show_not_found
from gateway.commands.outcomes import Outcome, Pending
from gateway.commands.refusals import problem_of
from gateway.http.command_headers import Preference, command_id_for, read_preference
from gateway.http.exchange import Headers
from gateway.http.framework_requests import JsonRequest
from gateway.http.problems import Problem
from gateway.openapi.annotations import BEARER, problem_responses
from schemas.api import PendingBody
from schemas.api_catalogue import BlockSeatsBody, ChangeShowBody, ShowBody, WithheldSeatsBody
from schemas.commands import BlockSeats, CancelShow, CloseShow, ReopenShow, UnblockSeats
from schemas.events import Reason
from schemas.ids import MAX_SHOW_ID

Answer = Response[ShowBody | PendingBody]

_STAFF: dict[str, Any] = {"guards": [staff_only, large_body_counted], "security": BEARER}
_REFUSED = problem_responses("show_cancelled", "key_reused")
_SEATS_REFUSED = problem_responses("seat_unknown", "seat_taken", "key_reused")


@patch("/shows/{show_id:int}", operation_id="ChangeShow", responses=_REFUSED, **_STAFF)
async def change_show(
    show_id: FromPath[int],
    data: JSONBody[ChangeShowBody],
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    request_headers: NamedDependency[Headers],
) -> Answer:
    """Change times, screen or limit of a show. Existing bookings do not change."""
    preference = read_preference(request_headers)
    _checked_id(show_id)
    command_id = command_id_for(request_headers, caller.user_id)
    outcome = await show_changes.change(show_id, data, command_id, caller.user_id, preference.wait_s)
    return await _answer(show_changes, show_id, outcome, preference)


@post("/shows/{show_id:int}/close", status_code=200, operation_id="CloseShow", responses=_REFUSED, **_STAFF)
async def close_show(
    show_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    request_headers: NamedDependency[Headers],
) -> Answer:
    """Close a show for new bookings. Existing bookings stay. Closing a closed show has no effect."""
    return await _move(CloseShow, show_id, request, caller, show_changes, request_headers)


@post("/shows/{show_id:int}/reopen", status_code=200, operation_id="ReopenShow", responses=_REFUSED, **_STAFF)
async def reopen_show(
    show_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    request_headers: NamedDependency[Headers],
) -> Answer:
    """Reopen a closed show for bookings."""
    return await _move(ReopenShow, show_id, request, caller, show_changes, request_headers)


@post("/shows/{show_id:int}/cancel", status_code=200, operation_id="CancelShow", responses=_REFUSED, **_STAFF)
async def cancel_show(
    show_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    request_headers: NamedDependency[Headers],
) -> Answer:
    """Cancel a show for good. Every booking is cancelled soon after this response, and its customer gets an e-mail."""
    return await _move(CancelShow, show_id, request, caller, show_changes, request_headers)


@post(
    "/shows/{show_id:int}/block",
    status_code=200,
    operation_id="BlockSeats",
    responses=_SEATS_REFUSED,
    **_STAFF,
)
async def block_seats(
    show_id: FromPath[int],
    data: JSONBody[BlockSeatsBody],
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    request_headers: NamedDependency[Headers],
) -> Answer:
    """Block seats, all or none. Blocked seats stay blocked, and get a given code or time; sold seats are rejected."""
    release_at = optional_in_range("release_at", data.release_at)
    command = BlockSeats(
        command_id=command_id_for(request_headers, caller.user_id),
        show_id=_checked_id(show_id),
        user_id=caller.user_id,
        staff=True,
        seats=data.seats,
        code=data.code,
        release_ms=None if release_at is None else to_ms(release_at),
    )
    return await _withhold(command, data, show_changes, request_headers)


@post(
    "/shows/{show_id:int}/unblock",
    status_code=200,
    operation_id="UnblockSeats",
    responses=_SEATS_REFUSED,
    **_STAFF,
)
async def unblock_seats(
    show_id: FromPath[int],
    data: JSONBody[WithheldSeatsBody],
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    request_headers: NamedDependency[Headers],
) -> Answer:
    """Unblock seats, all or none. Seats that are already available stay available."""
    command = UnblockSeats(
        command_id=command_id_for(request_headers, caller.user_id),
        show_id=_checked_id(show_id),
        user_id=caller.user_id,
        staff=True,
        seats=data.seats,
    )
    return await _withhold(command, data, show_changes, request_headers)


SHOW_COMMANDS: list[Any] = [change_show, close_show, reopen_show, cancel_show, block_seats, unblock_seats]
"""The handlers. Dependencies to provide: `show_changes`, `caller` and `request_headers`."""


async def _move(
    kind: type[CloseShow | ReopenShow | CancelShow],
    show_id: int,
    request: JsonRequest,
    caller: Caller,
    show_changes: ShowChanges,
    request_headers: Headers,
) -> Answer:
    await request.check_no_fields()
    preference = read_preference(request_headers)
    command = kind(
        command_id=command_id_for(request_headers, caller.user_id),
        show_id=_checked_id(show_id),
        user_id=caller.user_id,
        staff=True,
    )
    outcome = await show_changes.submit(command, preference.wait_s)
    return await _answer(show_changes, show_id, outcome, preference)


async def _withhold(
    command: BlockSeats | UnblockSeats,
    body: WithheldSeatsBody,
    show_changes: ShowChanges,
    request_headers: Headers,
) -> Answer:
    preference = read_preference(request_headers)
    outcome = await show_changes.withhold(command, body, preference.wait_s)
    return await _answer(show_changes, command.show_id, outcome, preference)


async def _answer(
    show_changes: ShowChanges, show_id: int, outcome: Outcome, preference: Preference
) -> Answer:
    headers = preference_applied(preference)
    if isinstance(outcome, Pending):
        position = str(outcome.position)
        pending = {"Location": f"/api/commands/{position}", "Retry-After": "1"}
        return Response(PendingBody(position), status_code=202, headers=_text(headers) | pending)
    if outcome.decision.repeats is not None:
        headers.append((b"idempotency-replayed", b"true"))
    if outcome.decision.reason is not None:
        problem = problem_of(outcome.decision, outcome.position)
        if outcome.decision.reason is Reason.NOT_FOUND:
            problem = Problem("not_found", "The show is not open yet: try again in a moment, with a new key.")
        problem.add_headers(headers)
        raise problem
    return Response(await show_changes.show(show_id), status_code=200, headers=_text(headers))


def _checked_id(show_id: int) -> int:
    if not 0 < show_id <= MAX_SHOW_ID:
        raise show_not_found()
    return show_id


def _text(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}

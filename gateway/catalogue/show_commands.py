"""Staff's calls on a show. They wait for its writer and take keys, like those of bookings."""

from __future__ import annotations

from typing import Any

from litestar import Response, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from gateway.auth import Caller
from gateway.bookings import applied
from gateway.catalogue.show_changes import ShowChanges
from gateway.catalogue.shows import no_show
from gateway.commands import Outcome, Pending
from gateway.documents import BEARER, problem_responses
from gateway.http import Fields
from gateway.problems import Problem
from gateway.refusals import problem_of
from gateway.requests import JsonRequest, staff_only
from gateway.waiting import Preference, command_id_for, preference_of
from schemas.api import PendingBody
from schemas.api_catalogue import ChangeShowBody, ShowBody, WithheldSeatsBody
from schemas.commands import BlockSeats, CancelShow, CloseShow, ReopenShow, UnblockSeats
from schemas.events import Reason
from schemas.ids import MAX_SHOW_ID

Answer = Response[ShowBody | PendingBody]

_STAFF: dict[str, Any] = {"guards": [staff_only], "security": BEARER}
_REFUSED = problem_responses("show_cancelled", "key_reused")
_SEATS_REFUSED = problem_responses("seat_unknown", "seat_taken", "key_reused")


@patch("/shows/{show_id:int}", operation_id="ChangeShow", responses=_REFUSED, **_STAFF)
async def change_show(
    show_id: FromPath[int],
    data: JSONBody[ChangeShowBody],
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    fields: NamedDependency[Fields],
) -> Answer:
    """Change times, screen or limit of a show. What has been booked stays as it is."""
    preference = preference_of(fields)
    _known(show_id)
    command_id = command_id_for(fields, caller.user_id)
    outcome = await show_changes.change(show_id, data, command_id, caller.user_id, preference.wait_s)
    return await _answer(show_changes, show_id, outcome, preference)


@post("/shows/{show_id:int}/close", status_code=200, operation_id="CloseShow", responses=_REFUSED, **_STAFF)
async def close_show(
    show_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    fields: NamedDependency[Fields],
) -> Answer:
    """Take no more bookings for a show. Bookings stay; one that is closed already stays closed."""
    return await _move(CloseShow, show_id, request, caller, show_changes, fields)


@post("/shows/{show_id:int}/reopen", status_code=200, operation_id="ReopenShow", responses=_REFUSED, **_STAFF)
async def reopen_show(
    show_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    fields: NamedDependency[Fields],
) -> Answer:
    """Take bookings for a closed show again."""
    return await _move(ReopenShow, show_id, request, caller, show_changes, fields)


@post("/shows/{show_id:int}/cancel", status_code=200, operation_id="CancelShow", responses=_REFUSED, **_STAFF)
async def cancel_show(
    show_id: FromPath[int],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    fields: NamedDependency[Fields],
) -> Answer:
    """Call a show off, for good. Every booking is cancelled, soon after this answer, and its customer told."""
    return await _move(CancelShow, show_id, request, caller, show_changes, fields)


@post(
    "/shows/{show_id:int}/block",
    status_code=200,
    operation_id="BlockSeats",
    responses=_SEATS_REFUSED,
    **_STAFF,
)
async def block_seats(
    show_id: FromPath[int],
    data: JSONBody[WithheldSeatsBody],
    caller: NamedDependency[Caller],
    show_changes: NamedDependency[ShowChanges],
    fields: NamedDependency[Fields],
) -> Answer:
    """Withhold seats from sale, all or none. Those that are blocked already stay so; sold ones are refused."""
    return await _withhold(BlockSeats, show_id, data, caller, show_changes, fields)


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
    fields: NamedDependency[Fields],
) -> Answer:
    """Put blocked seats back on sale, all or none. Those that are available already stay so."""
    return await _withhold(UnblockSeats, show_id, data, caller, show_changes, fields)


SHOW_COMMANDS: list[Any] = [change_show, close_show, reopen_show, cancel_show, block_seats, unblock_seats]
"""The handlers; `show_changes`, `caller` and `fields` have to be provided."""


async def _move(
    kind: type[CloseShow | ReopenShow | CancelShow],
    show_id: int,
    request: JsonRequest,
    caller: Caller,
    show_changes: ShowChanges,
    fields: Fields,
) -> Answer:
    await request.check_no_fields()
    preference = preference_of(fields)
    command = kind(
        command_id=command_id_for(fields, caller.user_id),
        show_id=_known(show_id),
        user_id=caller.user_id,
        staff=True,
    )
    outcome = await show_changes.submit(command, preference.wait_s)
    return await _answer(show_changes, show_id, outcome, preference)


async def _withhold(
    kind: type[BlockSeats | UnblockSeats],
    show_id: int,
    body: WithheldSeatsBody,
    caller: Caller,
    show_changes: ShowChanges,
    fields: Fields,
) -> Answer:
    preference = preference_of(fields)
    command = kind(
        command_id=command_id_for(fields, caller.user_id),
        show_id=_known(show_id),
        user_id=caller.user_id,
        staff=True,
        seats=body.seats,
    )
    outcome = await show_changes.withhold(command, body, preference.wait_s)
    return await _answer(show_changes, show_id, outcome, preference)


async def _answer(
    show_changes: ShowChanges, show_id: int, outcome: Outcome, preference: Preference
) -> Answer:
    headers = applied(preference)
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


def _known(show_id: int) -> int:
    if not 0 < show_id <= MAX_SHOW_ID:
        raise no_show()
    return show_id


def _text(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}

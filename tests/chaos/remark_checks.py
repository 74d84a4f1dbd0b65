"""Checks of remarks: a note and the means of payment are under the booking that was made, for staff only. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.chaos.history import History, Request
from tests.chaos.response_checks import describe
from tests.chaos.stored_state import Remark, StoredState

NONE = Remark(None, None)


def wrong_remarks(history: History, stored: StoredState) -> Iterator[str]:
    """Yields remarks that are lost, elsewhere than they belong, or shown to a customer."""
    unexplained = dict(stored.remarks)
    for request in history.requests:
        for body in (outcome.body for outcome in request.outcomes):
            shown = Remark(body.get("note"), body.get("paid"))
            if not request.staff and shown != NONE:
                yield f"{describe(request)}: {shown} is shown to a customer"
            if request.makes and request.staff and "id" in body and shown != _remark(request):
                yield f"{describe(request)}: answered with {shown}, and {_remark(request)} was sent"
        if request.makes and request.accepted is not None:
            yield from _wrong_row(request, request.accepted["id"], stored)
            unexplained.pop(request.accepted["id"], None)
    doubtful = [
        (request.note, request.paid, request.user_id)
        for request in history.requests
        if request.makes and request.in_doubt
    ]
    for booking_id, row in unexplained.items():
        if (row.note, row.paid, row.staff_id) not in doubtful:
            yield f"{row} is stored for the booking {booking_id}, which nobody has noted anything on"
    for booking_id, shown in stored.shown_to_staff.items():
        row = stored.remarks[booking_id]
        if shown != Remark(row.note, row.paid):
            yield f"staff are shown {shown} of the booking {booking_id}, stored is {row}"
    for booking_id, shown in stored.shown_to_owner.items():
        if shown != NONE:
            yield f"{shown} is shown to the owner of the booking {booking_id}"


def _wrong_row(request: Request, booking_id: str, stored: StoredState) -> Iterator[str]:
    row = stored.remarks.get(booking_id, NONE)
    sent = _remark(request)
    wanted = NONE if sent == NONE else msgspec.structs.replace(sent, staff_id=request.user_id)
    if row != wanted:
        yield f"{describe(request)}: {wanted} was sent, and stored for {booking_id} is {row}"


def _remark(request: Request) -> Any:
    return Remark(request.note, request.paid) if request.makes else NONE

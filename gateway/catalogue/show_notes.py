"""The history of blocked and unblocked seats of a show, with notes of staff."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from gateway.auth.guards import staff_only
from gateway.catalogue.shows import show_not_found
from gateway.http.bodies import invalid
from gateway.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, read_cursor, split_page
from gateway.openapi.annotations import BEARER
from schemas.api import timestamp
from schemas.api_catalogue import SeatsNoteBody, SeatsNotesPage
from schemas.commands import BlockSeats, UnblockSeats
from schemas.ids import MAX_OFFSET, MAX_SHOW_ID
from schemas.wire import decode_command

_SHOW_SQL = "SELECT 1 FROM shows WHERE show_id = $1"
_NOTES_SQL = """
SELECT r.note, r.user_id, r.log_offset, d.at_ms, d.command
  FROM show_requests r
  JOIN shows s ON s.show_id = r.show_id
  JOIN decisions d ON d.partition = s.partition AND d.log_offset = r.log_offset
 WHERE r.show_id = $1 AND r.log_offset < $2 AND r.accepted AND r.kind IN ('BlockSeats', 'UnblockSeats')
 ORDER BY r.log_offset DESC LIMIT $3
"""


class ShowNotes:
    """Reads the notes on blocked and unblocked seats."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def page(self, show_id: int, limit: int, cursor: str | None) -> SeatsNotesPage:
        """Notes on a show, newest first. Raises Problem `not_found`."""
        if not (0 < show_id <= MAX_SHOW_ID and await self._pool.fetchval(_SHOW_SQL, show_id)):
            raise show_not_found()
        before = MAX_OFFSET if cursor is None else read_cursor(cursor, tuple[int])[0]
        if not 0 <= before <= MAX_OFFSET:
            raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
        rows = await self._pool.fetch(_NOTES_SQL, show_id, before, limit + 1)
        page, next_cursor = split_page(rows, limit, lambda row: (row["log_offset"],))
        return SeatsNotesPage([_note(row) for row in page], next_cursor)


def _note(row: Any) -> SeatsNoteBody:
    command = decode_command(row["command"])
    assert isinstance(command, BlockSeats | UnblockSeats), "requests of these kinds name such commands"
    code, release_ms = (command.code, command.release_ms) if isinstance(command, BlockSeats) else (None, None)
    return SeatsNoteBody(
        action="block" if isinstance(command, BlockSeats) else "unblock",
        seats=list(command.seats),
        note=row["note"],
        user_id=row["user_id"],
        at=timestamp(row["at_ms"]),
        code=code,
        release_at=None if release_ms is None else timestamp(release_ms),
    )


@get("/shows/{show_id:int}/notes", operation_id="ListShowNotes", guards=[staff_only], security=BEARER)
async def list_show_notes(
    show_id: FromPath[int],
    show_notes: NamedDependency[ShowNotes],
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, QueryParameter(max_length=2000)] = None,
) -> SeatsNotesPage:
    """List the seats that staff blocked and unblocked in a show, newest first, with notes."""
    return await show_notes.page(show_id, limit, cursor)

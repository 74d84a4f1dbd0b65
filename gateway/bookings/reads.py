"""Read endpoints for bookings and command status, answered from PostgreSQL."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import msgspec

from gateway.auth.access_tokens import Caller, Tokens
from gateway.bookings.remarks import Remarks, with_remark
from gateway.bookings.requests import no_booking
from gateway.bookings.routes import RETRY_AFTER, preference_applied
from gateway.bookings.rows import booking_of_row
from gateway.commands.refusals import problem_of
from gateway.commands.sender import CommandSender
from gateway.http.bodies import invalid
from gateway.http.command_headers import read_preference
from gateway.http.exchange import Exchange
from gateway.http.integers import read_integer
from gateway.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, read_cursor, split_page
from gateway.http.problems import Problem
from gateway.seat_maps.cache import SeatMapCache
from schemas.api import AcceptedBody, BookingBody, BookingsPage, PendingBody, RefusedBody, booking_body
from schemas.commands import SeatsCommand
from schemas.events import BookingStatus, Decision
from schemas.ids import Position, parse_position
from schemas.wire import decode_command, decode_decision, encode

_COLUMNS = "booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, partition, log_offset"
_BOOKING_SQL = f"SELECT {_COLUMNS} FROM bookings WHERE booking_id = $1"
_BOOKINGS_SQL = f"""
    SELECT {_COLUMNS} FROM bookings b
     WHERE user_id = $1 AND booking_id < $2 AND ($3::text[] IS NULL OR status = ANY($3))
       AND ($5::boolean IS NULL OR $5 = EXISTS (
               SELECT FROM show_states st JOIN shows s USING (show_id) JOIN movies m USING (movie_id)
                WHERE st.show_id = b.show_id
                  AND st.starts_ms + m.duration_minutes * 60000::bigint > extract(epoch FROM now()) * 1000))
     ORDER BY booking_id DESC LIMIT $4"""
# A partition that no worker has taken yet has no row, but may have commands.
_DECISION_SQL = """
    SELECT coalesce(p.next_offset, 0) AS next_offset, d.command, d.answer
      FROM (SELECT $1::int AS partition) asked
      LEFT JOIN partitions p ON p.partition = asked.partition
      LEFT JOIN decisions d ON d.partition = asked.partition AND d.log_offset = $2"""
_LAST_ID = UUID(int=2**128 - 1)


class ReadRoutes:
    """Handlers of the read endpoints. Each takes the exchange and the parameters of its path."""

    def __init__(
        self, tokens: Tokens, commands: CommandSender, pool: Any, remarks: Remarks, seat_maps: SeatMapCache
    ) -> None:
        self._tokens = tokens
        self._commands = commands
        self._pool = pool
        self._remarks = remarks
        self._seat_maps = seat_maps

    async def command_status(self, exchange: Exchange, position_text: str) -> None:
        """GET /api/commands/{partition}-{offset}"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.parameters()
        try:
            position = parse_position(position_text)
        except ValueError:
            raise _no_command() from None
        preference = read_preference(exchange.headers, 0.0)
        row = await self._find_decision(position)
        if row is None and not await self._commands.log_ends.has(position):
            raise _no_command()
        if row is None and preference.wait_s > 0:
            await self._commands.await_decision(position, preference.wait_s)
            row = await self._find_decision(position)
        headers = preference_applied(preference)
        if row is None:
            exchange.respond(200, encode(PendingBody(str(position))), [RETRY_AFTER, *headers])
            return
        command_bytes, answer = row
        decision = decode_decision(answer)
        if not (caller.staff or _is_sent_by(command_bytes, caller.user_id)):
            raise Problem("not_found", "There is no such command of yours; take the address from Location.")
        if (booking := decision.booking) is not None:
            self._seat_maps.require_version(booking.show_id, (decision.repeats or position).offset)
        body = _status_body(position, decision)
        if isinstance(body, AcceptedBody) and isinstance(body.booking, BookingBody):
            [booking_seen] = await self._as_seen_by(caller, [body.booking])
            body = msgspec.structs.replace(body, booking=booking_seen)
        exchange.respond(200, encode(body), headers)

    async def _as_seen_by(self, caller: Caller, bookings: list[BookingBody]) -> list[BookingBody]:
        """Returns bookings as the caller sees them: staff with the remarks on them."""
        if not caller.staff or not bookings:
            return bookings
        remarks = await self._remarks.of([booking.id for booking in bookings])
        return [with_remark(booking, remarks.get(booking.id)) for booking in bookings]

    async def _find_decision(self, position: Position) -> tuple[bytes, bytes] | None:
        """Returns the command and decision at a position, or None while it is undecided. Raises Problem `not_found`."""
        row = await self._pool.fetchrow(_DECISION_SQL, position.partition, position.offset)
        if row["answer"] is not None:
            return row["command"], row["answer"]
        if position.offset < row["next_offset"]:
            raise _no_command()
        return None

    async def booking(self, exchange: Exchange, booking_id: UUID) -> None:
        """GET /api/bookings/{id}"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.parameters()
        row = await self._pool.fetchrow(_BOOKING_SQL, booking_id)
        if row is None:
            raise no_booking(booking_id)
        if row["user_id"] != caller.user_id and not caller.staff:
            raise Problem("not_yours", "This booking is somebody else's; only its owner and staff see it.")
        self._seat_maps.require_version(row["show_id"], row["log_offset"])
        [body] = await self._as_seen_by(caller, [_body_of(row)])
        exchange.respond(200, encode(body))

    async def bookings_of(self, exchange: Exchange, user_id: int | None) -> None:
        """GET /api/me/bookings and, with a user's number, GET /api/users/{id}/bookings"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        if user_id is not None and user_id != caller.user_id and not caller.staff:
            raise Problem(
                "forbidden", "Only staff can see the bookings of others; yours are at /api/me/bookings."
            )
        parameters = exchange.parameters("status", "when", "limit", "cursor")
        status = parameters.get("status")
        if status not in (None, _LIVE, *_STATUSES):
            raise invalid(("status", f"one of {', '.join((*_STATUSES, _LIVE))} is wanted"))
        statuses = _LIVE_STATUSES if status == _LIVE else None if status is None else (status,)
        when = parameters.get("when")
        if when not in (None, "coming", "past"):
            raise invalid(("when", "coming or past is wanted"))
        limit = _limit(parameters.get("limit"))
        before = read_cursor(parameters["cursor"], tuple[UUID])[0] if "cursor" in parameters else _LAST_ID
        rows = await self._pool.fetch(
            _BOOKINGS_SQL,
            caller.user_id if user_id is None else user_id,
            before,
            statuses,
            limit + 1,
            None if when is None else when == "coming",
        )
        page, cursor = split_page(rows, limit, lambda row: (row["booking_id"],))
        for row in page:
            self._seat_maps.require_version(row["show_id"], row["log_offset"])
        bookings = await self._as_seen_by(caller, [_body_of(row) for row in page])
        exchange.respond(200, encode(BookingsPage(bookings, cursor)))


_STATUSES = tuple(status.value for status in BookingStatus)
_LIVE = "live"
_LIVE_STATUSES = (BookingStatus.HELD.value, BookingStatus.CONFIRMED.value)
"""Of the filter `status=live`."""


def _status_body(position: Position, decision: Decision) -> AcceptedBody | RefusedBody:
    if decision.reason is not None:
        return RefusedBody(str(position), problem_of(decision, position).document())
    if decision.booking is None:
        return AcceptedBody(str(position))
    return AcceptedBody(str(position), booking_body(decision.booking, decision.repeats or position))


def _is_sent_by(command_bytes: bytes, user_id: int) -> bool:
    try:
        command = decode_command(command_bytes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return command.user_id == user_id or (isinstance(command, SeatsCommand) and command.owner_id == user_id)


def _no_command() -> Problem:
    return Problem("not_found", "There is no such command; take the address from Location.")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    limit = read_integer(text, MAX_LIMIT, max_digits=3)
    if limit is None:
        raise invalid(("limit", f"a whole number from 1 to {MAX_LIMIT} is wanted"))
    return limit


def _body_of(row: Any) -> BookingBody:
    return booking_body(booking_of_row(row), Position(row["partition"], row["log_offset"]))

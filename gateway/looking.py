"""Looking at bookings, and at the fate of what was answered 202. Straight from PostgreSQL."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import msgspec

from gateway.auth import Tokens
from gateway.bodies import invalid
from gateway.booking_commands import no_booking
from gateway.bookings import RETRY_AFTER, applied
from gateway.commands import Commands
from gateway.http import Exchange
from gateway.pages import DEFAULT_LIMIT, MAX_LIMIT, cut, read_cursor
from gateway.problems import Problem
from gateway.refusals import problem_of
from gateway.seat_pictures import SeatPictures
from gateway.waiting import preference_of
from schemas.api import AcceptedBody, BookingBody, BookingsPage, PendingBody, RefusedBody, booking_body
from schemas.commands import SeatsAsked
from schemas.events import Booking, BookingStatus, Decision
from schemas.ids import Position, parse_position
from schemas.wire import decode_command, decode_decision, encode

_COLUMNS = "booking_id, show_id, user_id, status, seats, total, currency, created_ms, expires_ms, partition, log_offset"
_BOOKING = f"SELECT {_COLUMNS} FROM bookings WHERE booking_id = $1"
_BOOKINGS = f"""
    SELECT {_COLUMNS} FROM bookings
     WHERE user_id = $1 AND booking_id < $2 AND ($3::text IS NULL OR status = $3)
     ORDER BY booking_id DESC LIMIT $4"""
# A partition that no worker has taken yet has no row, but may have commands.
_DECISION = """
    SELECT coalesce(p.next_offset, 0) AS next_offset, d.command, d.answer
      FROM (SELECT $1::int AS partition) asked
      LEFT JOIN partitions p ON p.partition = asked.partition
      LEFT JOIN decisions d ON d.partition = asked.partition AND d.log_offset = $2"""
_LAST_ID = UUID(int=2**128 - 1)


class LookRoutes:
    """What shows bookings and decisions; each handler takes the exchange and what its path names."""

    def __init__(self, tokens: Tokens, commands: Commands, pool: Any, pictures: SeatPictures) -> None:
        self._tokens = tokens
        self._commands = commands
        self._pool = pool
        self._pictures = pictures

    async def fate(self, exchange: Exchange, position_text: str) -> None:
        """GET /api/commands/{partition}-{offset}"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.parameters()
        try:
            position = parse_position(position_text)
        except ValueError:
            raise _no_command() from None
        preference = preference_of(exchange.headers, 0.0)
        row = await self._find_decision(position)
        if row is None and not await self._commands.ends.has(position):
            raise _no_command()
        if row is None and preference.wait_s > 0:
            await self._commands.decided(position, preference.wait_s)
            row = await self._find_decision(position)
        headers = applied(preference)
        if row is None:
            exchange.answer(200, encode(PendingBody(str(position))), [RETRY_AFTER, *headers])
            return
        command_bytes, answer = row
        decision = decode_decision(answer)
        if not (caller.staff or _asked_by(command_bytes, caller.user_id)):
            raise Problem("not_found", "There is no such command of yours; take the address from Location.")
        if (booking := decision.booking) is not None:
            self._pictures.decided(booking.show_id, (decision.repeats or position).offset)
        body = _fate_body(position, decision)
        exchange.answer(200, encode(body), headers)

    async def _find_decision(self, position: Position) -> tuple[bytes, bytes] | None:
        """Command and answer at a position, or None while there is none. Raises Problem when there never will be."""
        row = await self._pool.fetchrow(_DECISION, position.partition, position.offset)
        if row["answer"] is not None:
            return row["command"], row["answer"]
        if position.offset < row["next_offset"]:
            raise _no_command()
        return None

    async def booking(self, exchange: Exchange, booking_id: UUID) -> None:
        """GET /api/bookings/{id}"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.parameters()
        row = await self._pool.fetchrow(_BOOKING, booking_id)
        if row is None:
            raise no_booking(booking_id)
        if row["user_id"] != caller.user_id and not caller.staff:
            raise Problem("not_yours", "This booking is somebody else's; only its owner and staff see it.")
        self._pictures.decided(row["show_id"], row["log_offset"])
        exchange.answer(200, encode(_from_row(row)))

    async def bookings_of(self, exchange: Exchange, user_id: int | None) -> None:
        """GET /api/me/bookings and, with a user's number, GET /api/users/{id}/bookings"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        if user_id is not None and user_id != caller.user_id and not caller.staff:
            raise Problem(
                "forbidden", "Only staff can see the bookings of others; yours are at /api/me/bookings."
            )
        parameters = exchange.parameters("status", "limit", "cursor")
        status = parameters.get("status")
        if status is not None and status not in _STATUSES:
            raise invalid(("status", f"one of {', '.join(_STATUSES)} is wanted"))
        limit = _limit(parameters.get("limit"))
        before = read_cursor(parameters["cursor"], tuple[UUID])[0] if "cursor" in parameters else _LAST_ID
        rows = await self._pool.fetch(
            _BOOKINGS, caller.user_id if user_id is None else user_id, before, status, limit + 1
        )
        page, cursor = cut(rows, limit, lambda row: (row["booking_id"],))
        for row in page:
            self._pictures.decided(row["show_id"], row["log_offset"])
        exchange.answer(200, encode(BookingsPage([_from_row(row) for row in page], cursor)))


_STATUSES = tuple(status.value for status in BookingStatus)


def _fate_body(position: Position, decision: Decision) -> AcceptedBody | RefusedBody:
    if decision.reason is not None:
        return RefusedBody(str(position), problem_of(decision, position).document())
    if decision.booking is None:
        return AcceptedBody(str(position))
    return AcceptedBody(str(position), booking_body(decision.booking, decision.repeats or position))


def _asked_by(command_bytes: bytes, user_id: int) -> bool:
    try:
        command = decode_command(command_bytes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return command.user_id == user_id or (isinstance(command, SeatsAsked) and command.owner_id == user_id)


def _no_command() -> Problem:
    return Problem("not_found", "There is no such command; take the address from Location.")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise invalid(("limit", f"a whole number from 1 to {MAX_LIMIT} is wanted"))
    return int(text)


def _from_row(row: Any) -> BookingBody:
    booking = Booking(
        booking_id=row["booking_id"],
        show_id=row["show_id"],
        user_id=row["user_id"],
        status=BookingStatus(row["status"]),
        seats=tuple(row["seats"]),
        total=row["total"],
        currency=row["currency"],
        created_ms=row["created_ms"],
        expires_ms=row["expires_ms"],
    )
    return booking_body(booking, Position(row["partition"], row["log_offset"]))

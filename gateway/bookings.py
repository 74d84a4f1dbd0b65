"""The path of a booking through the gateway: check, append, wait, answer. Plain ASGI."""

from __future__ import annotations

import time
from uuid import UUID

import msgspec

from gateway.auth import Tokens
from gateway.bodies import decode_body, invalid
from gateway.booking_commands import book_command, hold_command, move_command, no_booking
from gateway.commands import Commands, Outcome, Pending
from gateway.http import Exchange
from gateway.problems import Problem
from gateway.refusals import problem_of
from gateway.waiting import Preference, command_id_for, preference_of
from schemas.api import BookRequest, HoldRequest, PendingBody, booking_body
from schemas.commands import CancelBooking, Command, ConfirmBooking
from schemas.wire import encode

_BOOK_REQUEST = msgspec.json.Decoder(BookRequest)
_HOLD_REQUEST = msgspec.json.Decoder(HoldRequest)
RETRY_AFTER = (b"retry-after", b"1")
"""Sent with every 202: seconds."""


class BookingRoutes:
    """What changes bookings; each handler takes the exchange and what its path names."""

    def __init__(self, tokens: Tokens, commands: Commands) -> None:
        self._tokens = tokens
        self._commands = commands

    async def book(self, exchange: Exchange, show_id: int) -> None:
        """POST /api/shows/{id}/bookings"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_BOOK_REQUEST, await exchange.body())
        command_id = command_id_for(exchange, caller.user_id)
        await self._submit(exchange, book_command(caller, show_id, request, command_id), made=201)

    async def hold(self, exchange: Exchange, show_id: int) -> None:
        """POST /api/shows/{id}/holds"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_HOLD_REQUEST, await exchange.body())
        command_id = command_id_for(exchange, caller.user_id)
        await self._submit(exchange, hold_command(caller, show_id, request, command_id), made=201)

    async def confirm(self, exchange: Exchange, booking_id: UUID) -> None:
        """POST /api/bookings/{id}/confirm"""
        await self._move(exchange, booking_id, ConfirmBooking)

    async def cancel(self, exchange: Exchange, booking_id: UUID) -> None:
        """POST /api/bookings/{id}/cancel and DELETE /api/bookings/{id}"""
        await self._move(exchange, booking_id, CancelBooking)

    async def _move(
        self, exchange: Exchange, booking_id: UUID, kind: type[ConfirmBooking | CancelBooking]
    ) -> None:
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        if (await exchange.body(required=False)).strip() not in (b"", b"{}"):
            raise invalid(("body", "this call takes no body"))
        command = move_command(kind, caller, booking_id, command_id_for(exchange, caller.user_id))
        try:
            await self._submit(exchange, command, made=200)
        except Problem as problem:
            raise no_booking(booking_id) if problem.code == "not_found" else problem from None

    async def _submit(self, exchange: Exchange, command: Command, *, made: int) -> None:
        preference = preference_of(exchange)
        outcome = await self._commands.submit(command, wait_s=preference.wait_s)
        await tell(exchange, outcome, preference, made=made)


async def tell(exchange: Exchange, outcome: Outcome, preference: Preference, *, made: int) -> None:
    """Answers with the outcome of a booking command; `made` is the status when it was accepted."""
    headers = applied(preference)
    if isinstance(outcome, Pending):
        position = str(outcome.position)
        headers += [(b"location", f"/api/commands/{position}".encode()), RETRY_AFTER]
        await exchange.answer(202, encode(PendingBody(position)), headers)
        return
    decision, position_decided = outcome.decision, outcome.position
    if decision.repeats is not None:
        headers.append((b"idempotency-replayed", b"true"))
        position_decided = decision.repeats
    if decision.reason is not None:
        problem = problem_of(decision)
        problem.add_headers(headers)
        raise problem
    assert decision.booking is not None, "a booking command that is accepted is about a booking"
    if made == 201:
        headers.append((b"location", f"/api/bookings/{decision.booking.booking_id}".encode()))
    await exchange.answer(made, encode(booking_body(decision.booking, position_decided)), headers)


def applied(preference: Preference) -> list[tuple[bytes, bytes]]:
    """The header Preference-Applied, where there was one to apply."""
    return [] if preference.applied is None else [(b"preference-applied", preference.applied)]

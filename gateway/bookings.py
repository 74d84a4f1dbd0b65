"""The path of a booking through the gateway: check, append, and answer when it is decided."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from gateway.auth import Tokens
from gateway.bodies import decode_body
from gateway.booking_commands import book_command, hold_command, move_command, no_booking
from gateway.commands import Commands, Decided, Outcome, Pending
from gateway.failures import problem_for
from gateway.http import Exchange
from gateway.problems import Problem
from gateway.refusals import REPLAYED, decided_at, refusal_of
from gateway.together import Together
from gateway.waiting import Preference, command_id_for, preference_of
from schemas.api import BookRequest, HoldRequest, PendingBody, booking_body
from schemas.commands import BookSeats, CancelBooking, Command, ConfirmBooking, HoldSeats
from schemas.wire import encode

_BOOK_REQUEST = msgspec.json.Decoder(BookRequest)
_HOLD_REQUEST = msgspec.json.Decoder(HoldRequest)
RETRY_AFTER = (b"retry-after", b"1")
"""Sent with every 202: seconds."""


class BookingRoutes:
    """What changes bookings; each handler takes the exchange and what its path names, and answers when it can."""

    def __init__(self, tokens: Tokens, commands: Commands) -> None:
        self._tokens = tokens
        self._commands = commands
        self._together = Together(commands)

    def book(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """POST /api/shows/{id}/bookings"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_BOOK_REQUEST, exchange.body())
        command_id = command_id_for(exchange.headers, caller.user_id)
        return self._take_seats(exchange, book_command(caller, show_id, request, command_id))

    def hold(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """POST /api/shows/{id}/holds"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_HOLD_REQUEST, exchange.body())
        command_id = command_id_for(exchange.headers, caller.user_id)
        return self._take_seats(exchange, hold_command(caller, show_id, request, command_id))

    def confirm(self, exchange: Exchange, booking_id: UUID) -> None:
        """POST /api/bookings/{id}/confirm"""
        self._move(exchange, booking_id, ConfirmBooking)

    def cancel(self, exchange: Exchange, booking_id: UUID) -> None:
        """POST /api/bookings/{id}/cancel and DELETE /api/bookings/{id}"""
        self._move(exchange, booking_id, CancelBooking)

    def _take_seats(
        self, exchange: Exchange, command: BookSeats | HoldSeats
    ) -> Coroutine[Any, Any, None] | None:
        if command.customer_id:
            return self._take_seats_for_customer(exchange, command)
        self._send(exchange, command, made=201)
        return None

    async def _take_seats_for_customer(self, exchange: Exchange, command: BookSeats | HoldSeats) -> None:
        await self._commands.check_customer(command)
        self._send(exchange, command, made=201)

    def _move(self, exchange: Exchange, booking_id: UUID, kind: type[ConfirmBooking | CancelBooking]) -> None:
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.check_no_fields()
        command_id = command_id_for(exchange.headers, caller.user_id)
        self._send(exchange, move_command(kind, caller, booking_id, command_id), made=200)

    def _send(self, exchange: Exchange, command: Command, *, made: int) -> None:
        preference = preference_of(exchange.headers)
        tell = partial(_tell, exchange, command, preference, made)
        if (
            isinstance(command, BookSeats | HoldSeats)
            and command.seats
            and preference.wait_s
            and b"idempotency-key" not in exchange.headers
        ):
            self._together.send(command, wait_s=preference.wait_s, tell=tell)
        else:
            self._commands.send(command, wait_s=preference.wait_s, tell=tell)


def _tell(
    exchange: Exchange,
    command: Command,
    preference: Preference,
    made: int,
    outcome: Outcome | BaseException,
) -> None:
    """Answers with the outcome of a booking command; `made` is the status when it was accepted."""
    try:
        headers = applied(preference)
        if isinstance(outcome, Decided):
            _tell_decided(exchange, command, outcome, headers, made)
        elif isinstance(outcome, Pending):
            position = str(outcome.position)
            headers += [(b"location", f"/api/commands/{position}".encode()), RETRY_AFTER]
            exchange.answer(202, encode(PendingBody(position)), headers)
        else:
            raise outcome
    except Problem as problem:
        no_show = problem.code == "not_found"
        if no_show and isinstance(command, ConfirmBooking | CancelBooking):
            problem = no_booking(command.booking_id)
        exchange.refuse(problem)
    except Exception as error:
        exchange.refuse(problem_for(error, exchange.request_id.decode(), exchange.method, exchange.path))


def _tell_decided(
    exchange: Exchange,
    command: Command,
    decided: Decided,
    headers: list[tuple[bytes, bytes]],
    made: int,
) -> None:
    if decided.refused:
        refusal = refusal_of(decided.answer, decided.position)
        if refusal.status == 404 and isinstance(command, ConfirmBooking | CancelBooking):
            refusal = decided_at(no_booking(command.booking_id).refusal(), decided.position)
        exchange.refuse_so(refusal, headers)
        return
    decision, position = decided.decision, decided.position
    if decision.repeats is not None:
        headers.append(REPLAYED)
        position = decision.repeats
    assert decision.booking is not None, "a booking command that is accepted is about a booking"
    if made == 201:
        # The encoder writes an id five times as fast as str does.
        headers.append((b"location", b"/api/bookings/%b" % encode(decision.booking.booking_id)[1:-1]))
    exchange.answer(made, encode(booking_body(decision.booking, position)), headers)


def applied(preference: Preference) -> list[tuple[bytes, bytes]]:
    """The header Preference-Applied, where there was one to apply."""
    return [] if preference.applied is None else [(b"preference-applied", preference.applied)]

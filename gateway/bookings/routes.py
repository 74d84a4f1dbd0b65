"""Endpoints that change bookings: validate, append to the log, and respond with the decision."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from gateway.auth.access_tokens import Tokens
from gateway.bookings.requests import book_command, change_command, hold_command, no_booking
from gateway.commands.coalescing import RequestCoalescer
from gateway.commands.outcomes import Outcome, Pending, StoredDecision
from gateway.commands.refusals import REPLAYED, decided_at, refusal_of
from gateway.commands.sender import CommandSender
from gateway.http.bodies import decode_body
from gateway.http.command_headers import Preference, command_id_for, read_preference
from gateway.http.errors import problem_for
from gateway.http.exchange import Exchange
from gateway.http.problems import Problem
from schemas.api import BookRequest, HoldRequest, PendingBody, booking_body
from schemas.commands import BookSeats, CancelBooking, Command, ConfirmBooking, HoldSeats
from schemas.wire import encode

_BOOK_REQUEST = msgspec.json.Decoder(BookRequest)
_HOLD_REQUEST = msgspec.json.Decoder(HoldRequest)
RETRY_AFTER = (b"retry-after", b"1")
"""Sent with every 202; in seconds."""


class BookingRoutes:
    """Handlers that change bookings. Each takes the exchange and the parameters of its path, and responds later."""

    def __init__(self, tokens: Tokens, commands: CommandSender) -> None:
        self._tokens = tokens
        self._commands = commands
        self._coalescer = RequestCoalescer(commands)

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
        self._send_change(exchange, booking_id, ConfirmBooking)

    def cancel(self, exchange: Exchange, booking_id: UUID) -> None:
        """POST /api/bookings/{id}/cancel and DELETE /api/bookings/{id}"""
        self._send_change(exchange, booking_id, CancelBooking)

    def _take_seats(
        self, exchange: Exchange, command: BookSeats | HoldSeats
    ) -> Coroutine[Any, Any, None] | None:
        if command.customer_id:
            return self._take_seats_for_customer(exchange, command)
        self._send(exchange, command, success_status=201)
        return None

    async def _take_seats_for_customer(self, exchange: Exchange, command: BookSeats | HoldSeats) -> None:
        await self._commands.check_customer(command)
        self._send(exchange, command, success_status=201)

    def _send_change(
        self, exchange: Exchange, booking_id: UUID, kind: type[ConfirmBooking | CancelBooking]
    ) -> None:
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.check_no_fields()
        command_id = command_id_for(exchange.headers, caller.user_id)
        self._send(exchange, change_command(kind, caller, booking_id, command_id), success_status=200)

    def _send(self, exchange: Exchange, command: Command, *, success_status: int) -> None:
        preference = read_preference(exchange.headers)
        on_outcome = partial(_respond, exchange, command, preference, success_status)
        if (
            isinstance(command, BookSeats | HoldSeats)
            and command.seats
            and preference.wait_s
            and b"idempotency-key" not in exchange.headers
        ):
            self._coalescer.send(command, wait_s=preference.wait_s, on_outcome=on_outcome)
        else:
            self._commands.send(command, wait_s=preference.wait_s, on_outcome=on_outcome)


def _respond(
    exchange: Exchange,
    command: Command,
    preference: Preference,
    success_status: int,
    outcome: Outcome | BaseException,
) -> None:
    """Responds with the outcome of a booking command; `success_status` is the status when it was accepted."""
    try:
        headers = preference_applied(preference)
        if isinstance(outcome, StoredDecision):
            _respond_decided(exchange, command, outcome, headers, success_status)
        elif isinstance(outcome, Pending):
            position = str(outcome.position)
            headers += [(b"location", f"/api/commands/{position}".encode()), RETRY_AFTER]
            exchange.respond(202, encode(PendingBody(position)), headers)
        else:
            raise outcome
    except Problem as problem:
        no_show = problem.code == "not_found"
        if no_show and isinstance(command, ConfirmBooking | CancelBooking):
            problem = no_booking(command.booking_id)
        exchange.respond_problem(problem)
    except Exception as error:
        exchange.respond_problem(
            problem_for(error, exchange.request_id.decode(), exchange.method, exchange.path)
        )


def _respond_decided(
    exchange: Exchange,
    command: Command,
    stored: StoredDecision,
    headers: list[tuple[bytes, bytes]],
    success_status: int,
) -> None:
    if stored.refused:
        refusal = refusal_of(stored.answer, stored.position)
        if refusal.status == 404 and isinstance(command, ConfirmBooking | CancelBooking):
            refusal = decided_at(no_booking(command.booking_id).encoded(), stored.position)
        exchange.respond_encoded(refusal, headers)
        return
    decision, position = stored.decision, stored.position
    if decision.repeats is not None:
        headers.append(REPLAYED)
        position = decision.repeats
    assert decision.booking is not None, "an accepted booking command has a booking"
    if success_status == 201:
        # The encoder writes an id five times as fast as str does.
        headers.append((b"location", b"/api/bookings/%b" % encode(decision.booking.booking_id)[1:-1]))
    exchange.respond(success_status, encode(booking_body(decision.booking, position)), headers)


def preference_applied(preference: Preference) -> list[tuple[bytes, bytes]]:
    """Returns the header Preference-Applied if a preference was applied."""
    return [] if preference.applied is None else [(b"preference-applied", preference.applied)]

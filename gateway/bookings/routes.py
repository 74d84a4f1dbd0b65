"""Endpoints that change bookings: validate, append to the log, and respond with the decision."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from gateway.auth.access_tokens import Caller, Tokens
from gateway.bookings.remarks import Remark, with_remark
from gateway.bookings.requests import (
    BookingChange,
    book_command,
    booking_command,
    change_seats_command,
    hold_command,
    missing_booking,
    swap_command,
)
from gateway.bookings.seat_requests import Extras, SeatRequests, extras_of
from gateway.commands.coalescing import RequestCoalescer
from gateway.commands.outcomes import Outcome, Pending, StoredDecision
from gateway.commands.refusals import REPLAYED, decided_at, refusal_of
from gateway.commands.sender import CommandSender
from gateway.commands.tracing import RequestTracing
from gateway.http.bodies import decode_body
from gateway.http.command_headers import Preference, command_id_for, read_preference
from gateway.http.errors import problem_for
from gateway.http.exchange import Exchange
from gateway.http.problems import Problem
from gateway.seat_maps.labels import in_nfc
from schemas.api import (
    BookRequest,
    ChangeSeatsRequest,
    HoldRequest,
    PendingBody,
    SwapSeatsRequest,
    booking_body,
)
from schemas.commands import (
    BookSeats,
    CancelBooking,
    ChangeSeats,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
)
from schemas.wire import encode

_BOOK_REQUEST = msgspec.json.Decoder(BookRequest)
_HOLD_REQUEST = msgspec.json.Decoder(HoldRequest)
_CHANGE_SEATS_REQUEST = msgspec.json.Decoder(ChangeSeatsRequest)
_SWAP_SEATS_REQUEST = msgspec.json.Decoder(SwapSeatsRequest)
RETRY_AFTER = (b"retry-after", b"1")
"""Sent with every 202; in seconds."""


class BookingRoutes:
    """Handlers that change bookings. Each takes the exchange and the parameters of its path, and responds later."""

    def __init__(
        self,
        tokens: Tokens,
        commands: CommandSender,
        seat_requests: SeatRequests,
        tracing: RequestTracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._tokens = tokens
        self._commands = commands
        self._seat_requests = seat_requests
        self._coalescer = RequestCoalescer(commands)

    def book(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """POST /api/shows/{id}/bookings"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_BOOK_REQUEST, exchange.body())
        command_id = command_id_for(exchange.headers, caller.user_id)
        command = book_command(caller, show_id, request, command_id)
        return self._take_seats(exchange, command, extras_of(request))

    def hold(self, exchange: Exchange, show_id: int) -> Coroutine[Any, Any, None] | None:
        """POST /api/shows/{id}/holds"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_HOLD_REQUEST, exchange.body())
        command_id = command_id_for(exchange.headers, caller.user_id)
        command = hold_command(caller, show_id, request, command_id)
        return self._take_seats(exchange, command, extras_of(request))

    def confirm(self, exchange: Exchange, booking_id: UUID) -> Coroutine[Any, Any, None] | None:
        """POST /api/bookings/{id}/confirm"""
        return self._send_change(exchange, booking_id, ConfirmBooking)

    def cancel(self, exchange: Exchange, booking_id: UUID) -> Coroutine[Any, Any, None] | None:
        """POST /api/bookings/{id}/cancel and DELETE /api/bookings/{id}"""
        return self._send_change(exchange, booking_id, CancelBooking)

    def extend(self, exchange: Exchange, booking_id: UUID) -> Coroutine[Any, Any, None] | None:
        """POST /api/bookings/{id}/extend"""
        return self._send_change(exchange, booking_id, ExtendHold)

    def change_seats(self, exchange: Exchange, booking_id: UUID) -> Coroutine[Any, Any, None] | None:
        """POST /api/bookings/{id}/seats"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_CHANGE_SEATS_REQUEST, exchange.body())
        command_id = command_id_for(exchange.headers, caller.user_id)
        command = change_seats_command(caller, booking_id, request, command_id)
        if caller.staff or not in_nfc(command.seats):
            return self._look_up_and_change_seats(exchange, caller, command)
        self._send(exchange, command, success_status=200)
        return None

    async def _look_up_and_change_seats(
        self, exchange: Exchange, caller: Caller, command: ChangeSeats
    ) -> None:
        command = await self._seat_requests.labels.resolve(command)
        if caller.staff:
            await self._change_for_staff(exchange, command)
        else:
            self._send(exchange, command, success_status=200)

    def swap(self, exchange: Exchange, booking_id: UUID) -> Coroutine[Any, Any, None]:
        """POST /api/bookings/{id}/swap"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_SWAP_SEATS_REQUEST, exchange.body())
        command_id = command_id_for(exchange.headers, caller.user_id)
        return self._change_for_staff(exchange, swap_command(caller, booking_id, request, command_id))

    def _take_seats(
        self, exchange: Exchange, command: BookSeats | HoldSeats, extras: Extras | None
    ) -> Coroutine[Any, Any, None] | None:
        if extras is not None or not in_nfc(command.seats) or self._commands.has_to_prepare(command):
            return self._prepare_and_take_seats(exchange, command, extras)
        self._send(exchange, command, success_status=201)
        return None

    async def _prepare_and_take_seats(
        self, exchange: Exchange, command: BookSeats | HoldSeats, extras: Extras | None
    ) -> None:
        command = await self._seat_requests.complete(command, extras)
        if extras is None or extras.remark is None:
            self._send(exchange, command, success_status=201)
            return
        if self._tracing is not None:
            self._tracing.begin(exchange, command)
        preference = read_preference(exchange.headers)
        outcome = await self._seat_requests.submit(command, extras.remark, preference.wait_s)
        _respond(exchange, command, preference, 201, outcome, extras.remark)

    def _send_change(
        self, exchange: Exchange, booking_id: UUID, kind: type[BookingChange]
    ) -> Coroutine[Any, Any, None] | None:
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        exchange.check_no_fields()
        command_id = command_id_for(exchange.headers, caller.user_id)
        command = booking_command(kind, caller, booking_id, command_id)
        if caller.staff:
            return self._change_for_staff(exchange, command)
        self._send(exchange, command, success_status=200)
        return None

    async def _change_for_staff(self, exchange: Exchange, command: Command) -> None:
        """Changes a booking, and responds with the remark on it."""
        if self._tracing is not None:
            self._tracing.begin(exchange, command)
        preference = read_preference(exchange.headers)
        try:
            outcome = await self._commands.submit(command, wait_s=preference.wait_s)
        except Problem as problem:
            _respond(exchange, command, preference, 200, problem)
            return
        remark = await self._seat_requests.remarks.on_decided(outcome)
        _respond(exchange, command, preference, 200, outcome, remark)

    def _send(self, exchange: Exchange, command: Command, *, success_status: int) -> None:
        if self._tracing is not None:
            self._tracing.begin(exchange, command)
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
    remark: Remark | None = None,
) -> None:
    """Responds with the outcome of a booking command; `success_status` is the status when it was accepted."""
    try:
        headers = preference_applied(preference)
        if isinstance(outcome, StoredDecision):
            _respond_decided(exchange, command, outcome, headers, success_status, remark)
        elif isinstance(outcome, Pending):
            position = str(outcome.position)
            headers += [(b"location", f"/api/commands/{position}".encode()), RETRY_AFTER]
            exchange.respond(202, encode(PendingBody(position)), headers)
        else:
            raise outcome
    except Problem as problem:
        missing = missing_booking(command) if problem.code == "not_found" else None
        exchange.respond_problem(missing or problem)
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
    remark: Remark | None,
) -> None:
    if stored.refused:
        refusal = refusal_of(stored.answer, stored.position)
        if refusal.status == 404 and (missing := missing_booking(command)) is not None:
            refusal = decided_at(missing.encoded(), stored.position)
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
    body = with_remark(booking_body(decision.booking, position), remark)
    exchange.respond(success_status, encode(body), headers)


def preference_applied(preference: Preference) -> list[tuple[bytes, bytes]]:
    """Returns the header Preference-Applied if a preference was applied."""
    return [] if preference.applied is None else [(b"preference-applied", preference.applied)]

"""The path of a booking through the gateway: check, append, wait, answer. Plain ASGI."""

from __future__ import annotations

import random
import time
from typing import Any
from uuid import UUID

import msgspec

from gateway.auth import Caller, Tokens
from gateway.bodies import decode_body, invalid
from gateway.commands import Commands, Outcome, Pending
from gateway.http import Exchange
from gateway.problems import Problem
from gateway.refusals import problem_of
from gateway.waiting import Preference, command_id_for, preference_of
from schemas.api import (
    MAX_SEATS_PER_REQUEST,
    BookRequest,
    HoldRequest,
    PendingBody,
    booking_body,
)
from schemas.commands import BookSeats, CancelBooking, Command, ConfirmBooking, HoldSeats
from schemas.ids import new_booking_id, show_of_booking
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
        await self._submit(exchange, BookSeats(**_asked(exchange, caller, show_id, request)), made=201)

    async def hold(self, exchange: Exchange, show_id: int) -> None:
        """POST /api/shows/{id}/holds"""
        exchange.parameters()
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_HOLD_REQUEST, await exchange.body())
        asked = _asked(exchange, caller, show_id, request)
        await self._submit(exchange, HoldSeats(hold_ms=request.hold_s * 1000, **asked), made=201)

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
        command = kind(
            command_id=command_id_for(exchange, caller.user_id),
            show_id=_show_of(booking_id),
            user_id=caller.user_id,
            staff=caller.staff,
            booking_id=booking_id,
        )
        try:
            await self._submit(exchange, command, made=200)
        except Problem as problem:
            raise no_booking(booking_id) if problem.code == "not_found" else problem from None

    async def _submit(self, exchange: Exchange, command: Command, *, made: int) -> None:
        preference = preference_of(exchange)
        outcome = await self._commands.submit(command, wait_s=preference.wait_s)
        await tell(exchange, outcome, preference, made=made)


def _asked(
    exchange: Exchange, caller: Caller, show_id: int, request: BookRequest | HoldRequest
) -> dict[str, Any]:
    """What booking and holding have in common, as the fields of their commands."""
    return {
        "command_id": command_id_for(exchange, caller.user_id),
        "show_id": show_id,
        "user_id": caller.user_id,
        "staff": caller.staff,
        "booking_id": new_booking_id(show_id, int(time.time() * 1000), random.getrandbits(42)),
        "seats": checked_seats(request, caller),
        "quantity": request.quantity or 0,
        "section": request.section,
        "adjacent": request.adjacent is not False,
        "customer_id": request.user_id or 0,
    }


def checked_seats(request: BookRequest | HoldRequest, caller: Caller) -> tuple[str, ...]:
    """The labels asked for; none where a quantity is. Raises Problem for a request that cannot be meant."""
    if request.user_id is not None and not caller.staff:
        raise Problem("forbidden", "Only staff can book for somebody else; leave user_id out.")
    seats, quantity = request.seats, request.quantity
    if quantity is not None:
        if seats is not None:
            raise invalid(("seats", "name seats or a quantity, not both"))
        if quantity > MAX_SEATS_PER_REQUEST:
            raise _too_many("quantity", quantity)
        return ()
    for field in ("section", "adjacent"):
        if getattr(request, field) is not None:
            raise invalid((field, "this goes with a quantity"))
    if not seats:
        raise invalid(("seats", "name at least one seat, or a quantity"))
    if len(seats) > MAX_SEATS_PER_REQUEST:
        raise _too_many("seats", len(seats))
    if len(seats) > 1 and len(set(seats)) != len(seats):
        raise invalid(
            *((f"seats[{n}]", "named before") for n, label in enumerate(seats) if label in seats[:n])
        )
    for n, label in enumerate(seats):
        if not label.isprintable():
            raise invalid((f"seats[{n}]", "a label has no control characters"))
    return seats


def _too_many(field: str, count: int) -> Problem:
    return Problem(
        "too_many_seats",
        f"At most {MAX_SEATS_PER_REQUEST} seats in a request; send several.",
        errors=[(field, f"{count} seats")],
    )


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


def _show_of(booking_id: UUID) -> int:
    try:
        return show_of_booking(booking_id)
    except ValueError:
        raise no_booking(booking_id) from None


def no_booking(booking_id: UUID) -> Problem:
    """There is no such booking."""
    return Problem("not_found", f"There is no booking {booking_id}; yours are at /api/me/bookings.")

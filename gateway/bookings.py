"""The path of a booking through the gateway: check, append, wait, answer. Plain ASGI."""

from __future__ import annotations

import random
import time
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
    PendingBody,
    booking_body,
)
from schemas.commands import BookSeats, CancelBooking
from schemas.ids import new_booking_id, show_of_booking
from schemas.wire import encode

_BOOK_REQUEST = msgspec.json.Decoder(BookRequest)
RETRY_AFTER = (b"retry-after", b"1")
"""Sent with every 202: seconds."""


class BookingRoutes:
    """What changes bookings; each handler takes the exchange and what its path names."""

    def __init__(self, tokens: Tokens, commands: Commands) -> None:
        self._tokens = tokens
        self._commands = commands

    async def book(self, exchange: Exchange, show_id: int) -> None:
        """POST /api/shows/{id}/bookings"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        request = decode_body(_BOOK_REQUEST, await exchange.body())
        seats = _checked_seats(request, caller)
        preference = preference_of(exchange)
        command = BookSeats(
            command_id=command_id_for(exchange, caller.user_id),
            show_id=show_id,
            user_id=caller.user_id,
            staff=caller.staff,
            booking_id=new_booking_id(show_id, int(time.time() * 1000), random.getrandbits(42)),
            seats=seats,
            customer_id=request.user_id or 0,
        )
        outcome = await self._commands.submit(command, wait_s=preference.wait_s)
        await tell(exchange, outcome, preference, made=201)

    async def cancel(self, exchange: Exchange, booking_id: UUID) -> None:
        """POST /api/bookings/{id}/cancel and DELETE /api/bookings/{id}"""
        caller = self._tokens.verify(exchange.authorization, time.time())
        if (await exchange.body(required=False)).strip() not in (b"", b"{}"):
            raise invalid(("body", "cancelling takes no body"))
        preference = preference_of(exchange)
        command = CancelBooking(
            command_id=command_id_for(exchange, caller.user_id),
            show_id=_show_of(booking_id),
            user_id=caller.user_id,
            staff=caller.staff,
            booking_id=booking_id,
        )
        try:
            outcome = await self._commands.submit(command, wait_s=preference.wait_s)
        except Problem as problem:
            raise no_booking(booking_id) if problem.code == "not_found" else problem from None
        await tell(exchange, outcome, preference, made=200)


def _checked_seats(request: BookRequest, caller: Caller) -> tuple[str, ...]:
    if request.user_id is not None and not caller.staff:
        raise Problem("forbidden", "Only staff can book for somebody else; leave user_id out.")
    if request.quantity is not None or request.section is not None or request.adjacent is not None:
        raise invalid(("quantity", "the best seats cannot be chosen for you yet; name them in `seats`"))
    seats = request.seats
    if not seats:
        raise invalid(("seats", "name at least one seat"))
    if len(seats) > MAX_SEATS_PER_REQUEST:
        raise Problem(
            "too_many_seats",
            f"At most {MAX_SEATS_PER_REQUEST} seats in a request; send several.",
            errors=[("seats", f"{len(seats)} labels")],
        )
    if len(seats) > 1 and len(set(seats)) != len(seats):
        raise invalid(
            *((f"seats[{n}]", "named before") for n, label in enumerate(seats) if label in seats[:n])
        )
    for n, label in enumerate(seats):
        if not label.isprintable():
            raise invalid((f"seats[{n}]", "a label has no control characters"))
    return seats


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

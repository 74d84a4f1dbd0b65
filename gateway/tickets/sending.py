"""The endpoint that sends the tickets of a booking by e-mail again."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.auth.access_tokens import Caller
from gateway.auth.guards import logged_in
from gateway.bookings.requests import no_booking
from gateway.commands.refusals import problem_of
from gateway.http.bodies import invalid
from gateway.http.framework_requests import JsonRequest, json_accepted, query_known
from gateway.http.problems import Problem
from gateway.limits.rate_limits import RateLimits
from gateway.openapi.annotations import BEARER, problem_responses
from gateway.tickets.routes import NO_TICKET
from runtime.outdated_plans import retry_outdated_plans
from schemas.events import BookingStatus, Decision

_MAX_BODY = 16 * 1024
_BOOKING_SQL = """
SELECT b.user_id, b.status, u.email FROM bookings b LEFT JOIN users u USING (user_id) WHERE b.booking_id = $1
"""
_SEND_SQL = """
INSERT INTO letters_wanted (user_id, kind, data)
VALUES ($1, 'tickets_again', jsonb_build_object('booking_id', $2::uuid))
"""


class TicketSending:
    """Asks the notifier to send tickets."""

    def __init__(self, pool: asyncpg.Pool, rate_limits: RateLimits) -> None:
        self._pool = pool
        self._rate_limits = rate_limits

    @retry_outdated_plans
    async def send(self, booking_id: UUID, caller: Caller) -> None:
        """Sends the tickets to the address that the owner's account has now. Raises Problem."""
        row = await self._pool.fetchrow(_BOOKING_SQL, booking_id)
        if row is None:
            raise no_booking(booking_id)
        if row["user_id"] != caller.user_id and not caller.staff:
            raise Problem("not_yours", "This booking is somebody else's: its owner or staff can do this.")
        if (reason := NO_TICKET.get(BookingStatus(row["status"]))) is not None:
            raise problem_of(Decision(reason))
        if row["email"] is None:
            raise invalid(("booking_id", "nobody has an address for this booking: print its tickets"))
        await self._rate_limits.take((self._rate_limits.emails, f"tickets:{booking_id}"))
        await self._pool.execute(_SEND_SQL, row["user_id"], booking_id)


@post(
    "/bookings/{booking_id:uuid}/send",
    operation_id="SendTickets",
    status_code=202,
    guards=[logged_in],
    security=BEARER,
    responses=problem_responses("not_yours", "not_confirmed", "already_cancelled", "hold_expired"),
)
async def send_tickets(
    booking_id: FromPath[UUID],
    request: JsonRequest,
    caller: NamedDependency[Caller],
    ticket_sending: NamedDependency[TicketSending],
) -> Response[None]:
    """Send the tickets by e-mail again, to the address that the owner's account has now."""
    await request.check_no_fields()
    await ticket_sending.send(booking_id, caller)
    return Response(None, status_code=202, media_type="text/plain")


def sending_routes() -> Router:
    """The router of this endpoint. Dependencies to provide: `ticket_sending` and `caller`."""
    return Router(
        "/api",
        route_handlers=[send_tickets],
        guards=[json_accepted, query_known],
        request_max_body_size=_MAX_BODY,
        tags=["Bookings"],
    )

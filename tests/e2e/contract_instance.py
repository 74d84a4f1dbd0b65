"""A running instance for contract tests, with the calls and codes of the contract."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.e2e.contract import SHOW, Caller, Seen
from tests.e2e.running import RunningAisle

SOON_S = 20
EMAILS_S = 60
STAFF_ADDRESS = "contract-staff@example.org"
CALLS = """
POST /api/signup · POST /api/login · POST /api/token/refresh · POST /api/logout · GET /api/me · PATCH /api/me
POST /api/session · POST /api/session/refresh · DELETE /api/session
DELETE /api/me · POST /api/email/confirm · POST /api/email/undo
POST /api/password/forgot · POST /api/password/reset · GET /api/users · PATCH /api/users/{id}
GET /api/movies · POST /api/movies · GET /api/movies/{id} · PATCH /api/movies/{id} · DELETE /api/movies/{id}
GET /api/movies/{id}/shows · GET /api/shows · POST /api/shows · GET /api/shows/{id} · PATCH /api/shows/{id}
POST /api/shows/{id}/close · POST /api/shows/{id}/reopen · POST /api/shows/{id}/cancel
POST /api/shows/{id}/block · POST /api/shows/{id}/unblock · GET /api/shows/{id}/seats
POST /api/shows/{id}/bookings · POST /api/shows/{id}/holds · POST /api/bookings/{id}/confirm
POST /api/bookings/{id}/cancel · DELETE /api/bookings/{id} · GET /api/bookings/{id}
POST /api/bookings/{id}/extend · POST /api/bookings/{id}/seats · POST /api/bookings/{id}/swap
GET /api/bookings/{id}/ticket.svg · GET /api/bookings/{id}/calendar.ics
GET /api/bookings/{id}/ticket.pdf · GET /api/me/bookings · GET /api/users/{id}/bookings
GET /api/commands/{position} · GET /api/reports/sales · GET /api/reports/occupancy
GET /api/reports/cancellations · GET /api/reports/customers
POST /api/webhooks · GET /api/webhooks · GET /api/webhooks/{id} · PATCH /api/webhooks/{id}
DELETE /api/webhooks/{id} · POST /api/webhooks/{id}/rotate · POST /api/webhooks/{id}/test
GET /api/webhooks/{id}/deliveries · POST /api/webhooks/{id}/deliveries/{id}/replay · POST /api/webhooks/{id}/replay
GET / · GET /docs · GET /openapi.json · GET /inbox · GET /health/live · GET /health/ready
GET /.well-known/jwks.json
POST /api/checkin · POST /api/checkin/undo · GET /api/shows/{id}/checkin
GET /api/me/emails · PATCH /api/me/emails · POST /api/email/unsubscribe
POST /api/bookings/{id}/send · GET /api/deliveries
"""
ELSEWHERE = {
    "length_required": "tests/e2e/raw_requests.py",
    "not_implemented": "tests/e2e/raw_requests.py",
    "request_timeout": "tests/integration/test_slow_requests.py",
    "rate_limited": "tests/integration/test_limited_requests.py",
    "overloaded": "tests/integration/test_unavailable.py",
    "log_unavailable": "tests/integration/test_unavailable.py",
    "database_unavailable": "tests/integration/test_dispatcher.py",
    "internal_error": "tests/integration/test_dispatcher.py",
    "not_ready": "tests/integration/test_catalogue.py",
    "malformed": "tests/integration/test_worker.py",
    "already_open": "tests/unit/show_model.py",
    "already_used": "tests/unit/test_show_staff.py",
    "checked_in": "tests/unit/test_show_staff.py",
    "not_checked_in": "tests/unit/door_model.py",
    "wrong_show": "tests/unit/door_model.py",
    "wrong_day": "tests/unit/door_model.py",
    "ticket_unsigned": "tests/unit/door_model.py",
    "payment_required": "tests/integration/test_own_bookings.py",
}
"""Codes that need a fault, or a timing, that other tests cause."""


class ContractInstance:
    """The running instance, its callers, and the observed calls."""

    def __init__(self, aisle: RunningAisle) -> None:
        self.aisle = aisle
        self.seen = Seen()
        self.nobody = Caller(aisle.url, None, self.seen)
        self.staff = self.acting(900, "staff")
        self.admin = self.acting(901, "admin")
        self.customer = self.acting(910)
        self.movie_id = 0
        self.tests = 0
        self.hold: dict[str, Any] = {}

    def acting(self, user_id: int, role: str = "customer", token: str | None = None) -> Caller:
        return Caller(self.aisle.url, token or self.aisle.token(user_id, role), self.seen)

    async def show(self, **terms: Any) -> str:
        """Creates a show of ten seats; returns its path."""
        wanted = {"movie_id": self.movie_id, "screen_name": "1", "starts_at": "2098-01-01T20:00:00Z"}
        body = wanted | {"total_seats": 10, "price": {"amount": 1250, "currency": "EUR"}} | terms
        made = await self.staff.ok("POST /api/shows", SHOW, 201, json=body)
        return f"/api/shows/{made['id']}"


async def everywhere(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Waits until a condition holds repeatedly, and so on each gateway."""
    deadline, in_a_row = time.monotonic() + SOON_S, 0
    while in_a_row < 8:
        assert time.monotonic() < deadline, what
        in_a_row = in_a_row + 1 if await holds() else 0


async def for_staff_only(instance: ContractInstance, call: str, body: object = None) -> None:
    """Asserts that a call is refused to customers and to those without a login."""
    options = {} if body is None else {"json": body}
    await instance.nobody.refused(call, 401, "unauthenticated", **options)
    await instance.customer.refused(call, 403, "forbidden", **options)


async def email_to(instance: ContractInstance, address: str, subject: str) -> dict[str, Any]:
    deadline = time.monotonic() + EMAILS_S
    while time.monotonic() < deadline:
        listed = (await instance.nobody("GET /inbox", params={"format": "json", "to": address})).json()[
            "items"
        ]
        for summary in listed:
            if subject in summary["subject"]:
                found: dict[str, Any] = (
                    await instance.nobody(f"GET {summary['url']}", params={"format": "json"})
                ).json()
                return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"no e-mail {subject!r} to {address}")


def calls() -> set[str]:
    return {call.strip() for call in re.split(r"·|\n", CALLS) if call.strip()}

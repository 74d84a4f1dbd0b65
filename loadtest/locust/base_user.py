"""Base Locust user: authenticated requests, idempotent retries, recorded outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import gevent
import msgspec
from locust import FastHttpUser
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from loadtest.locust.observations import UnknownOutcome, observe
from loadtest.locust.seat_choice import Hall, hall
from loadtest.locust.shared_state import NotReady, current_state
from loadtest.locust.visits import Visit
from schemas.api import BookingBody
from schemas.api_seats import SeatMapBody

RETRY_LATER = (429, 503)
"""Statuses that are retried after Retry-After, with the same key."""
MAX_ATTEMPTS = 6
"""Number of attempts per request."""
TIMEOUT_S = 40.0

_booking = msgspec.json.Decoder(BookingBody)
_EXPECTED_REFUSALS = frozenset(
    {
        "seat_taken",
        "seat_blocked",
        "limit_exceeded",
        "not_enough_seats",
        "not_on_sale",
        "show_closed",
        "show_cancelled",
        "show_started",
        "already_cancelled",
        "already_confirmed",
        "hold_expired",
    }
)
"""Refusals that are part of normal use; any other is a defect."""


class Response(msgspec.Struct, frozen=True):
    """A response; status 0 without one."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}

    @property
    def code(self) -> str:
        """Code of the problem in the body, if any."""
        try:
            return str(msgspec.json.decode(self.body, type=dict[str, Any]).get("code", ""))
        except msgspec.DecodeError:
            return ""


class Outcome(msgspec.Struct, frozen=True):
    """Outcome of a command: a booking or a refusal code; unknown without both."""

    booking: BookingBody | None = None
    code: str = ""


class SeatMap(msgspec.Struct, frozen=True):
    """Seat map of a show."""

    hall: Hall
    states: str


class _States(msgspec.Struct):
    states: str


class _CommandStatus(msgspec.Struct):
    status: str
    booking: BookingBody | None = None
    problem: dict[str, Any] | None = None


class BaseUser(FastHttpUser):
    """A user with an account. Retries use the same Idempotency-Key."""

    abstract = True
    network_timeout = TIMEOUT_S
    connection_timeout = TIMEOUT_S

    def on_start(self) -> None:
        try:
            self.shared_state = current_state()
        except NotReady:
            raise StopUser from None  # the reason has been printed
        self.number = self.shared_state.next_customer()
        self.authorization = {"Authorization": f"Bearer {self.shared_state.tokens[self.number]}"}
        self.etags: dict[str, tuple[str, bytes]] = {}

    def wait_time(self) -> float:
        """No wait between tasks: tasks pause themselves."""
        return 0.0

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Marks the user as waiting, so that Locust stops it here and not during a request."""
        if self._state == LOCUST_STATE_STOPPING:
            raise StopUser
        self._state = LOCUST_STATE_WAITING
        yield
        self._state = LOCUST_STATE_RUNNING

    def pause(self, seconds: float) -> None:
        """Waits for `seconds`."""
        with self.idle():
            gevent.sleep(seconds)

    def get(self, path: str, name: str) -> Response:
        """GET with the ETag of the last response; after 304 the cached response is returned."""
        known = self.etags.get(path)
        response = self._request("GET", path, name, {"If-None-Match": known[0]} if known else {})
        if response.status == 304 and known is not None:
            return Response(200, known[1], response.headers)
        if response.status == 200 and (etag := response.headers.get("etag")):
            self.etags[path] = (etag, response.body)
        return response

    def seats(self, show_id: int) -> SeatMap | None:
        """Reads the seat map of a show."""
        response = self.get(f"/api/shows/{show_id}/seats", "/api/shows/:id/seats")
        if response.status != 200:
            return None
        if (known := self.shared_state.halls.get(show_id)) is None:
            layout = msgspec.json.decode(response.body, type=SeatMapBody)
            known = hall([row.seats for section in layout.sections for row in section.rows])
            self.shared_state.halls[show_id] = known
        return SeatMap(known, msgspec.json.decode(response.body, type=_States).states)

    def book(self, show_id: int, seats: tuple[str, ...], visit: Visit) -> Outcome:
        """Books or holds seats, as the visit requires."""
        action = "holds" if visit.holds else "bookings"
        body: dict[str, Any] = {"seats": seats}
        if visit.holds:
            body["hold_s"] = self.shared_state.hold_s
        path = f"/api/shows/{show_id}/{action}"
        return self._command(action, path, body, show_id=show_id, twice=visit.impatient)

    def change(self, booking: BookingBody, action: str) -> Outcome:
        """Confirms or cancels a booking."""
        path = f"/api/bookings/{booking.id}/{action}"
        return self._command(action, path, None, show_id=booking.show_id, booking_id=str(booking.id))

    def count(self, outcome: str) -> None:
        """Counts one outcome."""
        self.shared_state.observations.count(outcome)

    def _command(
        self,
        action: str,
        path: str,
        body: dict[str, Any] | None,
        *,
        show_id: int,
        booking_id: str = "",
        twice: bool = False,
    ) -> Outcome:
        name = f"/api/{'bookings' if booking_id else 'shows'}/:id/{action}"
        headers = {"Idempotency-Key": uuid4().hex}
        content = None if body is None else msgspec.json.encode(body).decode()
        outcome, is_unknown = Outcome(), True
        try:
            for _ in range(MAX_ATTEMPTS):
                response = self._request("POST", path, name, headers, content)
                if response.status in RETRY_LATER:
                    self.count("rejected, retried later")
                    self.pause(float(response.headers.get("retry-after") or 1))
                    continue
                if response.status == 0 or response.status >= 500:
                    self.pause(1.0)
                    continue
                outcome = self._outcome(response)
                is_unknown = outcome.booking is None and not outcome.code
                if not twice:
                    return outcome
                twice = False
                self.count("sent twice")
            return outcome
        finally:
            if is_unknown:
                self.shared_state.observations.unknown.append(
                    UnknownOutcome(self.number, show_id, action, booking_id)
                )

    def _outcome(self, response: Response) -> Outcome:
        if response.status == 202:
            return self._wait_for_decision(response)
        if response.status < 300:
            return self._acknowledged(_booking.decode(response.body))
        return Outcome(code=response.code or str(response.status))

    def _wait_for_decision(self, response: Response) -> Outcome:
        """Polls the command of a 202 response until it is decided."""
        self.count("polled a command")
        headers = {"Prefer": "wait=10"}
        for _ in range(MAX_ATTEMPTS):
            polled = self._request("GET", response.headers["location"], "/api/commands/:position", headers)
            if polled.status != 200:
                self.pause(1.0)
                continue
            command = msgspec.json.decode(polled.body, type=_CommandStatus)
            if command.booking is not None:
                return self._acknowledged(command.booking)
            if command.problem is not None:
                return Outcome(code=str(command.problem["code"]))
        return Outcome()

    def _acknowledged(self, booking: BookingBody) -> Outcome:
        self.shared_state.observations.acknowledged.append(observe(self.number, booking))
        return Outcome(booking)

    def _request(
        self,
        method: str,
        path: str,
        name: str,
        headers: Mapping[str, str] = {},
        content: str | None = None,
    ) -> Response:
        """Sends one request. Failures in Locust's table are responses that no user should receive."""
        sent = {**self.authorization, **headers}
        if content is not None:
            sent["Content-Type"] = "application/json"
        self.shared_state.observations.requests += 1
        with self.client.request(
            method, path, name=name, data=content, headers=sent, catch_response=True, allow_redirects=False
        ) as received:
            status = received.status_code
            response = Response(status, received.content or b"", received.headers or {})
            if status in (200, 201, 202, 204, 304, *RETRY_LATER) or (
                status == 409 and response.code in _EXPECTED_REFUSALS
            ):
                received.success()
            elif status:
                received.failure(f"{status} {response.code}")
        return response

"""A person with an account, as far as all of them are alike: asks, repeats what was not answered, remembers."""

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

from loadtest.locust.observations import Doubt, sighting
from loadtest.locust.seat_choice import Hall, hall
from loadtest.locust.shared_state import NotReady, here
from loadtest.locust.visits import Visit
from schemas.api import BookingBody
from schemas.api_seats import SeatMapBody

COME_BACK = (429, 503)
"""Not now: to be asked again after Retry-After, with the same key."""
ASKS = 6
"""How often one thing is asked for before somebody gives up."""
ANSWER_S = 40.0

_booking = msgspec.json.Decoder(BookingBody)
_MEANT = frozenset(
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
"""Refusals that people have to live with; any other is a fault of ours or of the service."""


class Answer(msgspec.Struct, frozen=True):
    """What came back; status 0 where nothing did."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}

    @property
    def code(self) -> str:
        """The code of a problem."""
        try:
            return str(msgspec.json.decode(self.body, type=dict[str, Any]).get("code", ""))
        except msgspec.DecodeError:
            return ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a wish: a booking, or why not; with neither, nobody knows."""

    booking: BookingBody | None = None
    code: str = ""


class Picture(msgspec.Struct, frozen=True):
    """A seat map as somebody sees it."""

    hall: Hall
    states: str


class _States(msgspec.Struct):
    states: str


class _Fate(msgspec.Struct):
    status: str
    booking: BookingBody | None = None
    problem: dict[str, Any] | None = None


class Customer(FastHttpUser):
    """One of the crowd. What it asks for again after no answer, it asks for with the same Idempotency-Key."""

    abstract = True
    network_timeout = ANSWER_S
    connection_timeout = ANSWER_S

    def on_start(self) -> None:
        try:
            self.town = here()
        except NotReady:
            raise StopUser from None  # why has been said
        self.number = self.town.next_customer()
        self.authorization = {"Authorization": f"Bearer {self.town.tokens[self.number]}"}
        self.etags: dict[str, tuple[str, bytes]] = {}

    def wait_time(self) -> float:
        """Tasks take their time themselves."""
        return 0.0

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Around waiting: whoever is told to go home goes here, and not with a request under way."""
        if self._state == LOCUST_STATE_STOPPING:
            raise StopUser
        self._state = LOCUST_STATE_WAITING
        yield
        self._state = LOCUST_STATE_RUNNING

    def pause(self, seconds: float) -> None:
        """Does nothing for a while."""
        with self.idle():
            gevent.sleep(seconds)

    def look(self, path: str, name: str) -> Answer:
        """GET, with what is remembered from last time; a 304 gives that again."""
        known = self.etags.get(path)
        answer = self._ask("GET", path, name, {"If-None-Match": known[0]} if known else {})
        if answer.status == 304 and known is not None:
            return Answer(200, known[1], answer.headers)
        if answer.status == 200 and (etag := answer.headers.get("etag")):
            self.etags[path] = (etag, answer.body)
        return answer

    def seats(self, show_id: int) -> Picture | None:
        """The seat map of a show."""
        answer = self.look(f"/api/shows/{show_id}/seats", "/api/shows/:id/seats")
        if answer.status != 200:
            return None
        if (known := self.town.halls.get(show_id)) is None:
            layout = msgspec.json.decode(answer.body, type=SeatMapBody)
            known = hall([row.seats for section in layout.sections for row in section.rows])
            self.town.halls[show_id] = known
        return Picture(known, msgspec.json.decode(answer.body, type=_States).states)

    def book(self, show_id: int, seats: tuple[str, ...], visit: Visit) -> Outcome:
        """Books seats, or holds them, as the visit says."""
        action = "holds" if visit.holds else "bookings"
        body: dict[str, Any] = {"seats": seats}
        if visit.holds:
            body["hold_s"] = self.town.hold_s
        twice = visit.impatient
        return self._command(action, f"/api/shows/{show_id}/{action}", body, show_id=show_id, twice=twice)

    def move(self, booking: BookingBody, action: str) -> Outcome:
        """Confirms or cancels a booking."""
        path = f"/api/bookings/{booking.id}/{action}"
        return self._command(action, path, None, show_id=booking.show_id, booking_id=str(booking.id))

    def told(self, outcome: str) -> None:
        """Counts what came of somebody's wish."""
        self.town.sightings.count(outcome)

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
        outcome, doubtful = Outcome(), True
        try:
            for _ in range(ASKS):
                answer = self._ask("POST", path, name, headers, content)
                if answer.status in COME_BACK:
                    self.told("told to come back later")
                    self.pause(float(answer.headers.get("retry-after") or 1))
                    continue
                if answer.status == 0 or answer.status >= 500:
                    self.pause(1.0)
                    continue
                outcome = self._outcome(answer)
                doubtful = outcome.booking is None and not outcome.code
                if not twice:
                    return outcome
                twice = False
                self.told("clicked twice")
            return outcome
        finally:
            if doubtful:
                self.town.sightings.doubts.append(Doubt(self.number, show_id, action, booking_id))

    def _outcome(self, answer: Answer) -> Outcome:
        if answer.status == 202:
            return self._fate(answer)
        if answer.status < 300:
            return self._acknowledged(_booking.decode(answer.body))
        return Outcome(code=answer.code or str(answer.status))

    def _fate(self, answer: Answer) -> Outcome:
        """What was answered 202 is asked for until it is decided."""
        self.told("asked what became of it")
        headers = {"Prefer": "wait=10"}
        for _ in range(ASKS):
            answered = self._ask("GET", answer.headers["location"], "/api/commands/:position", headers)
            if answered.status != 200:
                self.pause(1.0)
                continue
            fate = msgspec.json.decode(answered.body, type=_Fate)
            if fate.booking is not None:
                return self._acknowledged(fate.booking)
            if fate.problem is not None:
                return Outcome(code=str(fate.problem["code"]))
        return Outcome()

    def _acknowledged(self, booking: BookingBody) -> Outcome:
        self.town.sightings.seen.append(sighting(self.number, booking))
        return Outcome(booking)

    def _ask(
        self,
        method: str,
        path: str,
        name: str,
        headers: Mapping[str, str] = {},
        content: str | None = None,
    ) -> Answer:
        """One request and its answer. A failure in Locust's table is an answer that nobody should get."""
        sent = {**self.authorization, **headers}
        if content is not None:
            sent["Content-Type"] = "application/json"
        self.town.sightings.requests += 1
        with self.client.request(
            method, path, name=name, data=content, headers=sent, catch_response=True, allow_redirects=False
        ) as response:
            status = response.status_code
            answer = Answer(status, response.content or b"", response.headers or {})
            if status in (200, 201, 202, 204, 304, *COME_BACK) or (status == 409 and answer.code in _MEANT):
                response.success()
            elif status:
                response.failure(f"{status} {answer.code}")
        return answer

"""Reads bookings of the run's users and seat maps from the service after a run.

Blocking HTTP over one connection: under Locust its sockets are gevent's.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from loadtest.locust.check import ServiceState
from loadtest.locust.observations import Observation, observe
from schemas.api import BookingsPage
from schemas.api_seats import SeatMapBody

TIMEOUT_S = 30.0
TRIES = 5
SETTLED_S = 0.5
"""Longer than the seat map of one gateway lags behind another's."""
SETTLE_TIMEOUT_S = 120.0
"""Time limit until the run's own shows do not change any more: holds expire, late decisions are made."""

T = TypeVar("T")


class ServiceError(Exception):
    """The service cannot be read; the message gives the reason."""


class Service:
    """Client of a running Aisle, with the tokens of its customers."""

    def __init__(self, url: str, tokens: Sequence[str]) -> None:
        parts = urlsplit(url)
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._at = parts.netloc
        self._below = parts.path.rstrip("/")
        self._tokens = tokens
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def bookings(self, customer: int) -> list[Observation]:
        """Current bookings of the customer with this token. Raises ServiceError."""
        found: list[Observation] = []
        cursor: str | None = None
        while True:
            path = "/api/me/bookings?limit=100" + (f"&cursor={quote(cursor)}" if cursor else "")
            page = self._get(path, BookingsPage, self._tokens[customer])
            found += [observe(customer, booking) for booking in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def seats(self, show_id: int) -> SeatMapBody:
        """Current seat map. Raises ServiceError."""
        return self._get(f"/api/shows/{show_id}/seats", SeatMapBody)

    def shows_on_sale(self) -> list[int]:
        """Ids of shows with free seats, the soonest first, up to 100. Raises ServiceError."""
        page = self._get("/api/shows?available=true&limit=100", dict[str, Any])
        return [show["id"] for show in page["items"] if show["status"] == "on_sale"]

    def _get(self, path: str, kind: type[T], token: str = "") -> T:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        why = ""
        for number in range(TRIES):
            try:
                status, retry_after, body = self._exchange(path, headers)
            except (OSError, http.client.HTTPException) as error:
                self._close()
                why = str(error) or type(error).__name__
                time.sleep(number)
                continue
            if status == 200:
                return msgspec.json.decode(body, type=kind)
            why = f"{status} {body[:300].decode(errors='replace')}"
            if status not in (429, 503):
                break
            time.sleep(float(retry_after or 1))
        raise ServiceError(f"GET {path}: {why}")

    def _exchange(self, path: str, headers: Mapping[str, str]) -> tuple[int, str | None, bytes]:
        if self._connection is None:
            self._connection = self._kind(self._at, timeout=TIMEOUT_S)
        self._connection.request("GET", self._below + path, headers=dict(headers))
        response = self._connection.getresponse()
        return response.status, response.getheader("Retry-After"), response.read()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def read_state(
    service: Service,
    customers: Collection[int],
    shows: Collection[int],
    *,
    alone: Collection[int] = (),
    timeout_s: float = SETTLE_TIMEOUT_S,
) -> ServiceState:
    """Reads the current state. Raises ServiceError.

    A seat map is used only when its version was the same before and after the bookings were read, so that both are
    of one moment. Shows in `alone` are awaited until they do not change; others, which have other buyers, may be left
    out.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        before = {show_id: service.seats(show_id).version for show_id in shows}
        time.sleep(SETTLED_S)
        found = {one.booking_id: one for customer in customers for one in service.bookings(customer)}
        time.sleep(SETTLED_S)
        maps = {show_id: service.seats(show_id) for show_id in shows}
        at_rest = {show_id for show_id in shows if maps[show_id].version == before[show_id]}
        if at_rest >= set(alone):
            break
        if time.monotonic() > deadline:
            raise ServiceError(f"shows {sorted(set(alone) - at_rest)} still change after {timeout_s:.0f} s")
    return ServiceState(
        found=found,
        seat_states={show_id: _seat_states(maps[show_id]) for show_id in at_rest},
        alone=frozenset(alone),
    )


def _seat_states(seats: SeatMapBody) -> dict[str, str]:
    labels = [label for section in seats.sections for row in section.rows for label in row.seats]
    return dict(zip(labels, seats.states, strict=True))

"""Users who watch a seat map over a WebSocket and book seats that become free."""

from __future__ import annotations

import time

import gevent
import msgspec
import websocket
from locust import task

from loadtest.locust.buying_users import BuyingUser
from loadtest.locust.seat_choice import FREE, Hall, choose
from loadtest.locust.visits import draw

FRONT_ROWS = 3
OPENING_S = 10.0
_NAME = "/api/shows/:id/live"


class _Message(msgspec.Struct):
    type: str
    version: int = 0
    states: str = ""
    changes: dict[str, str] = {}


_message = msgspec.json.Decoder(_Message)


class WatchingUser(BuyingUser):
    """Watches for about a minute; books when seats in the first rows become free."""

    weight = 10

    @task
    def watch(self) -> None:
        visit = draw(self.shared_state.rng)
        show_id = self.shared_state.some_show()
        seat_map = self.seats(show_id)
        if seat_map is not None and (live := self._open(show_id)) is not None:
            try:
                if self._wait_for_free_seats(live, seat_map.hall, visit.size):
                    self.count("seats became free")
                    self.buy(show_id, msgspec.structs.replace(visit, row=0, holds=False, thinks_s=0.1))
            finally:
                live.shutdown()  # type: ignore[no-untyped-call]
        self.pause(visit.rests_s)

    def _open(self, show_id: int) -> websocket.WebSocket | None:
        url = f"{self.host}/api/shows/{show_id}/live".replace("http", "ws", 1)
        began, at = time.perf_counter(), time.time()
        live, error = None, None
        try:
            live = websocket.create_connection(url, timeout=OPENING_S)
            live.settimeout(None)
        except (OSError, websocket.WebSocketException) as failed:
            error = failed
        self._report("open", began, at, error)
        return live

    def _wait_for_free_seats(self, live: websocket.WebSocket, hall: Hall, size: int) -> bool:
        """Waits for free seats in the first rows; also checks the messages of the socket."""
        labels = {label: at for at, label in enumerate(hall.labels)}
        front = Hall(hall.rows[:FRONT_ROWS])
        states, version = bytearray(), -1
        until = time.monotonic() + self.shared_state.rng.uniform(20, 90)
        while (left_s := until - time.monotonic()) > 0:
            began, at = time.perf_counter(), time.time()
            try:
                message = self._next(live, left_s)
            except (OSError, websocket.WebSocketException, msgspec.DecodeError) as error:
                self._report("message", began, at, error)
                return False
            if message is None:
                break
            if message.type == "seats":
                states, version = bytearray(message.states.encode()), message.version
                continue
            if message.type != "changes":
                continue
            if message.version <= version or not states:
                self._report("message", began, at, ValueError(f"version {message.version} after {version}"))
                return False
            version = message.version
            for label, seat_state in message.changes.items():
                states[labels[label]] = ord(seat_state)
            self.count("received a change")
            freed = any(
                seat_state == FREE and labels[label] < _end(front)
                for label, seat_state in message.changes.items()
            )
            if freed and choose(front, states.decode(), size, 0):
                return True
        return False

    def _next(self, live: websocket.WebSocket, at_most_s: float) -> _Message | None:
        """Returns the next message, or None after `at_most_s` seconds."""
        received: str | bytes | None = None
        with self.idle(), gevent.Timeout(at_most_s, False):
            received = live.recv()
        return None if received is None else _message.decode(received)

    def _report(self, what: str, began: float, at: float, error: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type="WS",
            name=f"{_NAME} {what}",
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=error,
            context={},
            start_time=at,
            response=None,
            url=_NAME,
        )


def _end(front: Hall) -> int:
    """Number of seats in the first rows."""
    return sum(len(row.labels) for row in front.rows)

"""A complete small client of Aisle in Python: copy it and change what you need.

    python examples/client.py http://127.0.0.1:8080 demo demopass1234 --show 1 --quantity 2

It needs httpx and websockets. Four things make a client safe, and each has one place here:

- `Login` renews the access token before it expires. A refresh token works once: all tasks of this process share one
  `Login`, and another process makes its own.
- `Aisle._decide` sends a booking call with one Idempotency-Key until its decision is known. Store the key before the
  call: after a crash, the same call with the same key gives the same booking, never a second one.
- `SeatMap.apply` takes only what is newer than what it has, so a reconnect cannot turn it back.
- `Aisle._connected` reconnects WebSockets, slower each time, with a fresh token.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

Json = dict[str, Any]

GIVE_UP_S = 120.0  # for one call, all tries together
TIMEOUT = httpx.Timeout(45, connect=5)  # longer than any `Prefer: wait=N`
RENEW_EARLY_S = 60.0
TRY_AGAIN = (429, 500, 502, 503, 504)  # with the same key: nothing happens twice


class Refused(Exception):
    """An answer that stays as it is. `code` is stable, `detail` is for people, `seats` are the seats at fault.

    `yours` are the customer's own bookings that are in the way: confirm, change or cancel one of them.
    """

    def __init__(self, status: int, problem: Json, retry_after_s: float = 0) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.retry_after_s = status, retry_after_s
        self.code: str = problem.get("code", "")
        self.seats: list[str] = problem.get("seats", [])
        self.yours: list[Json] = problem.get("yours", [])


class Undecided(Exception):
    """The decision is not known yet. Keep the key, and make the same call with it later."""


def checked(status: int, body: bytes, retry_after: str | None) -> Json:
    """The body of a good answer. Raises Refused for an error, also for a page that a proxy made."""
    try:
        content: Json = json.loads(body)
    except ValueError:
        content = {"detail": body[:200].decode(errors="replace")}
    if status >= 300:
        raise Refused(status, content, float(retry_after or 0))
    return content


class Login:
    """One login: an access token that is always fresh. Many tasks may use it at once."""

    def __init__(self, http: httpx.AsyncClient, username: str, password: str) -> None:
        self._http = http
        self._credentials = {"username": username, "password": password}
        self._lock = asyncio.Lock()  # one refresh at a time: a second use of a refresh token ends the login
        self._access = self._refresh = ""
        self.expires_at = 0.0

    async def access(self, rejected: str = "") -> str:
        """The access token; a new one when it expires soon, or when it is the `rejected` one."""
        async with self._lock:
            if time.monotonic() > self.expires_at - RENEW_EARLY_S or self._access == rejected:
                pair = await self._new_pair()
                self._access, self._refresh = pair["access"], pair["refresh"]
                self.expires_at = time.monotonic() + pair["expires_in"]
            return self._access

    async def _new_pair(self) -> Json:
        refresh, self._refresh = self._refresh, ""  # spent from here on, even if the answer is lost
        if refresh:
            try:
                return await self._post("/api/token/refresh", {"refresh": refresh})
            except (httpx.TransportError, Refused):
                pass  # a day has passed, or the new pair is lost: log in again
        return await self._post("/api/login", self._credentials)

    async def _post(self, path: str, body: Json) -> Json:
        answer = await self._http.post(path, json=body)
        return checked(answer.status_code, answer.content, answer.headers.get("Retry-After"))


class SeatMap:
    """The seats of a show: `states[label]` is a(vailable), h(eld), s(old) or b(locked)."""

    def __init__(self, answer: Json) -> None:
        rows = [row for section in answer["sections"] for row in section["rows"]]
        self.labels: list[str] = [label for row in rows for label in row["seats"]]  # these never change
        self.states = dict(zip(self.labels, answer["states"], strict=True))
        self.version: int = answer["version"]

    def apply(self, message: Json) -> bool:
        """Applies a `seats` or `changes` message; False when it is not newer than the map."""
        if message.get("version", -1) <= self.version:
            return False
        self.version = message["version"]
        whole = message["type"] == "seats"
        self.states |= zip(self.labels, message["states"], strict=True) if whole else message["changes"]
        return True


class Aisle:
    """The calls of a customer: `async with Aisle(url, username, password) as aisle`."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT)
        self._sockets = url.replace("http", "ws", 1).rstrip("/")
        self.login = Login(self._http, username, password)

    async def __aenter__(self) -> Aisle:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def hold(self, show_id: int, key: str, **wanted: Any) -> Json:
        """Holds `seats=["C12"]`, or `quantity=2` for the best ones. Confirm before `expires_at`."""
        return await self._decide(f"/api/shows/{show_id}/holds", key, wanted)

    async def confirm(self, booking_id: str, key: str) -> Json:
        return await self._decide(f"/api/bookings/{booking_id}/confirm", key)

    async def extend(self, booking_id: str, key: str) -> Json:
        """A hold that lasts longer: by its own length from now, at most until 30 minutes after it was made."""
        return await self._decide(f"/api/bookings/{booking_id}/extend", key)

    async def change_seats(self, booking_id: str, key: str, seats: list[str]) -> Json:
        """The same booking with other seats, as many; refused, it keeps its own."""
        return await self._decide(f"/api/bookings/{booking_id}/seats", key, {"seats": seats})

    async def cancel(self, booking_id: str, key: str) -> Json:
        return await self._decide(f"/api/bookings/{booking_id}/cancel", key)

    async def seats(self, show_id: int) -> SeatMap:
        return SeatMap(await self._send("GET", f"/api/shows/{show_id}/seats"))

    async def _decide(self, path: str, key: str, body: Json | None = None) -> Json:
        """The booking as decided. Raises Refused for a no, Undecided when neither is known after GIVE_UP_S."""
        deadline = time.monotonic() + GIVE_UP_S
        answer = await self._send("POST", path, body, {"Idempotency-Key": key, "Prefer": "wait=10"})
        while answer.get("status") == "pending":  # a 202: it will be decided, whatever crashes
            if time.monotonic() > deadline:
                raise Undecided(f"{path}: {answer['command']} is pending")
            path = f"/api/commands/{answer['command']}"
            answer = await self._send("GET", path, headers={"Prefer": "wait=10"})
        if answer["status"] == "refused":
            raise Refused(answer["problem"]["status"], answer["problem"])
        booking: Json = answer.get("booking", answer)
        return booking

    async def _send(
        self, method: str, path: str, body: Json | None = None, headers: dict[str, str] | None = None
    ) -> Json:
        """Sends one request until it has an answer that stays. It may arrive more than once."""
        deadline, pause_s = time.monotonic() + GIVE_UP_S, 0.2
        token = rejected = ""
        while True:
            try:
                token = await self.login.access(rejected)
                sent = {"Authorization": f"Bearer {token}"} | (headers or {})
                answer = await self._http.request(method, path, json=body, headers=sent)
                return checked(answer.status_code, answer.content, answer.headers.get("Retry-After"))
            except httpx.TransportError as error:  # refused, broken or too slow: it may have been decided
                why, wait_s = repr(error), pause_s
            except Refused as refusal:
                if refusal.status == 401 and token and not rejected:  # expired: renew once, same key
                    rejected = token
                    continue
                if refusal.status not in TRY_AGAIN:
                    raise
                why, wait_s = str(refusal), refusal.retry_after_s or pause_s
            if time.monotonic() > deadline:
                raise Undecided(f"{method} {path}: {why}")
            await asyncio.sleep(wait_s * random.uniform(1, 1.5))  # not all clients in the same moment
            pause_s = min(pause_s * 2, 5)

    async def watch_seats(self, show_id: int) -> AsyncIterator[SeatMap]:
        """The seat map, now and after each change, for as long as you iterate."""
        seats = await self.seats(show_id)
        yield seats
        async for socket in self._connected(f"/api/shows/{show_id}/live", private=False):
            async for message in messages(socket):  # the first of each connection has all seats
                if seats.apply(message):
                    yield seats

    async def watch_bookings(self) -> AsyncIterator[Json]:
        """The customer's latest bookings, then each that changes, each state once and in order."""
        newest: dict[str, int] = {}

        def is_new(booking: Json) -> bool:  # of two states of a booking the greater offset is the later one
            offset = booking["decided"]["offset"]
            if offset <= newest.get(booking["id"], -1):
                return False
            newest[booking["id"]] = offset
            return True

        async for socket in self._connected("/api/me/live", private=True):
            renewing = asyncio.create_task(self._renew(socket))
            try:
                # Once connected, so that nothing falls between the list and the first message.
                page = await self._send("GET", "/api/me/bookings?limit=100")
                for booking in filter(is_new, reversed(page["items"])):
                    yield booking
                async for message in messages(socket):
                    if message["type"] == "booking" and is_new(message["booking"]):
                        yield message["booking"]
            finally:
                renewing.cancel()

    async def _renew(self, socket: ClientConnection) -> None:
        """Gives a socket each new access token before the old one expires."""
        while True:
            await asyncio.sleep(max(0, self.login.expires_at - RENEW_EARLY_S - time.monotonic()) + 1)
            await socket.send(json.dumps({"type": "auth", "access": await self.login.access()}))

    async def _connected(self, path: str, *, private: bool) -> AsyncIterator[ClientConnection]:
        """Connections, a new one whenever the last has ended. Raises where another try cannot help."""
        pause_s = 0.2
        token = rejected = ""
        while True:
            try:
                token = await self.login.access(rejected) if private else ""
                headers = {"Authorization": f"Bearer {token}"} if private else {}
                async with connect(self._sockets + path, additional_headers=headers) as socket:
                    began = time.monotonic()
                    yield socket
                if socket.close_code == 4401:  # the token, or the account, is not good any more
                    rejected = token
                elif time.monotonic() - began > 10:
                    pause_s = 0.2
            except InvalidStatus as error:
                if error.response.status_code == 401 and token != rejected:
                    rejected = token
                elif error.response.status_code not in TRY_AGAIN:
                    raise
            except Refused as refusal:  # by the login
                if refusal.status not in TRY_AGAIN:
                    raise
            except (OSError, InvalidHandshake, ConnectionClosed, httpx.TransportError):
                pass  # away or busy
            await asyncio.sleep(pause_s * random.uniform(1, 1.5))
            pause_s = min(pause_s * 2, 10)


async def messages(socket: ClientConnection) -> AsyncIterator[Json]:
    """The messages of one connection, until it ends for whatever reason."""
    try:
        async for text in socket:
            yield json.loads(text)
    except ConnectionClosed:
        pass


async def main() -> None:
    """Holds seats, confirms them, and prints the customer's bookings as they change."""
    parser = argparse.ArgumentParser(description="Books seats of a show.")
    for name in ("url", "username", "password"):
        parser.add_argument(name)
    parser.add_argument("--show", type=int, default=1)
    parser.add_argument("--quantity", type=int, default=2)
    options = parser.parse_args()
    async with Aisle(options.url, options.username, options.password) as aisle:

        async def print_changes() -> None:
            async for booking in aisle.watch_bookings():
                print("live", booking["status"], *booking["seats"])

        watching = asyncio.create_task(print_changes())
        try:
            held = await aisle.hold(options.show, str(uuid.uuid4()), quantity=options.quantity)
            print("held until", held["expires_at"])  # here the customer pays
            booking = await aisle.confirm(held["id"], str(uuid.uuid4()))
            print("booked", booking["id"], *booking["seats"], booking["total"])
            await asyncio.sleep(1)
        except Refused as refusal:
            print(refusal, *refusal.seats)
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main())

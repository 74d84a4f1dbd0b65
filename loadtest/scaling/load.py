"""Bookings at a constant rate, one seat per request, none of them repeated: each must be answered 201 by itself."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, cast

import msgspec

from loadtest.bench.generator.responses import InvalidResponse, Response, ResponseReader

_EXAMPLE_BYTES = 300
_DRAIN_S = 40.0


class Show(NamedTuple):
    """A show with numbered seats, and its partition."""

    show_id: int
    partition: int
    seats: int


class Answered(NamedTuple):
    """One answered request. Times in seconds of the monotonic clock."""

    partition: int
    sent: float
    received: float


class _Booking(msgspec.Struct):
    id: str


_booking_id = msgspec.json.Decoder(_Booking).decode


class BookingLoad:
    """Connections that book seats of these shows in turn until `stop`."""

    def __init__(
        self,
        host: str,
        port: int,
        shows: Sequence[Show],
        tokens: Sequence[str],
        *,
        connections: int,
        per_second: float,
    ) -> None:
        self._address = host, port
        self._shows = shows
        self._tokens = tokens
        self._connections = connections
        self._interval_s = connections / per_second
        self._sent = 0
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.answered: list[Answered] = []
        self.bookings: Counter[str] = Counter()
        self.failed: list[str] = []
        """Requests without the answer 201, each with the reason."""

    @property
    def requests(self) -> int:
        return self._sent

    @property
    def seats_left(self) -> int:
        return len(self._shows) * min(show.seats for show in self._shows) - self._sent

    def start(self) -> None:
        """Starts the load in the background."""
        self._tasks = [asyncio.create_task(self._use(number)) for number in range(self._connections)]

    async def stop(self) -> None:
        """Sends no further request, and waits for the answers."""
        self._stopping.set()
        _, late = await asyncio.wait(self._tasks, timeout=_DRAIN_S)
        for task in late:
            self.failed.append("no answer")
            task.cancel()
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _use(self, number: int) -> None:
        """Sends the requests of one connection, which is opened again where the gateway closes it by an answer."""
        connection: _Connection | None = None
        due = time.monotonic() + self._interval_s * number / self._connections
        try:
            while not self._stopping.is_set():
                await self._pause(due - time.monotonic())
                due = max(due + self._interval_s, time.monotonic())
                if self._stopping.is_set() or self.seats_left <= 0:
                    return
                if connection is None or connection.closing:
                    connection = await self._connect()
                if connection is not None:
                    await self._book(connection, number)
        finally:
            if connection is not None:
                connection.close()

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    async def _connect(self) -> _Connection | None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, *self._address)
        except OSError as error:
            self.failed.append(f"not connected: {error}")
            await asyncio.sleep(0.05)
            return None
        return connection

    async def _book(self, connection: _Connection, number: int) -> None:
        turn, which = divmod(self._sent, len(self._shows))
        show, key = self._shows[which], self._sent
        self._sent += 1
        body = b'{"seats":["%d"]}' % (turn + 1)
        head = (
            f"POST /api/shows/{show.show_id}/bookings HTTP/1.1\r\nHost: {self._address[0]}\r\n"
            f"Authorization: Bearer {self._tokens[number % len(self._tokens)]}\r\n"
            f"Content-Type: application/json\r\nPrefer: wait=30\r\nIdempotency-Key: {show.show_id}-{key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        sent = time.monotonic()
        try:
            response = await connection.exchange(head.encode() + body)
        except (OSError, InvalidResponse) as error:
            self.failed.append(f"no answer: {error!r}")
            return
        if response.status != 201:
            self.failed.append(f"{response.status}: {response.body[:_EXAMPLE_BYTES]!r}")
            return
        self.answered.append(Answered(show.partition, sent, time.monotonic()))
        self.bookings[_booking_id(response.body).id] += 1


class _Connection(asyncio.Protocol):
    """A keep-alive connection with one request at a time."""

    def __init__(self) -> None:
        self._reader = ResponseReader()
        self._response: asyncio.Future[Response] | None = None
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def exchange(self, request: bytes) -> Response:
        """Sends a request and returns its response. Raises OSError when the connection is lost before."""
        self._response = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        response = await self._response
        if b"\r\nconnection: close\r\n" in response.raw.partition(b"\r\n\r\n")[0].lower() + b"\r\n":
            self.close()
        return response

    def close(self) -> None:
        self.closing = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            response = self._reader.feed(data)
            if response is not None and (self._response is None or self._response.done()):
                raise InvalidResponse("an answer without a request")
        except InvalidResponse as error:
            self._end(error)
            return
        if response is not None and self._response is not None:
            self._response.set_result(response)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionResetError("closed by the gateway"))

    def _end(self, error: Exception) -> None:
        self.closing = True
        self._transport.abort()
        if self._response is not None and not self._response.done():
            self._response.set_exception(error)

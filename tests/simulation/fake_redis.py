"""A fake Redis: publish and subscribe only, without persistence."""

from __future__ import annotations

import asyncio
from typing import Any

import redis.exceptions

from tests.simulation.loop import WORLD, SimulatedLoop, current_part
from tests.simulation.network import Network
from tests.simulation.observations import Observations, Published


class FakeRedis:
    """The server. While `down`, all connections are broken."""

    def __init__(self, loop: SimulatedLoop, network: Network, observations: Observations) -> None:
        self.loop = loop
        self.network = network
        self.observations = observations
        self._down = False
        self._listeners: list[PubSub] = []

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        self._down = down
        if down:
            for listener in self._listeners:
                listener.receive(redis.exceptions.ConnectionError("Redis has gone"))
            self._listeners.clear()

    def client(self) -> RedisClient:
        return RedisClient(self)

    def check(self) -> None:
        if self._down:
            raise redis.exceptions.ConnectionError("Redis is away")

    def publish(self, part: str, messages: list[tuple[str, bytes]]) -> None:
        self.check()
        for channel, body in messages:
            self.observations.published.append(Published(self.observations.count(), part, channel, body))
            self.observations.log(part, "publishes on", channel, body)
            for listener in self._listeners:
                if listener.channel == channel:
                    self._send(listener, body)

    def _send(self, listener: PubSub, body: bytes) -> None:
        network = self.network
        if network.happens(network.faults.message_lost):
            self.observations.log("Redis", "loses the message")
            return
        for _ in range(1 + network.happens(network.faults.message_twice)):
            listener.arrives_s = max(listener.arrives_s, self.loop.time() + network.delay_s())
            self.loop.call_at(listener.arrives_s, listener.receive, body, context=WORLD.context)

    def listen(self, listener: PubSub) -> None:
        self.check()
        self._listeners.append(listener)

    def leave(self, listener: PubSub) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)


class RedisClient:
    """One process's client."""

    def __init__(self, server: FakeRedis) -> None:
        self._server = server

    def pipeline(self, transaction: bool = True) -> Pipeline:
        return Pipeline(self._server)

    def pubsub(self, ignore_subscribe_messages: bool = False) -> PubSub:
        return PubSub(self._server)


class Pipeline:
    """Messages that are published in one round trip."""

    def __init__(self, server: FakeRedis) -> None:
        self._server = server
        self._messages: list[tuple[str, bytes]] = []

    def publish(self, channel: str, message: bytes) -> None:
        self._messages.append((channel, message))

    async def execute(self) -> None:
        part, messages = current_part().name, self._messages
        await self._server.network.call(lambda: self._server.publish(part, messages))


class PubSub:
    """A subscription to one channel."""

    def __init__(self, server: FakeRedis) -> None:
        self._server = server
        self._received: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.channel = ""
        self.arrives_s = 0.0

    async def subscribe(self, channel: str) -> None:
        self.channel = channel
        await self._server.network.call(lambda: self._server.listen(self))

    def receive(self, message: bytes | Exception) -> None:
        self._received.put_nowait(message)

    def listen(self) -> PubSub:
        return self

    def __aiter__(self) -> PubSub:
        return self

    async def __anext__(self) -> dict[str, Any]:
        message = await self._received.get()
        if isinstance(message, Exception):
            raise message
        return {"type": "message", "data": message}

    async def aclose(self) -> None:
        self._server.leave(self)

"""A receiver of webhooks for tests: records verified requests, and answers on demand."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

Answer = Callable[["Received"], Awaitable[web.StreamResponse]]


class Received:
    """A request, as it was sent."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.at_s = time.monotonic()
        self.request = request
        self.headers = dict(request.headers)
        self.body = body
        self.json: dict[str, Any] = json.loads(body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def signatures(self) -> list[str]:
        return self.headers["webhook-signature"].split(" ")

    def verify(self, secret: str, public_key: str) -> None:
        """Raises for a request that these keys did not sign in both ways."""
        Webhook(secret).verify(self.body, self.headers)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = [one.removeprefix("v1a,") for one in self.signatures if one.startswith("v1a,")]
        errors = []
        for signature in wanted:
            try:
                key.verify(base64.b64decode(signature), signed)
                return
            except Exception as error:
                errors.append(error)
        raise AssertionError(f"no v1a signature is valid: {errors}")


async def taken(_received: Received) -> web.StreamResponse:
    """The answer of a receiver that takes everything."""
    return web.Response(status=204)


def answering(status: int, **headers: str) -> Answer:
    """An answer with this status."""

    async def answer(_received: Received) -> web.StreamResponse:
        return web.Response(
            status=status, headers={name.replace("_", "-"): to for name, to in headers.items()}
        )

    return answer


class WebhookReceiver:
    """A server on a port of 127.0.0.1. `answer` makes each response."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Answer = taken
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.received]

    async def open(self) -> None:
        """Listens; a second time on the same port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        received = Received(request, await request.read())
        self.received.append(received)
        self._changed.set()
        return await self.answer(received)

    async def until(self, count: int, within_s: float = 30) -> list[Received]:
        """Waits until this number of requests came, and returns all."""
        async with asyncio.timeout(within_s):
            while len(self.received) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.received

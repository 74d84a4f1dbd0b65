"""A gateway under test on a port of its own, with a real PostgreSQL and Redis, with or without a seat worker."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from unittest import mock

import asyncpg
import httpx
import msgspec

from gateway.app import serve
from gateway.auth.access_tokens import Tokens
from runtime.log.opening import open_log
from runtime.settings import Settings
from seat_workers.__main__ import work

KEYS = json.dumps([{"kid": "test", "alg": "HS256", "key": base64.urlsafe_b64encode(b"k" * 32).decode()}])
PASSWORD = "correct horse 1"


class Server:
    """A running gateway, with its clients and its database."""

    def __init__(self, settings: Settings, port: int, host: str = "127.0.0.1") -> None:
        self.settings = settings
        self.port = port
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.stop = asyncio.Event()
        self._tokens = Tokens(KEYS, {})

    def token(self, user_id: int, role: str = "customer", age_s: float = 0) -> str:
        """An access token issued `age_s` seconds ago."""
        return self._tokens.issue_access(user_id, role, time.time() - age_s)

    def client(self, user_id: int | None = None, role: str = "customer") -> httpx.AsyncClient:
        """A client, logged in if a user is given."""
        headers = {} if user_id is None else {"Authorization": f"Bearer {self.token(user_id, role)}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)

    async def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Runs a statement on the gateway's database."""
        assert self.settings.database_url is not None
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    async def add_users(self, *user_ids: int) -> None:
        """Adds accounts with these ids and without a password."""
        for user_id in user_ids:
            await self.sql(
                "INSERT INTO users (user_id, username, email) VALUES ($1, $2, $2)", user_id, f"user{user_id}"
            )


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, *, worker: bool = True, host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """Runs a gateway, by default with a seat worker; stops both gracefully."""
    log = await open_log(None, settings.database_url)
    await log.create(settings.partitions)
    await log.close()
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    server = Server(settings, listener.getsockname()[1], host)
    with listener, mock.patch("gateway.app.settle_gc"), mock.patch("seat_workers.__main__.settle_gc"):
        settings = msgspec.structs.replace(settings, listen_fd=listener.detach())
        running = [asyncio.create_task(serve(settings, server.stop))]
        if worker:
            running.append(asyncio.create_task(work(settings, server.stop)))
        try:
            await _answers(server, running)
            yield server
        finally:
            server.stop.set()
            await asyncio.gather(*running)


async def _answers(server: Server, running: list[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(20), server.client() as client:
        while not any(service.done() for service in running):
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/health/live")).status_code == 200:
                    return
            await asyncio.sleep(0.02)
        await asyncio.gather(*running)

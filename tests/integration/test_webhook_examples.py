"""The receivers in `examples/` take what webhooks send, and nothing that was changed on the way."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

from runtime.settings import Settings
from tests.integration.webhook_environment import LOOPBACK, WebhookEnvironment, opened

EXAMPLES = Path(__file__).parents[2] / "examples"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is missing")


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: Callable[..., Settings]
) -> AsyncIterator[WebhookEnvironment]:
    async with opened(database, database_url, settings(webhook_private_networks=LOOPBACK)) as environment:
        yield environment


@pytest.mark.parametrize(
    ("program", "file"),
    [(sys.executable, "webhook_receiver.py"), pytest.param("node", "webhook_receiver.mjs", marks=needs_node)],
)
async def test_an_example_prints_each_event_once_and_refuses_forged_ones(
    environment: WebhookEnvironment, unused_tcp_port: int, program: str, file: str
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/aisle"
    webhook = await environment.add(url=url)
    variables = {
        "PORT": str(unused_tcp_port),
        "WEBHOOK_SECRET": webhook.secret,
        "WEBHOOK_PUBLIC_KEY": webhook.public_key,
    }
    receiver = await asyncio.create_subprocess_exec(
        *(program, str(EXAMPLES / file)), env=dict(os.environ) | variables, stdout=asyncio.subprocess.PIPE
    )
    try:
        await _listens(unused_tcp_port)
        async with environment.running():
            environment.confirmed("0-1-0")
            await environment.until_status("delivered")
            await environment.database.execute(
                "UPDATE webhook_deliveries SET status = 'pending', ordered = false, due_at = now()"
            )
            await environment.until_status("delivered")
            environment.confirmed("0-2-0")
            await environment.until_status("delivered", 2)
        forged = {
            "webhook-id": "0-3-0",
            "webhook-timestamp": "1795253400",
            "webhook-signature": "v1,eA== v1a,eA==",
        }
        async with httpx.AsyncClient() as client:
            assert (await client.post(url, headers=forged, content=b"{}")).status_code == 401
    finally:
        receiver.terminate()
        printed, _ = await receiver.communicate()
    lines = [line.split()[:2] for line in printed.decode().splitlines()]
    assert lines == [["0-1-0", "booking.confirmed"], ["0-2-0", "booking.confirmed"]]


async def _listens(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

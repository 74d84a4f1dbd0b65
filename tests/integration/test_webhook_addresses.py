"""No request of a webhook reaches a private network, whatever a name resolves to and when."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.http.problems import Problem
from gateway.webhooks.targets import Targets
from runtime.settings import Settings
from tests.integration.webhook_environment import LOOPBACK, WebhookEnvironment, opened


class FlippingResolver(AbstractResolver):
    """A resolver whose answers change: each question gets the next one, and the last one for ever."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        kind = socket.AF_INET6 if ":" in answer else socket.AF_INET
        return [ResolveResult(hostname=host, host=answer, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        """Has nothing to close."""


@pytest.fixture
async def guarded(
    database: asyncpg.Connection, database_url: str, settings: Callable[..., Settings]
) -> AsyncIterator[WebhookEnvironment]:
    """Yields an environment that allows no private network."""
    async with opened(database, database_url, settings()) as environment:
        yield environment


@pytest.fixture
async def allowing(
    database: asyncpg.Connection, database_url: str, settings: Callable[..., Settings]
) -> AsyncIterator[WebhookEnvironment]:
    """Yields an environment that allows 127.0.0.0/8 only."""
    async with opened(database, database_url, settings(webhook_private_networks=LOOPBACK)) as environment:
        yield environment


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "0x7f.1",
        "2130706433",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "0",
    ],
)
async def test_a_url_of_this_machine_is_never_connected_to(guarded: WebhookEnvironment, host: str) -> None:
    await guarded.add(url=f"http://{host}:{guarded.receiver.port}/")
    async with guarded.running():
        guarded.confirmed("0-1-0")
        (row,) = await guarded.until_tried(1)
    assert row["status"] == "pending"
    assert guarded.receiver.received == []


async def test_a_name_that_comes_to_mean_a_private_address_gains_nothing(
    allowing: WebhookEnvironment,
) -> None:
    resolver = FlippingResolver(
        "127.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "::1", "127.0.0.1"
    )
    await allowing.add(url=f"http://hooks.example:{allowing.receiver.port}/")
    async with allowing.running(resolver=resolver):
        allowing.confirmed("0-1-0", show_id=1)
        await allowing.until_status("delivered")
        # The connection that was made then is not used again.
        await allowing.receiver.close()
        await allowing.receiver.open()
        allowing.confirmed("0-2-0", show_id=2)
        refused = []
        for attempts in range(1, 5):
            rows = await allowing.until(
                lambda rows, attempts=attempts: (  # type: ignore[misc]
                    len(rows) == 2 and rows[1]["attempts"] >= attempts and rows[1]["taken_by"] is None
                )
            )
            refused.append(rows[1]["error"].partition(" is in a private network")[0])
            await allowing.make_due()
        await allowing.until_status("delivered", 2)
    assert refused == ["10.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "::1"]
    assert allowing.receiver.ids == ["0-1-0", "0-2-0"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1/", "webhook_address"),
        ("http://localhost:8080/x", "webhook_address"),
        ("https://[::1]/", "webhook_address"),
        ("https://[::ffff:10.0.0.1]/", "webhook_address"),
        ("http://169.254.169.254/latest/meta-data", "webhook_address"),
        ("http://0x7f.1/", "webhook_address"),
        ("http://2130706433/", "webhook_address"),
        ("http://0/", "webhook_address"),
        ("ftp://8.8.8.8/", "validation"),
        ("file:///etc/passwd", "validation"),
        ("http:///x", "validation"),
        ("http://user:password@8.8.8.8/", "validation"),
        ("http://8.8.8.8/#x", "validation"),
        ("http://8.8.8.8:0/", "validation"),
        ("http://8.8.8.8:99999/", "validation"),
        ("http://8.8.8.8/a b", "validation"),
        ("http://[::1/", "validation"),
        ("//8.8.8.8/", "validation"),
        ("8.8.8.8", "validation"),
    ],
)
async def test_such_a_url_is_refused_when_it_is_given(url: str, code: str) -> None:
    with pytest.raises(Problem) as raised:
        await Targets(()).check(url)
    assert raised.value.code == code


@pytest.mark.parametrize(
    "url", ["https://8.8.8.8/x?y=1", "http://[2606:4700::1111]:8443/", "HTTPS://8.8.4.4"]
)
async def test_a_public_url_is_taken(url: str) -> None:
    await Targets(()).check(url)


async def test_a_name_that_does_not_resolve_yet_is_taken_and_one_of_an_allowed_network_too() -> None:
    await Targets(()).check("https://hooks.invalid/")
    await Targets(LOOPBACK).check("http://127.0.0.1:9/")

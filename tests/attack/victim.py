"""The gateway that is attacked: a process of its own, its memory, and an honest client beside the attack."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from gateway.auth.access_tokens import Tokens
from tests.attack.honest import ADDRESS
from tests.integration.gateway_server import KEYS

MB = 1024 * 1024
GROWTH = 50 * MB
"""Memory that an attack may add at any moment."""
GIVEN_BACK = 20 * MB
"""Memory that may be left a minute after the attackers have gone."""
GIVEN_BACK_S = 60.0
P99_S = 0.1
"""Longest latency of an honest client, on an otherwise idle machine."""

_MADE_ONCE = ("/openapi.json", "/", "/docs", "/api/movies", "/problems")

SETTINGS = {
    "AISLE_JWT_KEYS": KEYS,
    "AISLE_LOG_LEVEL": "error",
}


class Cost(NamedTuple):
    """The effect of an attack on the gateway."""

    growth: int
    """Bytes of memory at the peak, compared with before."""
    left: int
    """The same once the attackers had gone, after at most a minute."""
    left_s: float
    """Seconds until the memory was measured as `left`."""
    p50_s: float
    p99_s: float
    """Response times of the honest client."""
    asked: int

    @property
    def held(self) -> bool:
        """Whether memory and latency have stayed within bounds."""
        return self.growth < GROWTH and self.left < GIVEN_BACK and self.p99_s < P99_S

    def __str__(self) -> str:
        return (
            f"+{self.growth / MB:5.1f} MB, +{self.left / MB:5.1f} MB after {self.left_s:4.1f} s; "
            f"honest p50 {self.p50_s * 1000:5.1f} ms, p99 {self.p99_s * 1000:6.1f} ms of {self.asked}"
        )


class Victim:
    """A gateway under attack."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def token(self, user_id: int = 1) -> str:
        """A valid access token."""
        return Tokens(KEYS, {}).issue_access(user_id, "customer", time.time())

    def memory(self) -> int:
        """Resident bytes of the gateway now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    async def cost_of(
        self, attack: Callable[[Victim, float], Coroutine[Any, Any, None]], seconds: float
    ) -> Cost:
        """Lets an attack run this long, beside an honest client."""
        await asyncio.to_thread(self._warm_up)
        before = peak = self.memory()
        honest = await asyncio.to_thread(self._start_honest)
        attacking = asyncio.create_task(attack(self, time.monotonic() + seconds))
        while not attacking.done():
            await asyncio.wait([attacking], timeout=0.1)
            peak = max(peak, self.memory())
        await attacking
        out, _ = await asyncio.to_thread(honest.communicate, b"")
        took_s = sorted(json.loads(out))
        gone = time.monotonic()
        while self.memory() - before >= GIVEN_BACK and time.monotonic() - gone < GIVEN_BACK_S:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        left_s = time.monotonic() - gone
        p50, p99 = (took_s[int(len(took_s) * part)] for part in (0.5, 0.99))
        return Cost(peak - before, self.memory() - before, left_s, p50, p99, len(took_s))

    def _warm_up(self) -> None:
        """Requests once what is made at its first request, the OpenAPI document above all: no attack causes that.

        From the honest client's address: the attackers' may still be over its rate limit.
        """
        for path in _MADE_ONCE:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=30, source_address=(ADDRESS, 0)
            )
            with contextlib.closing(connection):
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
            if response.status != 200:
                raise RuntimeError(f"GET {path}: {response.status}")

    def _start_honest(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.attack.honest", str(self.port)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

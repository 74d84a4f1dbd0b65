"""An instance for tests: `aisle up` with all its processes, on its own home and port."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from gateway.auth.access_tokens import Tokens

AISLE = Path(sys.executable).with_name("aisle")
_READY_S = 60


def free_port() -> int:
    """Returns an unused port whose next port is unused as well.

    Below those that connections get for their own end, of which one could take it before we do.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class RunningAisle:
    """An `aisle up` as a child of the test."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        mine = {key: value for key, value in os.environ.items() if not key.startswith("AISLE_")}
        self.environment = mine | {"AISLE_HOME": str(home), "AISLE_PORT": str(self.port)} | dict(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.prefix: list[str] = []
        """Prefix of the command line, for example to start it as another user."""

    @property
    def output(self) -> Path:
        """File with the output of `aisle up`."""
        return self.home.with_suffix(".out")

    def launch(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.prefix, AISLE, "up"], env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    async def start(self) -> None:
        self.launch()
        await self.wait_until_ready()

    async def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                assert self.process is not None
                if self.process.poll() is not None:
                    break
                try:
                    if (await client.get(f"{self.url}/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready:\n{self.output.read_text()[-4000:]}")

    def stop(self) -> int:
        """Stops it with SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def pids(self, module: str) -> list[int]:
        """Returns the processes of `python -m <module>` under this supervisor."""
        assert self.process is not None
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                if parent == self.process.pid and module.encode() in command:
                    found.append(int(entry.name))
        return found

    def kill(self, module: str) -> None:
        """Kills every process of this module."""
        for pid in self.pids(module):
            os.kill(pid, signal.SIGKILL)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs another `aisle` command on the same home."""
        return subprocess.run(
            [AISLE, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def token(self, user_id: int, role: str = "customer") -> str:
        """Returns an access token of any user, signed with the home's key."""
        return self.token_of_age(user_id, 0, role)

    def token_of_age(self, user_id: int, age_s: float, role: str = "customer") -> str:
        """Returns an access token of this age."""
        keys = (self.home / "keys.json").read_text()
        return Tokens(keys, {}).issue_access(user_id, role, time.time() - age_s)

    def client(self, user_id: int, role: str = "customer", **options: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token(user_id, role)}"}
        limits = httpx.Limits(max_connections=300, max_keepalive_connections=300)
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=40, limits=limits, **options)

    async def make_show(self, total_seats: int | None = None, **terms: Any) -> int:
        """Creates a show on sale with seats "1" … "N", or with a layout; returns its id."""
        async with self.client(2, "admin") as staff:
            movies = (await staff.get("/api/movies")).json()["items"]
            wanted = {
                "movie_id": movies[0]["id"],
                "screen_name": "Test",
                "starts_at": "2099-01-01T20:00:00.000Z",
                "total_seats": total_seats,
                "seats_per_customer": 10_000,
            } | terms
            answer = await staff.post("/api/shows", json=wanted)
            assert answer.status_code == 201, answer.text
            show_id: int = answer.json()["id"]
            return show_id

"""`python -m tests.chaos.rolling_upgrade COMMIT`: replaces that release by this one, process by process, under load.

The log is in Kafka. Processes of both releases work side by side: the tables are migrated while the old ones run, then
seat workers, the notifier and the gateways are replaced one after another. It prints what clients saw, and what
`aisle verify` of this release finds. It needs the history of the repository, which a shallow clone lacks.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.auth.access_tokens import Tokens
from ops.kafka.node import KafkaNode, free_ports
from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from tests.conftest import TICKET_KEYS
from tests.e2e.running import free_port
from tests.integration.gateway_server import KEYS

NEW = Path(__file__).parents[2]
CLIENTS, SHOWS, SEATS = 8, 8, 20_000
SETTLE_S = 4.0
"""Time under load after each step, with what runs then."""


class Processes:
    """Services of two releases on one instance."""

    def __init__(self, environment: Mapping[str, str], listener: socket.socket) -> None:
        self._environment = environment
        self._listener = listener
        self._numbers = itertools.count(1)
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self, release: Path, *arguments: str) -> str:
        """Runs a command of a release to its end; returns its output."""
        done = subprocess.run(
            [sys.executable, "-m", "ops", *arguments],
            cwd=release,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if release == NEW:  # the old one makes accounts, whose passwords it prints
            print_line(f"  aisle {' '.join(arguments)}: {_last_line(done.stdout)}")
        assert done.returncode == 0
        return done.stdout

    def start(self, release: Path, module: str) -> subprocess.Popen[bytes]:
        """Starts a service. Gateways share one listening socket."""
        own = {"AISLE_PROCESS": f"{module.replace('_', '-')}-{next(self._numbers)}"}
        own["AISLE_METRICS_PORT"] = str(free_port())
        fds = []
        if module == "gateway":
            fds = [self._listener.fileno()]
            own["AISLE_LISTEN_FD"] = str(fds[0])
        child = subprocess.Popen(
            [sys.executable, "-m", module], cwd=release, env={**self._environment, **own}, pass_fds=fds
        )
        self._running.append(child)
        return child

    async def stop(self, child: subprocess.Popen[bytes]) -> None:
        """Stops a service as its process manager does: SIGTERM, and it drains."""
        child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait, 60) == 0, child.args

    def end(self) -> None:
        for child in self._running:
            if child.poll() is None:
                child.kill()
                child.wait()


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _last_line(output: str) -> str:
    return output.strip().rpartition("\n")[2][:200]


class Load:
    """Clients that book one seat after another, each once and without a repeat."""

    def __init__(self, url: str, tokens: Tokens, shows: list[int]) -> None:
        self._url, self._tokens, self._shows = url, tokens, shows
        self.answers: Counter[str] = Counter()
        self.times_s: list[float] = []
        self.stop = asyncio.Event()

    async def run(self, number: int) -> None:
        token = self._tokens.issue_access(1_000 + number, "customer", time.time())
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=self._url, headers=headers, timeout=30) as client:
            for seat in range(1 + number, SEATS, CLIENTS):
                if self.stop.is_set():
                    return
                show = self._shows[seat % len(self._shows)]
                began_s = time.monotonic()
                try:
                    answer = await client.post(f"/api/shows/{show}/bookings", json={"seats": [str(seat)]})
                    outcome = str(answer.status_code)
                except httpx.TransportError as error:
                    outcome = type(error).__name__
                self.answers[outcome] += 1
                self.times_s.append(time.monotonic() - began_s)


@contextmanager
def release_of(commit: str) -> Iterator[Path]:
    """Yields a checkout of an earlier release. Its code runs with the libraries of this one."""
    with tempfile.TemporaryDirectory(prefix="aisle-old-") as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=NEW, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


async def upgrade(old: Path, processes: Processes, url: str) -> None:
    """Starts the old release, replaces all of it under load, and prints the result."""
    processes.run(old, "migrate")
    processes.run(old, "sample-data")
    workers = [processes.start(old, "seat_workers") for _ in range(2)]
    gateways = [processes.start(old, "gateway") for _ in range(2)]
    notifier = processes.start(old, "notifier")
    tokens = Tokens(KEYS, {})
    headers = {"Authorization": f"Bearer {tokens.issue_access(2, 'admin', time.time())}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as staff:
        await _ready(staff)
        movie = (await staff.get("/api/movies")).json()["items"][0]["id"]
        body = {
            "movie_id": movie,
            "starts_at": "2099-01-01T20:00:00Z",
            "total_seats": SEATS,
            "seats_per_customer": 10_000,
        }
        made = [await staff.post("/api/shows", json=body | {"screen_name": f"{n}"}) for n in range(SHOWS)]
        load = Load(url, tokens, [one.json()["id"] for one in made])
        clients = [asyncio.create_task(load.run(number)) for number in range(CLIENTS)]
        await asyncio.sleep(SETTLE_S)
        await asyncio.to_thread(processes.run, NEW, "migrate")
        await asyncio.to_thread(processes.run, NEW, "migrate", "--check")
        await asyncio.sleep(SETTLE_S)
        for worker in workers:
            processes.start(NEW, "seat_workers")
            await asyncio.sleep(SETTLE_S)
            await processes.stop(worker)
            await asyncio.sleep(SETTLE_S)
        print_line(f"  seat workers are replaced: {dict(load.answers)}")
        await processes.stop(notifier)
        processes.start(NEW, "notifier")
        for gateway in gateways:
            processes.start(NEW, "gateway")
            await asyncio.sleep(SETTLE_S)
            await processes.stop(gateway)
        print_line(f"  gateways are replaced: {dict(load.answers)}")
        await asyncio.to_thread(processes.run, NEW, "partitions", "add", "2")
        fresh = await staff.post("/api/shows", json=body | {"screen_name": "New", "total_seats": 50})
        assert fresh.status_code == 201, fresh.text
        load.stop.set()
        await asyncio.gather(*clients)
    times = statistics.quantiles(load.times_s, n=1000)
    print_line(
        f"{sum(load.answers.values())} requests, {dict(load.answers)}; median {times[499] * 1000:.0f} ms,"
        f" 99th percentile {times[989] * 1000:.0f} ms, longest {max(load.times_s) * 1000:.0f} ms"
    )
    await asyncio.to_thread(processes.run, NEW, "verify")
    rows = json.loads(await asyncio.to_thread(processes.run, NEW, "partitions", "--json"))
    assert not any(row["lag"] for row in rows), rows
    assert set(load.answers) == {"201"}, "clients saw errors"


async def _ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(90):
        while True:
            try:
                if (await client.get("/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commit", help="the earlier release")
    commit = parser.parse_args().commit
    with release_of(commit) as old, tempfile.TemporaryDirectory(prefix="aisle-rolling-") as folder:
        home = Path(folder)
        node = KafkaNode(home / "kafka", free_ports(1)[0])
        node.start()
        listener = socket.create_server(("127.0.0.1", 0))
        postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
        try:
            with run_servers(postgres, redis), listener:
                mine = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
                environment = mine | {
                    "AISLE_HOME": str(home), "AISLE_DATABASE_URL": postgres.url, "AISLE_REDIS_URL": redis.url,
                    "AISLE_KAFKA": node.address, "AISLE_PARTITIONS": "4", "AISLE_JWT_KEYS": KEYS,
                    "AISLE_TICKET_KEYS": TICKET_KEYS,
                    "AISLE_RATE_LIMITS": "off", "AISLE_SAMPLE_DATA": "on", "AISLE_LOG_LEVEL": "warning",
                    "AISLE_PORT": str(listener.getsockname()[1]),
                }  # fmt: skip
                processes = Processes(environment, listener)
                try:
                    asyncio.run(upgrade(old, processes, f"http://127.0.0.1:{listener.getsockname()[1]}"))
                finally:
                    processes.end()
        finally:
            node.kill()


if __name__ == "__main__":
    main()

"""An instance for fault injection: `aisle up` with several workers and gateways, and signals to its parts."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import msgspec
import psutil

from ops.kafka.node import KafkaCluster, KafkaNode
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from ops.local.orphans import Record, end_orphans
from tests.e2e.running import AISLE, RunningAisle

SOON_S = 60.0

SETTINGS = {"AISLE_RATE_LIMITS": "off", "AISLE_MAX_IN_FLIGHT_CUSTOMER": "10000", "AISLE_PARTITIONS": "4"}


class ChaosInstance(RunningAisle):
    """A running instance on the embedded log or on its own Kafka cluster."""

    def __init__(
        self, home: Path, cluster: KafkaCluster | None, *, workers: int = 2, gateways: int = 2
    ) -> None:
        own = {"AISLE_WORKERS": str(workers), "AISLE_GATEWAYS": str(gateways)}
        if cluster is not None:
            own["AISLE_KAFKA"] = cluster.address
        super().__init__(home, SETTINGS | own)
        self.cluster = cluster
        self.workers = [f"seat-worker-{n}" for n in range(1, workers + 1)]
        self.gateways = [f"gateway-{n}" for n in range(1, gateways + 1)]

    def launch(self) -> None:
        """Starts the supervisor so that it stops when the test process ends for any reason."""
        die_with_parent = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*die_with_parent, AISLE, "up"], env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    def end(self) -> None:
        """Kills every process of the instance, in any state."""
        for part in [*self.workers, *self.gateways, "redis", "notifier"]:
            self.hit(part, signal.SIGCONT)
        self.freeze_database(signal.SIGCONT)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        end_orphans(self.home / "run")

    @property
    def kafka(self) -> str | None:
        return None if self.cluster is None else self.cluster.address

    @property
    def database_url(self) -> str:
        return EmbeddedPostgres(self.home).url

    @property
    def redis_url(self) -> str:
        return EmbeddedRedis(self.home).url

    def pid(self, part: str) -> int:
        """Returns the process id of a part from the supervisor's records; 0 without one."""
        if part == "supervisor":
            assert self.process is not None
            return self.process.pid
        try:
            return msgspec.json.decode((self.home / "run" / f"{part}.pid").read_bytes(), type=Record).pid
        except (FileNotFoundError, msgspec.DecodeError):
            return 0

    def hit(self, part: str, number: signal.Signals) -> int:
        """Sends a signal to a part. Returns its process id; 0 without one."""
        pid = self.pid(part)
        try:
            if pid:
                os.kill(pid, number)
        except ProcessLookupError:
            return 0
        return pid

    def freeze_database(self, number: signal.Signals) -> None:
        """Sends SIGSTOP or SIGCONT to every process of the embedded PostgreSQL."""
        for pid in _processes_in(self.home / "postgres"):
            os.kill(pid, number)

    def freeze_node(self, node: KafkaNode, number: signal.Signals) -> None:
        """Sends SIGSTOP or SIGCONT to a Kafka node."""
        for pid in _processes_in(node.folder):
            os.kill(pid, number)

    async def replaced(self, part: str, old: int) -> None:
        """Waits until the supervisor has restarted a part."""

        async def is_new() -> bool:
            return self.pid(part) not in (0, old)

        await eventually(is_new, f"{part} does not come back")

    async def restart_supervisor(self) -> None:
        """Kills the supervisor and starts another on the same home."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        await self.start()


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within_s: float = SOON_S) -> None:
    """Waits until a condition holds. Fails with `what` on timeout."""
    began = time.monotonic()
    while not await holds():
        assert time.monotonic() - began < within_s, what
        await asyncio.sleep(0.02)


def _processes_in(folder: Path) -> Iterable[int]:
    """Returns the processes with this working folder."""
    cwd = os.fspath(folder.resolve())
    return [process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == cwd]

"""An instance whose servers a test stops and starts one by one: PostgreSQL on a small disk, Redis, Kafka, mail."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.kafka.node import KafkaNode
from ops.local.embedded import EmbeddedServer
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from tests.e2e.running import AISLE, RunningAisle, free_port
from tests.integration.mail_server import RecordingMailServer

DISK = "320m"
ADMIN_PASSWORD = "runbooks-are-run"
SETTINGS = {
    "AISLE_PARTITIONS": "4",
    "AISLE_WORKERS": "2",
    "AISLE_SAMPLE_DATA": "on",
    "AISLE_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "AISLE_RATE_LIMITS": "off",
    "AISLE_MAX_IN_FLIGHT_CUSTOMER": "10000",
}


class Server:
    """PostgreSQL or Redis, run by the test instead of `aisle up`."""

    def __init__(self, embedded: EmbeddedServer) -> None:
        self.embedded = embedded
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.embedded.prepare()
        self._process = self.embedded.start()
        self.embedded.wait_ready(self._process)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self.embedded.stop_signal)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class MailServer:
    """A mail server on a port of its own, in a thread of its own."""

    def __init__(self) -> None:
        self.received = RecordingMailServer()
        self.received.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self.received.open(), self._loop).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.received.close(), self._loop).result(10)

    def end(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class RunbookInstance(RunningAisle):
    """`aisle up` with the log on Kafka, where every server is the test's."""

    def __init__(self, folder: Path, kafka: KafkaNode) -> None:
        self.kafka = kafka
        self.disk = folder / "disk"
        self.small_disk = _mount(self.disk)
        self.postgres = Server(EmbeddedPostgres(self.disk))
        self.redis = Server(EmbeddedRedis(self.disk))
        self.mail = MailServer()
        super().__init__(
            folder / "home",
            {
                **SETTINGS,
                "AISLE_DATABASE_URL": self.postgres.embedded.url,
                "AISLE_REDIS_URL": self.redis.embedded.url,
                "AISLE_KAFKA": kafka.address,
                "AISLE_SMTP_URL": self.mail.received.url,
            },
        )
        self.variables = {
            "A": self.url,
            "M": f"http://127.0.0.1:{self.port + 1}/metrics",
            "LOG": str(self.output),
            "PATH": f"{AISLE.parent}:{os.environ['PATH']}:/usr/sbin",
            "COLUMNS": "120",
        }

    def start_all(self) -> None:
        for server in (self.postgres, self.redis, self.mail):
            server.start()
        asyncio.run(self.start())

    def end(self) -> None:
        """Stops everything, in any state."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for server in (self.redis, self.postgres):
            server.stop()
        self.mail.end()
        if self.small_disk:
            subprocess.run(["umount", self.disk], check=True)

    def shell(self, command: str, variables: dict[str, str]) -> str:
        """Runs a line of a page; returns what it prints, errors included."""
        done = subprocess.run(
            ["bash", "-c", command],
            env=self.environment | self.variables | variables,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout


def _mount(folder: Path) -> bool:
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


@contextmanager
def repeated(work: Callable[[], None]) -> Iterator[None]:
    """Repeats `work` in a thread within the block."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            work()
            time.sleep(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

"""Embedded servers: PostgreSQL and Redis as children of the process that needs them.

`run_servers` starts them for commands and tests, the supervisor for `aisle up`. Each listens on a Unix socket
only, writes its log into the home, and stops when its parent dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from runtime.process import CannotStart

_START_S = 60.0
_STOP_S = 30.0
_LARGEST_LOG = 10_000_000


class EmbeddedServer(ABC):
    """A server of a home. Order of calls: `prepare`, `start`, `wait_ready`."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    """Signal for an orderly stop."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    @abstractmethod
    def url(self) -> str:
        """URL for clients, in the form of its setting."""

    @abstractmethod
    def prepare(self) -> None:
        """Creates its folders and, the first time, its data; ends an orphaned process of an earlier run."""

    @abstractmethod
    def command(self) -> list[str]:
        """Returns the command line that runs it in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Returns True when it accepts connections."""

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    def start(self) -> subprocess.Popen[bytes]:
        """Starts it as a child in its own process group, so that Ctrl-C reaches the parent only."""
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=clean_environment(),
                process_group=0,
            )

    def last_error(self) -> str:
        """Returns the last error in its log, for the message of a failed start."""
        with suppress(OSError):
            lines = self.log.read_text(errors="replace")[-20_000:].splitlines()
            for line in reversed(lines):
                for mark in ("FATAL: ", "PANIC: ", "ERROR: ", "# "):
                    if mark in line:
                        return line.partition(mark)[2].strip()
            if lines:
                return lines[-1].strip()
        return "its log is empty"

    def wait_ready(self, child: subprocess.Popen[bytes]) -> None:
        """Waits until it accepts connections, including recovery after a crash. Raises CannotStart."""
        deadline = time.monotonic() + _START_S
        while not self.is_ready():
            if child.poll() is not None:
                raise CannotStart(f"{self.name} does not start: {self.last_error()} (see {self.log})")
            if time.monotonic() > deadline:
                raise CannotStart(f"{self.name} is not ready after {_START_S:.0f} s (see {self.log})")
            time.sleep(0.01)


@contextmanager
def run_servers(*servers: EmbeddedServer) -> Iterator[None]:
    """Runs servers within the block and stops them in reverse order. Raises CannotStart."""
    children: list[tuple[EmbeddedServer, subprocess.Popen[bytes]]] = []
    try:
        for server in servers:
            server.prepare()
            child = server.start()
            children.append((server, child))
            server.wait_ready(child)
        yield
    finally:
        for server, child in reversed(children):
            child.send_signal(server.stop_signal)
            try:
                child.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def clean_environment() -> Mapping[str, str]:
    """Returns the environment without variables that redirect PostgreSQL's programs (PGPORT, PGDATA, …)."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def wheel_folder(package: str) -> Path:
    """Returns the folder of an installed package without importing it. Raises CannotStart."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise CannotStart(f"the Python package {package} is not installed; `make install` does it")
    return Path(spec.origin).parent

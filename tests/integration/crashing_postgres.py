"""An embedded PostgreSQL that a test crashes: what was not on the disk is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from ops.local.embedded_postgres import EmbeddedPostgres

_WITHIN_S = 30.0


class CrashingPostgres:
    """A server with data of its own."""

    def __init__(self, home: Path) -> None:
        self._server = EmbeddedPostgres(home)
        self._child: subprocess.Popen[bytes] | None = None
        self.url = self._server.url

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Runs the server within the block."""
        self._start()
        try:
            yield
        finally:
            self._kill()
            for left in self._server.sockets.glob(".s.PGSQL*"):
                left.unlink()

    def crash(self) -> None:
        """Kills all its processes at once, and starts it again; it has recovered when this returns."""
        self._kill()
        self._start()

    def _start(self) -> None:
        self._server.prepare()
        self._child = self._server.start()
        self._server.wait_ready(self._child)

    def _kill(self) -> None:
        assert self._child is not None
        data = os.fspath(self._server.data.resolve())
        running = [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == data]
        for one in running:  # stopped first, so that none of them writes while others are killed
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGSTOP)
        for one in running:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._child.kill()
        self._child.wait()
        psutil.wait_procs(running, timeout=_WITHIN_S)

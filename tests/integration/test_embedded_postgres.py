"""The embedded PostgreSQL starts with orphaned processes and files of an earlier one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from runtime.process import CannotStart


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that a stale lock file may name: one that the server's user could signal."""
    as_user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.geteuid() == 0 else []
    process = subprocess.Popen([*as_user, "sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


def test_lock_files_with_the_id_of_another_program_are_ignored(stranger: int) -> None:
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as home:
        server = EmbeddedPostgres(Path(home))
        with run_servers(server):
            assert server.is_ready()
        for lock in (server.data / "postmaster.pid", server.sockets / ".s.PGSQL.5432.lock"):
            lock.write_text(f"{stranger}\n{server.data}\n1\n5432\n{server.sockets}\n\n")
        with run_servers(server):
            assert server.is_ready()


@pytest.mark.parametrize("character", ['"', "$", "`", "\\", "\n"])
def test_programs_in_a_path_that_initdb_cannot_quote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    monkeypatch.setattr(EmbeddedPostgres, "binary", lambda self, name: f"/srv/a{character}b/bin/{name}")
    with pytest.raises(CannotStart, match="PostgreSQL cannot run from a path with") as raised:
        EmbeddedPostgres(tmp_path).prepare()
    assert repr(character) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_programs_in_a_path_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedPostgres, "binary", lambda self, name: f"/{'é' * 500}/bin/{name}")
    with pytest.raises(CannotStart, match="this checkout: its path is too long, 1014 bytes with 980 allowed"):
        EmbeddedPostgres(tmp_path).prepare()


def test_the_longest_home_that_is_allowed() -> None:
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as folder:
        home = Path(folder)
        while (left := 980 - len(os.fspath(home))) > 1:
            home /= "n" * (left - 1 if left <= 200 else 100)
        assert len(os.fspath(home)) == 980
        home.mkdir(parents=True)
        server = EmbeddedPostgres(home)
        with run_servers(server):
            assert server.is_ready()
        for left_behind in server.sockets.glob("*"):
            left_behind.unlink()
        server.sockets.rmdir()

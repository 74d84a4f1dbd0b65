"""The first `aisle up` in unusual environments: it starts, or one line names the remedy."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from ops.local.home import sockets_folder
from ops.local.unprivileged import launcher
from tests.e2e.running import AISLE, RunningAisle

SOON_S = 60
CHECKOUT = Path(__file__).parents[2]

FORCED_TO_ASCII = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[RunningAisle]:
    """An instance that a test starts itself."""
    instance = RunningAisle(tmp_path / "home", {})
    yield instance
    if instance.process is not None and instance.process.poll() is None:
        instance.stop()


def use_home(instance: RunningAisle, home: Path) -> None:
    instance.home = home
    instance.environment["AISLE_HOME"] = os.fspath(home)


async def output_with(instance: RunningAisle, text: str) -> str:
    """Waits for `text` in the output; returns the output."""
    deadline = time.monotonic() + SOON_S
    while text not in (output := instance.output.read_text()):
        assert time.monotonic() < deadline, f"{text!r} is missing in:\n{output}"
        await asyncio.sleep(0.05)
    return output


async def check_printed_booking(instance: RunningAisle) -> None:
    """Runs the printed command, and `aisle verify` without differences."""
    output = await output_with(instance, "Ctrl-C stops everything")
    (command,) = [line for line in output.splitlines() if line.startswith("curl ")]
    booked = await asyncio.to_thread(subprocess.run, ["bash", "-c", command], capture_output=True, check=True)
    assert json.loads(booked.stdout)["status"] == "confirmed"
    verified = await asyncio.to_thread(instance.command, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert instance.stop() == 0
    assert "Traceback" not in instance.output.read_text()


def reason(instance: RunningAisle, **settings: str) -> str:
    """Returns the error line of a failing start."""
    done = subprocess.run(
        [AISLE, "up"], env=instance.environment | settings, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert done.stderr.startswith(b"aisle: ")
    return done.stderr.decode()


async def test_path_with_other_characters_and_python_forced_to_ascii(
    instance: RunningAisle, tmp_path: Path
) -> None:
    """Without HOME, without a usable TMPDIR, and with umask 077 on top of it."""
    use_home(instance, tmp_path / 'Théâtre "d\'or" $HOME `date` %41 \\ ?x=1#y' / "home")
    instance.home.parent.mkdir()
    instance.environment |= FORCED_TO_ASCII | {"TMPDIR": "/nonexistent"}
    del instance.environment["HOME"]
    before = os.umask(0o077)
    try:
        await instance.start()
    finally:
        os.umask(before)
    await check_printed_booking(instance)


async def test_long_path_and_ipv6_alone(instance: RunningAisle, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    use_home(instance, tmp_path / ("long-" * 40) / ("longer-" * 30) / "home")
    instance.home.parent.mkdir(parents=True)
    instance.environment["AISLE_HOST"] = "::1"
    instance.url = f"http://[::1]:{instance.port}"
    sockets = sockets_folder(instance.home)
    assert not sockets.is_relative_to(instance.home)
    try:
        await instance.start()
        await check_printed_booking(instance)
    finally:
        for left in sockets.glob("*"):
            left.unlink()
        sockets.rmdir()


async def test_few_open_files_are_announced_and_the_limit_is_logged_when_reached(
    instance: RunningAisle,
) -> None:
    instance.prefix = ["bash", "-c", 'ulimit -n 64; exec "$@"', "bash"]
    await instance.start()
    output = await output_with(instance, "Ctrl-C stops everything")
    assert "event=connections_allowed" in output
    assert "open_files_limit=64" in output
    assert "open_files_limit_reached" not in output
    with ExitStack() as connections:
        for _ in range(64):
            connections.enter_context(socket.create_connection(("127.0.0.1", instance.port)))
        await output_with(instance, "event=open_files_limit_reached")
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=5), timeout=SOON_S) as client:
        assert (await client.get(f"{instance.url}/health/live")).status_code == 200
    assert instance.stop() == 0


@pytest.fixture
def ordinary_users_instance(instance: RunningAisle) -> Iterator[RunningAisle]:
    """An instance of an ordinary user with its home in a folder closed to others.

    A test run by root becomes one, who keeps the right to reach Python and the checkout, and no other.
    """
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as folder:
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            instance.prefix = launcher(user, signal.SIGTERM, Path(sys.executable).resolve(), AISLE, CHECKOUT)
            os.chown(folder, user.pw_uid, user.pw_gid)
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        use_home(instance, Path(folder) / "home")
        yield instance
        if instance.process is not None and instance.process.poll() is None:
            instance.stop()


async def test_ordinary_user_in_a_closed_folder(ordinary_users_instance: RunningAisle) -> None:
    home = ordinary_users_instance.home
    await ordinary_users_instance.start()
    assert (home / "postgres").stat().st_uid == home.parent.stat().st_uid != 0
    await check_printed_booking(ordinary_users_instance)


async def test_two_instances_side_by_side(instance: RunningAisle, tmp_path: Path) -> None:
    await instance.start()
    other = RunningAisle(tmp_path / "other", {})
    taken = reason(other, AISLE_PORT=str(instance.port))
    assert f"AISLE_PORT={instance.port}: this port of 127.0.0.1 is in use" in taken
    metrics = str(instance.port + 1)
    assert f"AISLE_METRICS_PORT={metrics}: this port" in reason(other, AISLE_METRICS_PORT=metrics)
    try:
        await other.start()
        await check_printed_booking(other)
    finally:
        if other.process is not None and other.process.poll() is None:
            other.stop()
    await check_printed_booking(instance)


def test_too_few_open_files_are_named(instance: RunningAisle) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    done = subprocess.run(
        [AISLE, "up"],
        env=instance.environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)),
        timeout=60,
        check=False,
    )
    assert most > 40
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "aisle: 40 open files are too few, 64 are needed: `ulimit -n 65536` or more\n"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (b"h\xf4me", "not UTF-8 text of one line; set AISLE_HOME to one that is"),
        (b"first\nsecond", "not UTF-8 text of one line; set AISLE_HOME to one that is"),
        (b"file", "this is not a folder; set AISLE_HOME to another"),
        (b"file/home", "Not a directory; set AISLE_HOME to another folder"),
        (b"link", "this is not a folder; set AISLE_HOME to another"),
        (b"n" * 300, "File name too long; set AISLE_HOME to another folder"),
        (b"/".join([b"deep" * 50] * 10), "its path is too long"),
        (b"/".join([b"deep" * 50] * 25), "File name too long; set AISLE_HOME to another folder"),
    ],
)
def test_home_that_cannot_be_used(instance: RunningAisle, tmp_path: Path, name: bytes, remedy: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    home = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
    assert remedy in reason(instance, AISLE_HOME=home)
    if not name.isascii():
        assert remedy in reason(instance, AISLE_HOME=home, **FORCED_TO_ASCII)


def test_current_folder_that_is_gone(instance: RunningAisle, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", AISLE, "settings"],
        cwd=gone,
        env=instance.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "aisle: the current folder: No such file or directory; change to another one\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_home_that_is_read_only(instance: RunningAisle, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied; set AISLE_HOME to another folder" in reason(instance)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_home_of_another_user(instance: RunningAisle) -> None:
    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="aisle-test-") as folder:
        Path(folder).chmod(0o755)
        use_home(instance, Path(folder))
        done = subprocess.run(
            [*launcher(user, signal.SIGTERM, Path(sys.executable).resolve(), AISLE, CHECKOUT), AISLE, "up"],
            env=instance.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"aisle: AISLE_HOME={folder}: this folder cannot be written to; set AISLE_HOME to another\n"
    )

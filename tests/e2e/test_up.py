"""Black-box tests of `aisle up`: start, kill, failed start, stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.running import AISLE, RunningAisle

SOON_S = 20


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[RunningAisle]:
    """Yields an instance that the test starts; none of its processes may outlive the test."""
    instance = RunningAisle(tmp_path / "home", {})
    yield instance
    if instance.process is not None and instance.process.poll() is None:
        instance.stop()
    assert left_running(instance) == []


def left_running(instance: RunningAisle) -> list[str]:
    """Returns the command lines of all processes of this home."""
    home, found = os.fsencode(instance.home), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if command and home in command + (process / "environ").read_bytes():
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def pid_of(instance: RunningAisle, name: str) -> int:
    try:
        pid: int = json.loads((instance.home / "run" / f"{name}.pid").read_bytes())["pid"]
    except FileNotFoundError:
        return 0
    return pid


async def eventually(holds: Any, what: str) -> None:
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


def refused(instance: RunningAisle, **settings: str) -> str:
    """Starts a second supervisor, which must fail at once; returns its output."""
    done = subprocess.run(
        [AISLE, "up"],
        env=instance.environment | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def printed_command(instance: RunningAisle) -> str:
    [line] = [line for line in instance.output.read_text().splitlines() if line.startswith("curl ")]
    return line


async def wait_for_output(instance: RunningAisle, text: str) -> None:
    await eventually(lambda: text in instance.output.read_text(), f"{text!r} is not in the output")


async def test_the_printed_command_books_and_the_inbox_has_the_email(instance: RunningAisle) -> None:
    await instance.start()
    await wait_for_output(instance, "Ctrl-C stops everything")
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", printed_command(instance), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await shell.communicate()
    booking = json.loads(printed)
    assert booking["status"] == "confirmed"
    assert len(booking["seats"]) == 2
    async with httpx.AsyncClient(base_url=instance.url, headers={"Accept": "application/json"}) as client:

        async def emails() -> Any:
            return (await client.get("/inbox", params={"to": "demo@aisle.example"})).json()["items"]

        deadline = time.monotonic() + SOON_S
        while not (found := await emails()):
            assert time.monotonic() < deadline, "no e-mail"
            await asyncio.sleep(0.1)
        ticket = await client.get(f"/inbox/{found[0]['id']}/attachments/1")
        assert ticket.content.startswith(b"%PDF-")

        show = f"/api/shows/{booking['show_id']}"
        before = (await client.get(f"{show}/seats")).json()["states"]
    assert instance.stop() == 0
    assert left_running(instance) == []

    instance.output.unlink()
    await instance.start()
    async with httpx.AsyncClient(base_url=instance.url) as client:
        assert (await client.get(f"{show}/seats")).json()["states"] == before
    await wait_for_output(instance, "Ctrl-C stops everything")
    assert printed_command(instance).count("curl ") == 2
    assert instance.stop() == 0


async def test_a_second_supervisor_on_the_same_home_is_refused(instance: RunningAisle) -> None:
    await instance.start()
    message = refused(instance, AISLE_PORT="1")
    assert str(instance.home) in message
    assert "in use by `aisle up`" in message
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{instance.url}/health/ready")).status_code == 200


async def test_a_start_takes_over_from_a_supervisor_that_was_killed(instance: RunningAisle) -> None:
    await instance.start()
    assert instance.process is not None
    gateway, database = pid_of(instance, "gateway-1"), pid_of(instance, "postgres")
    instance.process.kill()
    instance.process.wait()
    instance.output.unlink()
    instance.launch()
    await wait_for_output(instance, "Ctrl-C stops everything")
    assert pid_of(instance, "gateway-1") not in (0, gateway)
    assert pid_of(instance, "postgres") not in (0, database)
    await wait_for_output(instance, "event=orphans_ended ")
    assert instance.command("verify").returncode == 0


async def test_nothing_outlives_a_supervisor_that_was_killed(instance: RunningAisle) -> None:
    await instance.start()
    assert instance.process is not None
    instance.process.kill()
    instance.process.wait()
    await eventually(lambda: left_running(instance) == [], "processes outlive their supervisor")


async def test_a_program_that_dies_is_restarted_at_once(instance: RunningAisle) -> None:
    await instance.start()
    await wait_for_output(instance, "Ctrl-C stops everything")
    await asyncio.sleep(5)  # what dies right after its start is held back a little
    names = ["gateway-1", "seat-worker-1", "notifier", "redis", "postgres"]
    before = {name: pid_of(instance, name) for name in names}
    show_id = await instance.make_show(10)
    for name, pid in before.items():
        os.kill(pid, signal.SIGKILL)
        await eventually(
            lambda name=name: pid_of(instance, name) != before[name], f"{name} does not come back"
        )
        await wait_for_output(instance, f"event=program_died program={name} ")
    async with instance.client(1000) as client:
        answer = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        while answer.status_code == 503:
            await asyncio.sleep(0.2)
            answer = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        assert answer.status_code in (201, 202), answer.text
    await instance.wait_until_ready()


async def test_connections_wait_while_a_gateway_is_replaced(instance: RunningAisle) -> None:
    await instance.start()
    await wait_for_output(instance, "Ctrl-C stops everything")
    os.kill(pid_of(instance, "gateway-1"), signal.SIGKILL)
    async with httpx.AsyncClient(timeout=SOON_S) as client:
        assert (await client.get(f"{instance.url}/health/live")).status_code == 200


async def test_ctrl_c_stops_everything_in_order(instance: RunningAisle) -> None:
    await instance.start()
    await wait_for_output(instance, "Ctrl-C stops everything")
    assert instance.process is not None
    instance.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(instance.process.wait, 30) == 0
    assert left_running(instance) == []
    log = (instance.home / "postgres.log").read_text()
    assert log.rstrip().endswith("database system is shut down")
    assert "event=program_killed" not in instance.output.read_text()


async def test_a_stop_in_the_middle_of_the_start_leaves_nothing_running(instance: RunningAisle) -> None:
    for delay_s in (0.3, 0.8):
        instance.launch()
        assert instance.process is not None
        await asyncio.sleep(delay_s)
        instance.process.terminate()
        assert await asyncio.to_thread(instance.process.wait, 30) in (0, -signal.SIGTERM)
        assert left_running(instance) == []
    await instance.start()


def test_a_port_in_use_is_named(instance: RunningAisle) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", instance.port))
        taken.listen()
        message = refused(instance)
    assert message.count("\n") == 1
    assert f"AISLE_PORT={instance.port}" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AISLE_PORT", "eighty"),
        ("AISLE_WORKERS", "0"),
        ("AISLE_KAFKA", "localhost"),
        ("AISLE_HOST", "nowhere.invalid"),
        ("AISLE_COLOUR", "blue"),
    ],
)
def test_a_broken_setting_is_named(instance: RunningAisle, name: str, value: str) -> None:
    message = refused(instance, **{name: value})
    assert message.count("\n") == 1
    assert name in message


def test_a_setting_that_only_one_service_can_judge_stops_the_whole_start(instance: RunningAisle) -> None:
    assert "AISLE_JWT_KEYS" in refused(instance, AISLE_JWT_KEYS="nonsense")


def test_a_database_that_cannot_start_is_named(instance: RunningAisle) -> None:
    (instance.home / "postgres").mkdir(parents=True)
    message = refused(instance)
    assert message.count("\n") == 1
    assert "postgres does not start" in message
    assert "postgresql.conf" in message


async def test_a_home_with_the_other_log_is_refused(instance: RunningAisle) -> None:
    await instance.start()
    assert instance.stop() == 0
    message = refused(instance, AISLE_KAFKA="127.0.0.1:9")
    assert message.count("\n") == 1
    assert "belongs to a log in PostgreSQL; either unset AISLE_KAFKA" in message

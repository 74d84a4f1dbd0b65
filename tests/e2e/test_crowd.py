"""`aisle crowd` and `aisle demo` on a real instance: a lively house, the check at the end, and the exit statuses."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ops.sample.theatre import theatre
from tests.e2e.running import RunningAisle

THEATRE = msgspec.to_builtins(theatre("EUR"))
UNKNOWN = "00000000-0000-8000-8000-000000000001"


@pytest.fixture(scope="module")
def aisle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAisle]:
    running = RunningAisle(tmp_path_factory.mktemp("crowd") / "home", {})
    asyncio.run(running.start())
    yield running
    assert running.stop() == 0


async def test_a_short_run_fills_the_house_and_passes_the_check(aisle: RunningAisle) -> None:
    show = await aisle.make_show(layout=THEATRE)
    crowd = ("crowd", "--show", str(show), "--people", "40", "--for", "10s", "--seed", "7", "--json")
    done = aisle.command(*crowd)
    assert done.returncode == 0, done.stdout + done.stderr
    *seconds, result = map(json.loads, done.stdout.splitlines())
    assert len(seconds) >= 9
    assert result["did"]["arrived"] == 40
    assert result["did"]["bought"] >= 20
    assert result["checked_bookings"] >= 20
    assert result["checked_database"] is True
    assert result["violations"] == []
    left = [second["seats_left"] for second in seconds]
    assert left[0] > left[-1], "it fills visibly"
    async with aisle.client(1) as client:
        states = (await client.get(f"/api/shows/{show}/seats")).json()["states"]
    assert states.count("s") >= result["did"]["bought"]
    users = "SELECT count(*) FROM users WHERE username LIKE 'crowd-%'"
    assert aisle.command("psql", "-Atc", users).stdout == "40\n"

    again = aisle.command("crowd", "--show", str(show), "--people", "40", "--for", "2s")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "no seat was sold twice" in again.stdout
    assert aisle.command("psql", "-Atc", users).stdout == "40\n", "the accounts are used again"
    assert aisle.command("verify").returncode == 0


def test_ctrl_c_ends_with_the_check(aisle: RunningAisle) -> None:
    show = asyncio.run(aisle.make_show(layout=THEATRE))
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "crowd", "--show", str(show), "--people", "60", "--for", "10m"],
        env=aisle.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert "arrived" in first
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0, first + output
    assert "no seat was sold twice" in output


async def test_with_tokens_only_the_api_is_needed(aisle: RunningAisle, tmp_path: Path) -> None:
    show = await aisle.make_show(60)
    tokens = tmp_path / "tokens"
    assert aisle.command("users", "create", "--count", "30", "--tokens", str(tokens)).returncode == 0
    crowd = ("crowd", "--show", str(show), "--for", "3s", "--url", aisle.url, "--tokens", str(tokens))
    done = aisle.command(*crowd, "--people", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bookings (API): no seat was sold twice" in done.stdout
    more = aisle.command(*crowd, "--people", "31")
    assert (more.returncode, "30 tokens for 31 people" in more.stderr) == (1, True)


async def test_a_violation_is_exit_status_1(aisle: RunningAisle) -> None:
    show = await aisle.make_show(40)
    sql = (
        "INSERT INTO bookings (booking_id, show_id, user_id, status, seats, total, currency, created_ms, partition,"
        f" log_offset) VALUES ('{UNKNOWN}', {show}, 1, 'confirmed', '{{7}}', 0, 'EUR', 0, 0, 0)"
    )
    assert aisle.command("psql", "-c", sql).returncode == 0
    done = aisle.command("crowd", "--show", str(show), "--people", "20", "--for", "2s")
    assert aisle.command("psql", "-c", f"DELETE FROM bookings WHERE booking_id = '{UNKNOWN}'").returncode == 0
    assert done.returncode == 1, done.stdout
    assert "WRONG: seat 7 has" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--show", "0"], 2, "greater than or equal to 1"),
        ([], 2, "--show"),
        (["--show", "1", "--for", "soon"], 2, "'soon' is no duration"),
        (["--show", "1", "--people", "many"], 2, "--people"),
        (["--show", "1", "--url", "http://127.0.0.1:9"], 2, "--url and --tokens go together"),
        (["--show", "999999"], 1, "there is no such show"),
    ],
)
def test_wrong_usage_has_a_clear_line(
    aisle: RunningAisle, arguments: list[str], status: int, words: str
) -> None:
    done = aisle.command("crowd", *arguments)
    assert done.returncode == status
    assert words in " ".join(done.stderr.replace("│", " ").split()), done.stderr


async def test_a_show_that_is_not_on_sale_is_refused(aisle: RunningAisle) -> None:
    show = await aisle.make_show(10)
    async with aisle.client(2, "admin") as staff:
        assert (await staff.post(f"/api/shows/{show}/close")).is_success
    done = aisle.command("crowd", "--show", str(show), "--for", "1s")
    assert (done.returncode, "is closed, not on sale" in done.stderr) == (1, True)


def test_the_demonstration_runs_on_its_own_home_and_stops_cleanly(tmp_path: Path) -> None:
    aisle = RunningAisle(tmp_path / "unused", {"AISLE_DATABASE_URL": "postgresql://nowhere.invalid/mine"})
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ops", "demo", "--people", "30", "--wave", "4s"],
        env=aisle.environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and "no seat was sold twice" not in "".join(lines):
            line = process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=90)
    output = "".join(lines) + rest
    assert process.returncode == 0, output
    assert f"{aisle.url}/shows/" in output
    assert "seats left" in output
    assert not aisle.home.exists(), "the home of the user is untouched"
    assert (tmp_path / ".aisle-demo" / "keys.json").exists()

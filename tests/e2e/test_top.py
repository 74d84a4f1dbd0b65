"""`aisle top` on a running instance: as text, recorded and replayed, and what it says of wrong files and addresses."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from tests.e2e.running import AISLE, RunningAisle

SOON_S = 60


def last_line(process: subprocess.CompletedProcess[str]) -> str:
    assert process.returncode == 1, process.stdout
    assert "Traceback" not in process.stderr
    (line,) = process.stderr.splitlines()
    return line


async def test_numbers_of_a_running_instance_as_text(laptop: RunningAisle) -> None:
    show_id = await laptop.make_show(100)

    async def book() -> None:
        async with laptop.client(1000) as client:
            for seat in range(1, 101):
                await client.post(f"/api/shows/{show_id}/bookings", json={"seats": [str(seat)]})
                await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})

    printed = asyncio.create_task(asyncio.to_thread(laptop.command, "top", "--once"))
    while not printed.done():
        await asyncio.gather(book(), asyncio.sleep(0.1))
        show_id = await laptop.make_show(100)
    once = await printed
    assert once.returncode == 0, once.stderr
    lines = once.stdout.splitlines()
    assert any(line.startswith("book ") for line in lines), once.stdout
    assert "seat_taken" in once.stdout
    for process in ("aisle", "gateway-1", "seat-worker-1", "notifier"):
        assert any(line.startswith(process) for line in lines), process
    assert re.search(
        r" \d+ seat-worker-1 +\d+ +\d+ +[\d.,]+ +[1-9]\d* +[1-9][\d,]*$", once.stdout, re.MULTILINE
    ), once.stdout
    assert once.stdout.count("seat-worker-1") == 9, "the owner of eight partitions, and the process"


def test_a_recording_until_it_is_killed_can_be_replayed(laptop: RunningAisle, tmp_path: Path) -> None:
    file = tmp_path / "night.aisle"
    arguments = [str(AISLE), "top", "--every", "0.25", "--record", str(file)]
    recording = subprocess.Popen(arguments, env=laptop.environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + SOON_S
    while not file.exists() or file.read_bytes().count(b"\n") < 3:
        assert recording.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(recording.pid, signal.SIGKILL)
    recording.wait()
    shown = laptop.command("top", "--replay", str(file), "--once")
    assert shown.returncode == 0, shown.stderr
    assert "seat-worker-1" in shown.stdout
    cut = tmp_path / "cut.aisle"
    cut.write_bytes(file.read_bytes()[:-20])
    assert "is cut short after" in laptop.command("top", "--replay", str(cut), "--once").stderr
    exists = last_line(laptop.command("top", "--record", str(file)))
    assert exists == f"aisle: --record {file}: this file exists; name another, or delete it"


def test_a_wrong_file_and_a_wrong_address_are_one_line(laptop: RunningAisle, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"some": "json"}\n')
    assert last_line(laptop.command("top", "--replay", str(other))) == (
        f"aisle: {other}: this is no recording of `aisle top --record`"
    )
    page = f"http://127.0.0.1:{laptop.port}/"
    assert "does not serve metrics" in last_line(laptop.command("top", "--once", "--url", page))
    nobody = "http://127.0.0.1:1/metrics"
    assert f"{nobody} does not answer" in last_line(laptop.command("top", "--once", "--url", nobody))
    assert "the screen needs a terminal" in last_line(laptop.command("top"))

"""A full disk of the embedded database: bookings are rejected for a while, and none is lost."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from runtime.postgres import UNAVAILABLE
from tests.chaos.chaos_instance import ChaosInstance, eventually
from tests.chaos.checks import violations
from tests.chaos.clients import Clients
from tests.chaos.crowds import EVERYTHING
from tests.chaos.history import History
from tests.chaos.read_state import read_stored
from tests.chaos.show_plans import numbered
from tests.chaos.storm import open_shows

DISK = "320m"
FULL_S = 5.0
MORE_LOG = "SELECT pg_switch_wal(); UPDATE partitions SET owner = owner"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for the home, which is small; what is printed goes elsewhere."""
    folder = tmp_path / "home"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be had here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_instance(small_disk: Path) -> Iterator[ChaosInstance]:
    instance = ChaosInstance(small_disk, None, workers=1, gateways=1)
    try:
        asyncio.run(instance.start())
        yield instance
        assert instance.stop() == 0, instance.output.read_text()[-4000:]
    finally:
        instance.end()
        shutil.copy(instance.home / "postgres.log", instance.output.with_suffix(".postgres.log"))


async def test_a_full_disk_refuses_bookings_and_loses_none(
    small_instance: ChaosInstance, small_disk: Path, first_user: int
) -> None:
    instance, history, filler = small_instance, History(), small_disk / "filler"
    history.shows = await open_shows(instance, [numbered(2_000)] * 4)
    crowd = msgspec.structs.replace(EVERYTHING, customers=9, staff=3)
    clients = Clients(instance.client, first_user, crowd, history, seed=first_user)
    stop = asyncio.Event()
    living = asyncio.create_task(clients.live(stop))
    try:
        await asyncio.sleep(1)
        await asyncio.to_thread(_fill, filler)
        await _use_up_the_log_files(instance.database_url)
        await eventually(lambda: _refused(history), "nobody is refused")
        await asyncio.sleep(FULL_S)
        filler.unlink()
        before = _booked(history)

        async def booked_again() -> bool:
            return _booked(history) > before + 20

        await eventually(booked_again, "nothing is booked though there is room again")
        stop.set()
        await living
        await clients.settle()
        wrong = violations(history, await read_stored(instance, history))
    finally:
        stop.set()
        filler.unlink(missing_ok=True)
        await asyncio.gather(living, return_exceptions=True)
        await clients.leave()
        history.save(small_disk.with_suffix(".history.json"))
    verified = await asyncio.to_thread(instance.command, "verify")
    assert (wrong, verified.returncode) == ([], 0), verified.stdout + verified.stderr


def _fill(path: Path) -> None:
    try:
        with path.open("wb", buffering=0) as file:
            while file.write(bytes(2**12)):
                pass
    except OSError:
        pass


async def _use_up_the_log_files(database_url: str) -> None:
    """Forces PostgreSQL to create files of its write-ahead log, as an hour of bookings would."""
    for _ in range(20):
        try:
            database = await asyncpg.connect(database_url, timeout=3)
            try:
                await database.execute(MORE_LOG, timeout=3)
            finally:
                database.terminate()
        except UNAVAILABLE:
            return


async def _refused(history: History) -> bool:
    return any(attempt.status == 503 for request in history.requests for attempt in request.attempts)


def _booked(history: History) -> int:
    return sum(request.accepted is not None for request in history.requests)

"""Programs that are replaced: the successor is ready before its predecessor is stopped, or nothing changes."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ops.local.lineage import Lineage
from ops.local.notices import Notices
from ops.local.supervisor import Program, Supervisor
from runtime.process import CannotStart

_SERVICE = """
import os, signal, sys, time
from runtime.service_manager import READY, notify
def on_stop(*_):
    print(name, "stops", file=out, flush=True)
    time.sleep(0.3)
    print(name, "ended", file=out, flush=True)
    sys.exit(0)
name, out = sys.argv[1], open(sys.argv[2], "a")
signal.signal(signal.SIGTERM, on_stop)
print(name, "ready", file=out, flush=True)
notify(READY)
while True:
    time.sleep(60)
"""

_WORKER = """
import asyncio, os, sys
from runtime.handover import Handover
from runtime.process import run_service
from runtime.service_manager import READY, notify
out = open(os.environ["OUT"], "a")
async def main(settings, stop):
    handover = Handover(settings)
    await handover.wait_for_predecessor(stop)
    print("works", file=out, flush=True)
    notify(READY)
    await stop.wait()
    print("released", handover.has_successor(), file=out, flush=True)
    handover.release()
    await asyncio.sleep(0.3)  # what is closed after the release does not delay the successor
    print("ended", file=out, flush=True)
run_service("worker", main)
"""


@pytest.fixture
async def notices() -> AsyncIterator[Notices]:
    notices = Notices()
    yield notices
    notices.close()


def service(out: Path, notices: Notices, *, fails_from: int = 99) -> Program:
    numbers = itertools.count(1)

    def start() -> subprocess.Popen[bytes]:
        number = next(numbers)
        code = "raise SystemExit(3)" if number >= fails_from else _SERVICE
        return subprocess.Popen(
            [sys.executable, "-c", code, str(number), str(out)],
            env=os.environ | {"NOTIFY_SOCKET": notices.address},
        )

    return Program(name="service", start=start, stop_s=10)


def recorded(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pid"))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


async def test_a_successor_is_ready_before_its_predecessor_is_stopped(
    tmp_path: Path, notices: Notices
) -> None:
    supervisor, out = Supervisor(tmp_path, notices), tmp_path / "out"
    supervisor.settled()
    first = supervisor.keep(service(out, notices))
    await supervisor.ready("service", 30)
    await supervisor.replace("service", 30)
    assert out.read_text().splitlines() == ["1 ready", "2 ready", "1 stops", "1 ended"]
    second = supervisor.kept()["service"]
    assert first.returncode == 0
    assert second.poll() is None
    assert recorded(tmp_path) == ["service.pid"]

    second.kill()  # the successor is kept as its predecessor was
    await until(lambda: supervisor.kept()["service"] is not second)
    await supervisor.ready("service", 30)
    await supervisor.stop(["service"])
    assert supervisor.kept() == {}
    assert recorded(tmp_path) == []


async def test_a_successor_that_does_not_start_changes_nothing(tmp_path: Path, notices: Notices) -> None:
    supervisor, out = Supervisor(tmp_path, notices), tmp_path / "out"
    supervisor.settled()
    first = supervisor.keep(service(out, notices, fails_from=2))
    await supervisor.ready("service", 30)
    with pytest.raises(CannotStart, match=r"service does not start \(exit status 3\): see its last log line"):
        await supervisor.replace("service", 30)
    assert supervisor.kept() == {"service": first}
    assert first.poll() is None
    assert out.read_text() == "1 ready\n"
    assert recorded(tmp_path) == ["service.pid"]
    await supervisor.stop(["service"])


async def test_a_replacement_that_is_cancelled_leaves_the_present_process(
    tmp_path: Path, notices: Notices
) -> None:
    supervisor = Supervisor(tmp_path, notices)
    supervisor.settled()
    silent = Program(name="silent", start=lambda: subprocess.Popen(["sleep", "60"]))
    first = supervisor.keep(silent)
    replacing = asyncio.create_task(supervisor.replace("silent", 60))
    await until(lambda: "silent.successor.pid" in recorded(tmp_path))
    replacing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await replacing
    assert supervisor.kept() == {"silent": first}
    assert first.poll() is None
    assert recorded(tmp_path) == ["silent.pid"]
    await supervisor.stop(["silent"])


@pytest.mark.parametrize("killed", [False, True])
async def test_a_worker_begins_when_its_predecessor_has_released(
    tmp_path: Path, notices: Notices, killed: bool
) -> None:
    out = tmp_path / "out"

    def spawn(more: object, inherited: tuple[int, ...]) -> subprocess.Popen[bytes]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("AISLE_")}
        own |= {"NOTIFY_SOCKET": notices.address, "OUT": str(out)} | dict(more)  # type: ignore[call-overload]
        return subprocess.Popen([sys.executable, "-c", _WORKER], env=own, pass_fds=inherited)

    lineage = Lineage(spawn)
    program = Program(
        name="worker",
        start=lineage.start,
        start_successor=lineage.start_successor,
        hand_over=lineage.hand_over,
    )
    supervisor = Supervisor(tmp_path, notices)
    supervisor.settled()
    first = supervisor.keep(program)
    await supervisor.ready("worker", 30)
    if killed:  # and not started again while its successor is prepared
        replacing = asyncio.create_task(supervisor.replace("worker", 30))
        await asyncio.sleep(0)
        first.kill()
        await replacing
        assert out.read_text().splitlines() == ["works", "works"]
    else:
        await supervisor.replace("worker", 30)
        assert out.read_text().splitlines()[:3] == ["works", "released True", "works"]
    await supervisor.stop(["worker"])
    lineage.close()
    assert out.read_text().splitlines()[-2:] == ["released False", "ended"]

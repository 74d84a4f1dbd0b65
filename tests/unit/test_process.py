"""The life of a service: its ends, and the log line of each."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.log import WrongLog
from runtime.process import CannotStart, group_instance, known_reason, run_until
from runtime.settings import read_settings

SERVICE = """
import asyncio, sys
from runtime.process import run_service, run_until
async def main(settings, stop):
    print("up", flush=True)
    if sys.argv[1] == "fail":
        raise KeyError("unexpected")
    if sys.argv[1] == "return":
        return
    await run_until(stop)
    print("drained", flush=True)
    await asyncio.sleep(float(sys.argv[1]))
run_service("example", main)
"""


def service(tmp_path: Path, argument: str, **settings: str) -> subprocess.Popen[str]:
    (tmp_path / "service.py").write_text(SERVICE)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AISLE_")}
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "service.py"), argument],
        env=environment | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def ends() -> None:
    await asyncio.sleep(0)


async def breaks() -> None:
    raise KeyError("unexpected")


async def test_a_side_task_that_ends_stops_the_service() -> None:
    with pytest.raises(RuntimeError, match="'counting' has ended"):
        await run_until(asyncio.Event(), asyncio.create_task(ends(), name="counting"))


async def test_a_side_task_that_fails_stops_the_service_with_its_error() -> None:
    with pytest.raises(KeyError):
        await run_until(asyncio.Event(), asyncio.create_task(breaks()))


async def test_a_stop_leaves_side_tasks_to_be_ended_by_their_owner() -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(stop.set)
    await run_until(stop, task)
    assert not task.done()
    task.cancel()


def test_correctable_errors_are_one_line_and_others_are_unknown() -> None:
    assert known_reason(CannotStart("no disk")) == "no disk"
    assert known_reason(ExceptionGroup("", [WrongLog("another log")])) == "another log"
    in_use = OSError(errno.EADDRINUSE, "Address already in use")
    assert known_reason(in_use) == "[Errno 98] Address already in use"
    assert known_reason(KeyError("bug")) is None
    assert known_reason(ConnectionResetError("bug")) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    with service(tmp_path, "0") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert (output, process.returncode) == ("drained\n", 0)


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with service(tmp_path, "60") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.stdout.readline() == "drained\n"
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM


def test_an_unexpected_error_has_its_traceback_in_the_log(tmp_path: Path) -> None:
    with service(tmp_path, "fail") as process:
        _, log = process.communicate(timeout=20)
    assert process.returncode == 1
    first, *rest = log.splitlines()
    assert "level=error service=example" in first
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    KeyError: 'unexpected'"


def test_ending_without_a_stop_signal_is_an_error(tmp_path: Path) -> None:
    with service(tmp_path, "return") as process:
        _, log = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "without a stop signal" in log


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    with service(tmp_path, "0", AISLE_PORT="x") as process:
        _, log = process.communicate(timeout=20)
    assert process.returncode == 1
    assert len(log.splitlines()) == 1
    assert "AISLE_PORT='x'" in log


def test_a_service_of_a_dead_supervisor_does_not_start(tmp_path: Path) -> None:
    with service(tmp_path, "0", AISLE_SUPERVISED="1") as process:
        output, _ = process.communicate(timeout=20)
    assert (output, process.returncode) == ("", 1)


def test_the_group_instance_is_the_one_that_is_set() -> None:
    assert group_instance(read_settings({"AISLE_GROUP_INSTANCE": "seat-worker-0"})) == "seat-worker-0"
    supervised = {"AISLE_SUPERVISED": str(os.getpid()), "AISLE_PROCESS": "seat-worker-1"}
    assert group_instance(read_settings(supervised | {"AISLE_GROUP_INSTANCE": "pod-0"})) == "pod-0"
    assert (group_instance(read_settings(supervised)) or "").startswith("seat-worker-1-")
    assert group_instance(read_settings({})) is None

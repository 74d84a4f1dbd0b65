"""Processes, their parts and their CPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from loadtest.bench.processes import CpuMeter, listening_pid, part_of, tree

BURN_S = 0.3
BURN = f"import time\nwhile time.process_time() < {BURN_S}: pass\n"


@pytest.fixture
def grandchild() -> Iterator[tuple[int, int]]:
    """The ids of a child process and of its child."""
    script = "import subprocess, sys\np = subprocess.Popen(['sleep', '60'])\nprint(p.pid, flush=True)\n"
    script += "sys.stdin.read()\np.kill()\n"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.communicate()


def test_a_tree_has_the_roots_and_all_descendants_once(grandchild: tuple[int, int]) -> None:
    child, below = grandchild
    assert {process.pid for process in tree([child])} == {child, below}
    pids = [process.pid for process in tree([os.getpid(), child, below])]
    assert len(pids) == len(set(pids))
    assert {os.getpid(), child, below} <= set(pids)


def test_a_tree_leaves_out_roots_that_have_ended() -> None:
    assert tree([2**22 + 1]) == []


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("python", ["/x/python", "-m", "gateway"], "gateway"),
        ("python", ["/x/python", "-m", "seat_workers"], "worker"),
        ("python", ["/x/python", "-m", "notifier"], "notifier"),
        ("python", ["/x/python", "-m", "ops", "up"], "supervisor"),
        ("aisle", ["/x/python", "/x/bin/aisle", "up"], "supervisor"),
        ("postgres", ["postgres: aisle aisle [local] idle"], "postgres"),
        ("redis-server", ["/x/redis-server unixsocket:/x"], "redis"),
        ("java", ["java", "-cp", "libs/*", "kafka.Kafka", "server.properties"], "kafka"),
        ("sh", ["sh", "-c", "true"], "other"),
    ],
)
def test_a_process_belongs_to_a_part(name: str, arguments: list[str], part: str) -> None:
    assert part_of(name, arguments) == part


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs one child after another, one for each line of its input."""
    script = "import subprocess, sys\nfor line in sys.stdin:\n subprocess.run([sys.executable, '-c', eval(line)])\n"
    script += " print(flush=True)\n"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_cpu_of_an_ended_child_stays_in_the_sum(parent: subprocess.Popen[bytes]) -> None:
    assert parent.stdin is not None
    assert parent.stdout is not None
    meter = CpuMeter([parent.pid])
    before = meter.read()
    for _ in range(2):
        parent.stdin.write(f"{BURN!r}\n".encode())
        parent.stdin.flush()
        parent.stdout.readline()
    used = meter.read()
    used.subtract(before)
    assert 2 * BURN_S * 0.9 <= used.total() <= 2 * BURN_S + 2


def test_the_process_that_listens_on_a_port_is_found() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert listening_pid(port) is None
        server.listen()
        assert listening_pid(port) == os.getpid()


def test_the_meter_reads_the_cpu_of_this_process() -> None:
    used = os.times()  # includes children that have ended
    assert CpuMeter([os.getpid()]).read().total() >= sum(used[:4]) - 0.1


def test_the_meter_lists_the_processes_of_each_part(grandchild: tuple[int, int]) -> None:
    meter = CpuMeter([grandchild[0]])
    assert sorted(meter.pids("other")) == sorted(grandchild)
    assert meter.pids("gateway") == []

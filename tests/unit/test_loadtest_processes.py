"""CPU and processes as /proc has them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from loadtest.bench.processes import CpuMeter, Process, listening_pid, part_of, processes, read_stat, tree

BURN_S = 0.3
BURN = f"import time\nwhile time.process_time() < {BURN_S}: pass\n"


def test_a_name_with_blanks_and_brackets_does_not_shift_the_fields() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    stat = f"42 (a (b) c) S 7 42 42 0 -1 0 0 0 0 0 {ticks} {2 * ticks} {3 * ticks} {4 * ticks} 20 0 1 0"
    assert read_stat(stat) == Process(pid=42, parent=7, name="a (b) c", cpu_s=10.0)


def test_the_tree_is_whoever_descends_from_the_roots() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    known = {pid: Process(pid, parent, "", 0.0) for pid, parent in parents.items()}
    assert {process.pid for process in tree(known, [10])} == {10, 11, 12}
    assert {process.pid for process in tree(known, [10, 12, 20])} == {10, 11, 12, 20, 21}
    assert tree(known, [99]) == []


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
    """A process that runs children one after the other, one for each line it is given."""
    script = "import subprocess, sys\nfor line in sys.stdin:\n subprocess.run([sys.executable, '-c', eval(line)])\n"
    script += " print(flush=True)\n"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_an_ended_child_used_stays_in_the_sum(parent: subprocess.Popen[bytes]) -> None:
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


def test_the_listener_on_a_port_is_found_and_nobody_on_one_without() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert listening_pid(port) is None
        server.listen()
        assert listening_pid(port) == os.getpid()


def test_this_process_is_among_all_processes_with_its_cpu() -> None:
    own = processes()[os.getpid()]
    assert own.parent == os.getppid()
    used = os.times()  # children that have ended count as well
    assert abs(own.cpu_s - sum(used[:4])) < 5

"""Kafka without Docker: start, errors of a failed start, and end with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.kafka import jars as kafka_jars
from ops.kafka.node import KafkaNode, Ports, free_ports, run
from runtime.process import CannotStart
from tests.kafka_fixture import need_kafka


def test_a_port_in_use_is_named_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.kafka.node.kafka_jars", lambda: tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(tmp_path, port) == 1
    assert capsys.readouterr().out == f"aisle kafka: port {port} cannot be used: Address already in use\n"


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setattr(kafka_jars, "CACHE", tmp_path / "cache")
    with pytest.raises(CannotStart, match="java"):
        KafkaNode(tmp_path / "node", free_ports(1)[0]).spawn()
    (tmp_path / "java").touch(mode=0o755)
    with pytest.raises(CannotStart, match="mvn"):
        KafkaNode(tmp_path / "node", free_ports(1)[0]).spawn()


@pytest.mark.kafka
@pytest.mark.slow
def test_paths_outside_ascii_without_a_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_kafka()
    jars = tmp_path / "théâtre" / "jars"
    jars.parent.mkdir()
    jars.symlink_to(kafka_jars.kafka_jars())
    monkeypatch.setattr("ops.kafka.node.kafka_jars", lambda: jars)
    monkeypatch.setenv("LC_ALL", "C")
    node = KafkaNode(tmp_path / "théâtre" / "node", free_ports(1)[0])
    try:
        node.start()
    finally:
        node.kill()


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_kafka_in_the_foreground_ends_with_its_parent(tmp_path: Path, end: signal.Signals) -> None:
    need_kafka()
    ports = next(ports for ports in free_ports(20) if _is_free(ports.clients + 1))
    script = (
        "import sys, pathlib, ops.kafka.node as kafka;"
        " sys.exit(kafka.run(pathlib.Path(sys.argv[1]), int(sys.argv[2])))"
    )
    command = [sys.executable, "-c", script, os.fspath(tmp_path), str(ports.clients)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert f"AISLE_KAFKA=127.0.0.1:{ports.clients}" in parent.stdout.readline()
        assert not _is_free(ports.clients)
        parent.send_signal(end)
        assert parent.wait(30) == (0 if end is signal.SIGTERM else -signal.SIGKILL)
    _until(lambda: all(_is_free(port) for port in Ports(ports.clients, ports.clients + 1)))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _until(true: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)

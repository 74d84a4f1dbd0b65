"""The cost of wrk, read from its output."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from loadtest.bench.wrk import wrk_cost

WRK = """\
#!/bin/sh
grep -q 'Bearer the-token' "$5" || exit 1
cat << END
Running 2s test @ $6
  1 threads and 64 connections
  80246 requests in 2.00s, 37.12MB read
Requests/sec:  40100.09
END
"""


def install(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "wrk"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


async def test_requests_and_cpu_per_request_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, WRK, monkeypatch)
    cost = await wrk_cost(1, "the-token", 64, 2)
    assert cost is not None
    assert cost.per_second == 40_123
    assert 0 <= cost.request_us < 1e6


async def test_a_failing_wrk_has_no_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, WRK, monkeypatch)
    assert await wrk_cost(1, "another-token", 64, 2) is None


def test_without_wrk_there_is_no_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asyncio.run(wrk_cost(1, "t", 64, 1)) is None

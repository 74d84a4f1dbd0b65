"""CPU of `wrk`, a load generator in C, per request, for comparison with the Python generator."""

from __future__ import annotations

import asyncio
import re
import resource
import shutil
import subprocess
import tempfile

import msgspec

_SCRIPT = """\
wrk.method = "POST"
wrk.path = "/api/shows/1/bookings"
wrk.body = '{"seats":["1000"]}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
wrk.headers["Idempotency-Key"] = "0123456789abcdef-100000"
"""
_REQUESTS = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)


class Cost(msgspec.Struct, frozen=True):
    """Requests per second, and CPU microseconds of wrk per request."""

    per_second: float
    request_us: float


async def wrk_cost(port: int, token: str, connections: int, seconds: int) -> Cost | None:
    """Runs wrk against 127.0.0.1 with one thread; None where it is not installed or fails."""
    program = shutil.which("wrk")
    if program is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % token)
        script.flush()
        command = [program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name]
        return await asyncio.to_thread(_run, [*command, f"http://127.0.0.1:{port}"], seconds)


def _run(command: list[str], seconds: int) -> Cost | None:
    before = _cpu_s()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    used_s = _cpu_s() - before
    counted = _REQUESTS.search(done.stdout)
    requests = int(counted[1]) if counted else 0
    return Cost(requests / seconds, used_s * 1e6 / requests) if requests else None


def _cpu_s() -> float:
    """CPU of ended children of this process; no other child ends while wrk runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

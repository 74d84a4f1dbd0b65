"""The load test: a correct service passes its check, a faulty one fails it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from loadtest.locust.__main__ import LOCUSTFILE
from tests.e2e.faulty_service import SHOW, Fault, faulty_service
from tests.e2e.running import RunningAisle

CUSTOMERS = 20


async def run_buyers(port: int, folder: Path, *options: str) -> tuple[int | None, str]:
    """Runs users who buy and cancel for a few seconds. Returns the exit status and the output."""
    tokens = folder / "tokens"
    tokens.write_text("\n".join(str(number) for number in range(1, CUSTOMERS + 1)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary",
        "--loglevel", "WARNING", "--host", f"http://127.0.0.1:{port}", "--users", str(CUSTOMERS),
        "--seconds", "4", "--tokens", str(tokens), "--shows", str(SHOW), "--alone", *options,
        "RushUser", "CancellingUser",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    return await ended(process)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Waits for the process. Returns its exit status and output."""
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 100)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return process.returncode, output.decode()


async def test_a_correct_service_passes_the_check(tmp_path: Path) -> None:
    async with faulty_service(Fault.NONE) as service:
        status, output = await run_buyers(service.port, tmp_path)
    assert service.bookings
    assert "CHECK PASSED" in output, output
    assert status == 0, output


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.SELLS_TWICE, "was sold twice"),
        (Fault.FORGETS, "is missing"),
        (Fault.TAKES_BACK, "without a request for it"),
        (Fault.HIDES, "on the seat map"),
    ],
)
async def test_a_faulty_service_fails_the_check(fault: Fault, message: str, tmp_path: Path) -> None:
    async with faulty_service(fault) as service:
        status, output = await run_buyers(service.port, tmp_path)
    assert "ERROR:" in output, output
    assert message in output
    assert "CHECK FAILED" in output
    assert status == 1


async def test_observations_of_several_processes_are_checked_together(tmp_path: Path) -> None:
    async with faulty_service(Fault.SELLS_TWICE) as service:
        status, output = await run_buyers(service.port, tmp_path, "--processes", "2")
    assert "was sold twice" in output, output
    assert status == 1


async def test_a_run_without_tokens_ends_at_once_with_the_reason(tmp_path: Path) -> None:
    status, output = await run_buyers(1, tmp_path, "--tokens", "")
    assert "--tokens FILE is required" in output
    assert "Traceback" not in output
    assert status == 1


async def test_a_real_aisle_passes_the_check(laptop: RunningAisle, tmp_path: Path) -> None:
    customers, staff = tmp_path / "customers", tmp_path / "staff"
    for file, options in ((customers, ("--count", "40")), (staff, ("--count", "1", "--role", "staff"))):
        made = laptop.command("users", "create", *options, "--tokens", str(file))
        assert made.returncode == 0, made.stderr
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.locust", "--url", laptop.url, "--tokens", str(customers),
        "--staff-tokens", str(staff), "--users", "40", "--seconds", "10",
        env=laptop.environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    status, output = await ended(process)
    assert "no seat was sold twice" in output, output
    assert "booked seats" in output
    assert status == 0, output

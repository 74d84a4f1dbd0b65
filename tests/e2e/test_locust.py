"""The crowd of the load test: an honest service passes, one that lies does not."""

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
    """A few seconds of people who buy and cancel; the exit status and what was said."""
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
    """Waits for its end; the exit status and what was said."""
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 100)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return process.returncode, output.decode()


async def test_people_who_were_told_the_truth_say_so(tmp_path: Path) -> None:
    async with faulty_service(Fault.NONE) as service:
        status, output = await run_buyers(service.port, tmp_path)
    assert service.bookings
    assert "CHECK PASSED" in output, output
    assert status == 0, output


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.SELLS_TWICE, "was sold twice"),
        (Fault.FORGETS, "is not there"),
        (Fault.TAKES_BACK, "and nobody asked for that"),
        (Fault.HIDES, "on the seat map"),
    ],
)
async def test_a_lie_is_told_and_makes_the_run_fail(fault: Fault, message: str, tmp_path: Path) -> None:
    async with faulty_service(fault) as service:
        status, output = await run_buyers(service.port, tmp_path)
    assert "ERROR:" in output, output
    assert message in output
    assert "CHECK FAILED" in output
    assert status == 1


async def test_what_several_processes_saw_is_compared_as_one(tmp_path: Path) -> None:
    async with faulty_service(Fault.SELLS_TWICE) as service:
        status, output = await run_buyers(service.port, tmp_path, "--processes", "2")
    assert "was sold twice" in output, output
    assert status == 1


async def test_a_run_without_tokens_ends_at_once_and_says_what_is_wanted(tmp_path: Path) -> None:
    status, output = await run_buyers(1, tmp_path, "--tokens", "")
    assert "--tokens FILE is wanted" in output
    assert "Traceback" not in output
    assert status == 1


async def test_a_crowd_finds_a_real_aisle_truthful(laptop: RunningAisle, tmp_path: Path) -> None:
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

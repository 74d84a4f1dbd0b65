"""Recovery to a moment from archived WAL, with the commands of docs/backup.md."""

from __future__ import annotations

import asyncio
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.running import RunningAisle

_PAGE = Path(__file__).parents[2] / "docs" / "backup.md"


def _commands(title: str, **names: str) -> str:
    """Returns the shell commands of a section of the page, with its example names replaced."""
    section = _PAGE.read_text().partition(f"### {title}\n")[2]
    match = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert match is not None, title
    text = match[1]
    for example, name in names.items():
        assert f"${example}" in text, example
        text = f"{example}={name}\n" + text
    return text


def _run(instance: RunningAisle, commands: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env=instance.environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def passable(tmp_path: Path) -> Path:
    """Returns a folder that other users can pass: PostgreSQL's own `cp` runs as one."""
    tmp_path.parent.chmod(0o711)
    tmp_path.chmod(0o711)
    return tmp_path


async def test_home_is_recovered_to_a_moment_between_two_bookings(passable: Path) -> None:
    archive = passable / "archive"
    before, after = RunningAisle(passable / "home", {}), RunningAisle(passable / "recovered", {})
    assert before.command("migrate").returncode == 0
    _run(before, _commands("Archive", ARCHIVE=str(archive)))
    await before.start()
    show = await before.make_show(5)
    _run(before, _commands("Base backup", ARCHIVE=str(archive)))
    async with before.client(4711) as customer:
        kept = await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]})
        assert kept.status_code == 201
        await asyncio.sleep(0.1)
        moment = datetime.now(UTC)
        await asyncio.sleep(0.1)
        undone = await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["2"]})
        assert undone.status_code == 201
    assert before.stop() == 0

    names = {"ARCHIVE": str(archive), "MOMENT": f"'{moment.isoformat(' ')}'", "BEFORE": str(before.home)}
    _run(after, _commands("Recovery", **names))
    verified = after.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    await after.start()
    async with after.client(4711) as customer:
        bookings = (await customer.get("/api/me/bookings")).json()["items"]
        assert [booking["seats"] for booking in bookings] == [["1"]]
        assert (await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["2"]})).status_code == 201
    assert after.stop() == 0
    assert after.command("verify").returncode == 0

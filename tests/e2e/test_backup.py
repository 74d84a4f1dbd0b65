"""Backup and restore with the log in PostgreSQL: consistent while Aisle sells, into a new home, with clear refusals."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ops.backup.manifest import DUMP, MANIFEST, describe_files
from tests.e2e.running import RunningAisle

_SEATS = 400


@pytest.fixture(scope="module")
def backup(aisle_on_postgres: RunningAisle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup made while seats are booked."""
    folder = tmp_path_factory.mktemp("backups") / "first"

    async def while_selling() -> subprocess.CompletedProcess[str]:
        show = await aisle_on_postgres.make_show(_SEATS)
        async with aisle_on_postgres.client(4711) as customer:

            async def book(seat: int) -> None:
                answer = await customer.post(f"/api/shows/{show}/bookings", json={"seats": [str(seat)]})
                assert answer.status_code == 201, answer.text

            first = asyncio.gather(*(book(seat) for seat in range(1, _SEATS // 2)))
            made = await asyncio.to_thread(aisle_on_postgres.command, "backup", str(folder))
            await first
            await asyncio.gather(*(book(seat) for seat in range(_SEATS // 2, _SEATS)))
            return made

    made = asyncio.run(while_selling())
    assert made.returncode == 0, made.stderr
    assert f"aisle restore {folder}" in made.stdout
    return folder


def test_backup_made_while_selling_is_restored_and_verified(backup: Path, tmp_path: Path) -> None:
    restored = RunningAisle(tmp_path / "home", {"AISLE_RATE_LIMITS": "off"})
    done = restored.command("restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert "is restored into" in done.stdout
    verified = restored.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr

    async def sells_on() -> None:
        await restored.start()
        try:
            show = await restored.make_show(3)
            async with restored.client(4711) as customer:
                bookings = (await customer.get("/api/me/bookings", params={"limit": 100})).json()["items"]
                answer = await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["2"]})
                assert answer.status_code == 201, answer.text
        finally:
            assert restored.stop() == 0
        known = {booking["id"] for booking in bookings}
        assert answer.json()["id"] not in known

    asyncio.run(sells_on())
    assert restored.command("verify").returncode == 0


def test_backup_is_readable_by_its_owner_only(backup: Path) -> None:
    for path in (backup, *backup.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_access_tokens_stay_valid_after_a_restore(
    backup: Path, aisle_on_postgres: RunningAisle, tmp_path: Path
) -> None:
    restored = RunningAisle(tmp_path / "home", {})
    assert restored.command("restore", str(backup)).returncode == 0
    for name in ("keys.json", "ticket_keys.json"):
        assert (restored.home / name).read_bytes() == (aisle_on_postgres.home / name).read_bytes()
        assert (restored.home / name).stat().st_mode & 0o077 == 0


def test_folder_that_has_something_is_not_a_place_for_a_backup(
    backup: Path, aisle_on_postgres: RunningAisle
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in backup.iterdir()}
    refused = aisle_on_postgres.command("backup", str(backup))
    assert refused.returncode == 1
    assert refused.stderr.strip() == f"aisle: {backup} exists already; name a new folder for each backup"
    assert {path.name: path.stat().st_mtime_ns for path in backup.iterdir()} == before


def test_home_without_a_database_has_nothing_to_back_up(tmp_path: Path) -> None:
    refused = RunningAisle(tmp_path / "home", {}).command("backup", str(tmp_path / "backup"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is no database here yet" in refused.stderr
    assert not (tmp_path / "backup").exists()


def test_restore_onto_a_running_home_changes_nothing(backup: Path, aisle_on_postgres: RunningAisle) -> None:
    refused = aisle_on_postgres.command("restore", str(backup))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "is in use by `aisle up`" in refused.stderr


def test_restore_into_a_home_with_something_in_it_changes_nothing(backup: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "keys.json").write_text("[]")
    refused = RunningAisle(home, {}).command("restore", str(backup))
    assert refused.returncode == 1
    assert "restore into a new folder" in refused.stderr
    assert (home / "keys.json").read_text() == "[]"
    assert not (home / "postgres").exists()


def _cut_dump(folder: Path) -> None:
    body = (folder / DUMP).read_bytes()
    (folder / DUMP).write_bytes(body[: len(body) // 2])


def _no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def _half_a_manifest(folder: Path) -> None:
    body = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(body[: len(body) // 2])


def _changed_keys(folder: Path) -> None:
    (folder / "keys.json").write_text("[]")


def _later_release(folder: Path) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    manifest["migration"] = "9999_later.sql"
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _file_elsewhere(folder: Path) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    manifest["files"][0]["name"] = "../" + manifest["files"][0]["name"]
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _log_in_kafka(folder: Path) -> None:
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes())
    manifest["log"]["kind"] = "kafka"
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut_dump, "cut short"),
        (_no_manifest, "is not a complete backup"),
        (_half_a_manifest, "cannot be read"),
        (_changed_keys, "changed since the backup was made"),
        (_later_release, "9999_later.sql, which this release does not know"),
        (_file_elsewhere, "is missing, cut short or changed"),
        (_log_in_kafka, "set AISLE_KAFKA to its Kafka"),
    ],
)
def test_damaged_or_foreign_backup_is_one_line_and_no_home(
    backup: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(backup, copy)
    damage(copy)
    refused = RunningAisle(tmp_path / "home", {}).command("restore", str(copy))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.splitlines()) == 1
    assert message in refused.stderr
    assert not (tmp_path / "home").exists()


def test_archive_that_postgresql_refuses_leaves_no_home(backup: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(backup, copy)
    (copy / DUMP).write_bytes(b"PGDMP, or not")
    manifest = msgspec.json.decode((copy / MANIFEST).read_bytes())
    manifest["files"] = msgspec.to_builtins(describe_files(copy, [DUMP, "keys.json"]))
    (copy / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    refused = RunningAisle(tmp_path / "home", {}).command("restore", str(copy))
    assert refused.returncode == 1
    assert "pg_restore" in refused.stderr
    assert not (tmp_path / "home").exists()

"""The `aisle` command beside a running instance, and without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.running import RunningAisle


def test_commands_start_the_database_when_nothing_runs(tmp_path: Path) -> None:
    instance = RunningAisle(tmp_path / "home", {})
    without = instance.command("verify")
    assert (without.returncode, without.stdout) == (1, "")
    assert f"AISLE_HOME={instance.home}: there is no database here yet" in without.stderr
    assert "0001_catalogue.sql" in instance.command("migrate").stdout
    assert "up to date" in instance.command("migrate").stdout
    made = instance.command("sample-data")
    assert "admin / " in made.stdout
    assert "credentials.json" not in made.stdout
    assert "credentials.json" in instance.command("sample-data").stdout
    counted = instance.command("psql", "-Atc", "SELECT count(*) > 10 FROM movies")
    assert counted.stdout == "t\n"


@pytest.mark.parametrize("name", ["migrate", "sample-data", "verify", "psql"])
def test_commands_use_the_database_of_a_running_instance(laptop: RunningAisle, name: str) -> None:
    more = ["-c", "SELECT 1"] if name == "psql" else []
    done = laptop.command(name, *more)
    assert done.returncode == 0, done.stderr


def test_settings_are_shown_without_secrets(tmp_path: Path) -> None:
    instance = RunningAisle(tmp_path / "home", {"AISLE_ADMIN_PASSWORD": "correct-horse"})
    shown = instance.command("settings").stdout
    assert f"AISLE_PORT={instance.port}\n" in shown
    assert "AISLE_ADMIN_PASSWORD=(set)\n" in shown
    assert "correct-horse" not in shown


def test_a_mistyped_command_is_a_usage_error(tmp_path: Path) -> None:
    assert RunningAisle(tmp_path / "home", {}).command("upp").returncode == 2

"""The lines of `make test` about tests that cannot run on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import prerequisites
from tests.prerequisites import Prerequisite, lacking

SCRIPT = Path(prerequisites.__file__)
WANTED = [Prerequisite("these", ("one", "two"), "do this"), Prerequisite("those", ("three",), "do that")]


def test_no_line_is_printed_with_all_programs_present() -> None:
    assert list(lacking(WANTED, which=lambda program: f"/bin/{program}")) == []


def test_one_line_names_the_tests_the_missing_programs_and_the_remedy() -> None:
    lines = list(lacking(WANTED, which=lambda program: "/bin/two" if program == "two" else None))
    assert lines == [
        "Not tested here: these. Missing: one. To change that, do this.",
        "Not tested here: those. Missing: three. To change that, do that.",
    ]


def test_maven_is_not_needed_once_kafka_is_fetched(tmp_path: Path) -> None:
    jars = tmp_path / ".aisle-kafka" / "jars"
    jars.mkdir(parents=True)
    assert prerequisites.prerequisites(tmp_path)[0].programs == ("java", "mvn")
    (jars / "pom.sha256").touch()
    assert prerequisites.prerequisites(tmp_path)[0].programs == ("java",)


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_missing_programs_are_reported_and_fail_in_ci_only(tmp_path: Path, ci: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT],
        env={**os.environ, "PATH": os.fspath(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert "java" in done.stderr
    assert "default-jre-headless" in done.stderr
    assert "apt install chromium" in done.stderr


def test_chromium_elsewhere_is_named_by_a_setting(tmp_path: Path) -> None:
    named = {**os.environ, "PATH": os.fspath(tmp_path), "CHROMIUM": sys.executable}
    for environment, found in (({**named, "CHROMIUM": "chromium"}, False), (named, True)):
        done = subprocess.run(
            [sys.executable, "-I", "-S", SCRIPT], env=environment, capture_output=True, text=True, check=False
        )
        assert ("the site in a browser" not in done.stderr) is found

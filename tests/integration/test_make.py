"""The Makefile on machines with missing programs: it works, or names the remedy at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

PROGRAMS = ("bash", "sh", "env", "make", "awk", "rm", "mkdir", "touch", "cat", "sleep", "dirname")
"""All that the machine has besides Python: no flock, no Java, no Maven."""

PYTHON = """#!/bin/sh
case "$*" in
  *ensurepip*) exit {ensurepip};;
  "-m venv "*) mkdir -p "$3/bin"; cat "$0.venv" > "$3/bin/python"; exec chmod +x "$3/bin/python";;
esac
exec "{real}" "$@"
"""

VENV_PYTHON = """#!/bin/sh
echo "$*" >> "{calls}"
sleep 0.2
"""


class Machine:
    """A machine with a checkout on it and few programs."""

    def __init__(self, folder: Path, *, ensurepip: bool) -> None:
        self.checkout = folder / "checkout é"
        self.calls = folder / "calls"
        self._programs = folder / "bin"
        self._programs.mkdir()
        for program in (*PROGRAMS, "chmod"):
            found = shutil.which(program)
            assert found is not None, program
            (self._programs / program).symlink_to(found)
        python = self._programs / "python3"
        python.write_text(PYTHON.format(ensurepip=int(not ensurepip), real=sys.executable))
        python.chmod(0o755)
        (self._programs / "python3.venv").write_text(VENV_PYTHON.format(calls=self.calls))
        (self.checkout / "tests").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "tests/prerequisites.py"):
            shutil.copy(CHECKOUT / name, self.checkout / name)
        shutil.copytree(CHECKOUT / "requirements", self.checkout / "requirements")

    def make(self, target: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["make", "--no-print-directory", target],
            cwd=self.checkout,
            env={"PATH": os.fspath(self._programs), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def output(self, target: str, **environment: str) -> tuple[list[str], int]:
        """The lines it prints, those of make itself left out, and its exit status."""
        process = self.make(target, **environment)
        printed, _ = process.communicate(timeout=60)
        return [line for line in printed.splitlines() if not line.startswith("make: ")], process.returncode


def test_in_ci_a_missing_program_ends_make_test_before_anything_is_installed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ensurepip=True)
    lines, status = machine.output("test", CI="true")
    assert status != 0
    kafka, alerts, browser = lines
    assert alerts.startswith("Not tested here: the alert rules. Missing: promtool. To change that, ")
    assert kafka.startswith(
        "Not tested here: the tests on a real Kafka. Missing: java, mvn. To change that, "
    )
    assert browser.startswith("Not tested here: the site in a browser. Missing: chromium. To change that, ")
    assert not (machine.checkout / ".venv").exists()


def test_outside_of_ci_missing_programs_are_the_first_lines_of_make_test(tmp_path: Path) -> None:
    lines, status = Machine(tmp_path, ensurepip=False).output("test")
    assert status != 0
    assert all(line.startswith("Not tested here: ") for line in lines[:3])
    assert lines[3:] == ["python3 cannot make a venv: install python3-venv (Debian, Ubuntu), or set PYTHON=…"]


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    lines, status = Machine(tmp_path, ensurepip=True).output("install", PYTHON="python9")
    assert status != 0
    assert lines == ["Aisle needs Python 3.11 or later, and there is no python9. Install it, or set PYTHON=…"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_checkout_that_is_read_only_is_named(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ensurepip=True)
    machine.checkout.chmod(0o500)
    lines, status = machine.output("install")
    assert status != 0
    assert lines == [
        "Aisle cannot be installed: .venv here cannot be written to. Copy the checkout to a folder of yours."
    ]


def test_two_installations_at_once_are_one(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ensurepip=True)
    both = [machine.make("install") for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert sum("Installing what Aisle needs" in text for text in printed) == 1
    calls = machine.calls.read_text().splitlines()
    assert len(calls) == 2
    assert "--require-hashes --requirement requirements/run.lock" in calls[0]
    assert calls[1].endswith("--editable .")
    assert (machine.checkout / ".venv" / "installed").exists()
    assert not (machine.checkout / ".venv" / "begun").exists()

"""The limit of open files: what it allows, and that reaching it is logged."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap

import pytest
from structlog.testing import capture_logs

from runtime.open_files import COMFORTABLE, OpenFiles, raise_limit


def in_another_process(limits: tuple[int, int], program: str) -> str:
    """Returns the output of a program that runs with these limits, soft and hard."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_limit_is_raised_as_far_as_it_may() -> None:
    printed = in_another_process(
        (40, 80),
        """
        import resource
        from runtime.open_files import raise_limit
        print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))
        """,
    )
    assert printed == "80 (80, 80)\n"


def test_reaching_the_limit_is_logged_once_a_minute() -> None:
    printed = in_another_process(
        (64, 64),
        """
        import os
        from structlog.testing import capture_logs
        from runtime.open_files import OpenFiles
        files = OpenFiles(64, reserved=0)
        with capture_logs() as logs:
            files.look(0.0)
            assert logs == [], logs
            taken = []
            try:
                while True:
                    taken.append(os.dup(1))
            except OSError:
                pass
            for now in (1.0, 2.0, 60.9, 61.0, 62.0):
                files.look(now)
            os.close(taken.pop())
            files.look(200.0)
        for entry in logs:
            print(entry["event"], entry["log_level"], entry["open_files_limit"])
        """,
    )
    assert printed.splitlines() == ["open_files_limit_reached error 64"] * 2


@pytest.mark.parametrize(("limit", "level"), [(COMFORTABLE - 1, "warning"), (COMFORTABLE, "info")])
def test_the_start_logs_how_many_connections_are_allowed(limit: int, level: str) -> None:
    with capture_logs() as logs:
        OpenFiles(limit, reserved=24).log_allowed()
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("connections_allowed", level)
    assert abs(entry["connections"] - (limit - 24 - len(os.listdir("/proc/self/fd")))) <= 2


def test_no_connections_are_allowed_below_what_the_process_needs() -> None:
    with capture_logs() as logs:
        OpenFiles(1, reserved=24).log_allowed()
    assert logs[0]["connections"] == 0


def test_a_second_call_finds_the_limit_as_it_is() -> None:
    assert raise_limit() == raise_limit()

"""UTF-8 in every locale: paths, children, and output in other encodings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FORCED_TO_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

PROGRAM = """
import os, sys
from ops.encoding import use_utf8
use_utf8()
print(sys.argv[1], os.environ["VENUE"], sys.getfilesystemencoding(), sys.argv[2:])
os.mkdir(sys.argv[1])
"""


def run(environment: dict[str, str], *options: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    place = os.fspath(folder / "théâtre")
    return subprocess.run(
        [sys.executable, *options, "-c", PROGRAM, place, "-x", "two words"],
        env=os.environ | environment | {"VENUE": "Zürich"},
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "nonsense", ""])
def test_paths_and_settings_are_utf8_in_any_locale(tmp_path: Path, locale: str) -> None:
    done = run(FORCED_TO_ASCII | {"LC_ALL": locale}, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "théâtre Zürich utf-8 ['-x', 'two words']" in done.stdout.decode()
    assert (tmp_path / "théâtre").is_dir()


def test_output_in_ascii_is_written_with_backslashes(tmp_path: Path) -> None:
    done = run(FORCED_TO_ASCII | {"PYTHONIOENCODING": "ascii"}, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert rb"th\xe9\xe2tre Z\xfcrich utf-8" in done.stdout
    assert (tmp_path / "théâtre").is_dir()


def test_an_interpreter_option_against_utf8_causes_no_restart_loop(tmp_path: Path) -> None:
    done = run(FORCED_TO_ASCII, "-X", "utf8=0", folder=tmp_path)
    assert b"ascii" in done.stdout + done.stderr

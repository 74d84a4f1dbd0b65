"""`aisle prune` refuses what it is given in one line, before it opens a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.prune_command import prune
from runtime.process import CannotStart


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AISLE_HOME", str(tmp_path))
    monkeypatch.setattr("ops.database.database", lambda *_: pytest.fail("a database was opened"))


@pytest.mark.parametrize(
    ("keep", "line"),
    [
        ("0", "--keep '0': a number of days or hours with its unit"),
        ("-1d", "--keep '-1d': a number of days"),
        ("90", "--keep '90': a number of days"),
        ("1y", "--keep '1y': a number of days"),
        ("", "--keep '': a number of days"),
        ("47h", "--keep '47h': at least 48h is wanted"),
        (None, "nothing says what to keep: add --keep 90d, or set AISLE_KEEP=90d"),
    ],
)
def test_a_wrong_period_is_one_line(keep: str | None, line: str) -> None:
    with pytest.raises(CannotStart) as refusal:
        prune(keep, None, False)
    assert str(refusal.value).startswith(line)
    assert "\n" not in str(refusal.value)


def test_a_wrong_period_of_reports_is_one_line() -> None:
    with pytest.raises(CannotStart, match=r"--keep-reports '2y': a number of days"):
        prune("90d", "2y", False)

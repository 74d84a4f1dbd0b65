"""Arguments of `aisle scale`, and the table of `aisle ps`."""

from __future__ import annotations

import pytest

from ops.local.control_messages import Processes, ProcessRow, Scale
from ops.process_commands import ps, read_counts, table


def test_counts_are_read_in_any_order() -> None:
    assert read_counts(["gateways=3", "workers=4"]) == Scale(workers=4, gateways=3)
    assert read_counts(["workers=64"]) == Scale(workers=64)


@pytest.mark.parametrize(
    "arguments",
    [
        ["workers=0"],
        ["workers=-1"],
        ["workers=65"],
        ["workers=" + "9" * 5000],
        ["workers=1e3"],
        ["workers=٣"],
        ["workers="],
        ["workers"],
        ["4"],
        ["workers=2", "workers=3"],
        ["notifier=2"],
        ["postgres=2"],
        ["workers=1.0"],
        ["workers= 2"],
        ["\x1b[31m=2"],
        ["workers=\x1b[31m2"],
    ],
)
def test_anything_else_is_refused_in_one_short_line(arguments: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n\x1b]{1,120}\Z"):
        read_counts(arguments)


def test_the_table_says_what_each_process_does() -> None:
    rows = [
        ProcessRow("gateway-1", 11, 1e9, 12.34, 2**27),
        ProcessRow("seat-worker-1", 12, 1e9, 0.0, 2**26, [0, 3]),
        ProcessRow("seat-worker-2", 13, 1e9, 0.0, 2**26, []),
        ProcessRow("seat-worker-3", 14, 1e9, 0.0, 2**26),
        ProcessRow("notifier"),
    ]
    assert [line.split() for line in table(rows)[1:]] == [
        ["gateway-1", "11", "2001-09-09T01:46:40Z", "12.3%", "128", "MiB"],
        ["seat-worker-1", "12", "2001-09-09T01:46:40Z", "0.0%", "64", "MiB", "0,3"],
        ["seat-worker-2", "13", "2001-09-09T01:46:40Z", "0.0%", "64", "MiB", "stands", "by"],
        ["seat-worker-3", "14", "2001-09-09T01:46:40Z", "0.0%", "64", "MiB", "does", "not", "answer"],
        ["notifier", "-", "down,", "to", "be", "started", "again"],
    ]


@pytest.mark.parametrize(("pid", "status"), [(12, 0), (None, 1)])
def test_a_process_that_is_down_is_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pid: int | None, status: int
) -> None:
    rows = [ProcessRow("gateway-1", 11, 1e9, 1.0, 2**20), ProcessRow("notifier", pid)]
    monkeypatch.setattr("ops.process_commands.request", lambda *_: Processes(rows))
    with pytest.raises(SystemExit) as ended:
        ps(as_json=True)
    assert ended.value.code == status
    assert f'"pid":{"null" if pid is None else pid}' in capsys.readouterr().out

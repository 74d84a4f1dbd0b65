"""The reader of docs/runbooks.md, its patterns, and that each runbook of the page has a test that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.runbook_page import Command, PageError, Part, matches, read_runbooks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbooks.md").read_text()


def test_commands_are_read_with_their_output() -> None:
    seen = "**See** it\n```console\n$ a\nx\n\ny\n$ b \\\n> c\n```\n```sh\n$ no\n```\n"
    page = f"## One\n{seen}**Over** now\n```console\n$ d\n```\n"
    assert read_runbooks(page) == {
        "One": {
            Part.SEE: [Command("a", ["x", "", "y"]), Command("b \\\nc", [])],
            Part.OVER: [Command("d", [])],
        }
    }


@pytest.mark.parametrize(
    "page", ["## One\n```console\n$ a\n```\n", "## One\n**See**\n```console\nx\n```\n", "```console\n"]
)
def test_a_page_that_is_no_runbook_is_refused(page: str) -> None:
    with pytest.raises(PageError):
        read_runbooks(page)


@pytest.mark.parametrize(
    ("pattern", "printed", "same"),
    [
        (["lag  …"], "lag 17\n", True),
        (["lag  …"], "log 17\n", False),
        (["lag  0"], "lag 07\n", False),
        (["lag 0"], "lag 0\nlag 1\n", False),
        (["lag 0", "…"], "lag 0\nlag 1\nlag 2\n", True),
        (["lag 0", "…"], "lag 0\n", True),
        (["lag …"], "lag 1\nlag 2\n", False),
        (["-----+---"], "---+--------\n", True),
        (["-----+---"], "---+--\n", False),
        ([" a", ""], "   a\n\n", True),
        ([" a"], "   a\n\n", False),
        ([], "", True),
        ([], "error\n", False),
        (["a.c"], "abc\n", False),
    ],
)
def test_a_pattern_matches_only_what_it_says(pattern: list[str], printed: str, same: bool) -> None:
    assert matches(pattern, printed) is same


def test_every_runbook_is_run_by_a_test() -> None:
    runbooks = read_runbooks(PAGE)
    assert len(runbooks) == 12
    tests = (ROOT / "tests" / "e2e" / "test_runbooks.py").read_text()
    assert [title for title in runbooks if f'"{title}"' not in tests] == []
    assert [title for title, parts in runbooks.items() if not {Part.SEE, Part.OVER} <= parts.keys()] == []

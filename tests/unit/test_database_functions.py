"""Database functions are versioned by name: a migration never replaces one, and a release calls only versioned ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.migrations import Migration, read_migrations

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("gateway", "seat_workers", "notifier", "webhooks", "runtime", "ops", "tickets", "loadtest")

SINCE = 10
"""The migration that gave versions to what there was."""

_MADE = re.compile(
    r"\bCREATE\s+(?P<replace>OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE|AGGREGATE)\s+(?:public\.)?(?P<made>\w+)"
    r"|\bALTER\s+(?:FUNCTION|PROCEDURE)\s+(?P<old>\w+)[^;]*?\bRENAME\s+TO\s+(?P<new>\w+)"
    r"|\bDROP\s+(?:FUNCTION|PROCEDURE)\s+(?:IF\s+EXISTS\s+)?(?:public\.)?(?P<dropped>\w+)",
    re.IGNORECASE,
)
_VERSIONED = re.compile(r"\w+_v[1-9]\d*\Z")
_COMMENT = re.compile(r"--[^\n]*")


def faults(migrations: list[Migration]) -> list[str]:
    """Returns the faults of the functions in these migrations."""
    found = []
    ever: set[str] = set()
    there: set[str] = set()
    for migration in migrations:
        for match in _MADE.finditer(_COMMENT.sub("", migration.sql)):
            name = (match["made"] or match["new"] or match["dropped"]).lower()
            if match["dropped"]:
                there.discard(name)
                continue
            if match["old"]:
                old = match["old"].lower()
                there.discard(old)
                if _VERSIONED.match(old):
                    found.append(f"{migration.name} renames {old}")
            if match["replace"]:
                found.append(f"{migration.name} replaces {name}")
            elif _VERSIONED.match(name) and name in ever:
                found.append(f"{migration.name} makes {name} again")
            elif not _VERSIONED.match(name) and migration.number > SINCE:
                found.append(f"{migration.name} makes {name}, which has no version")
            ever.add(name)
            there.add(name)
    return found


def names(migrations: list[Migration]) -> set[str]:
    """Every name that a function has had."""
    found: set[str] = set()
    for migration in migrations:
        for match in _MADE.finditer(_COMMENT.sub("", migration.sql)):
            found |= {name.lower() for name in (match["made"], match["old"], match["new"]) if name}
    return found


def calls(source: str, functions: set[str]) -> Iterator[str]:
    """The calls of these functions in the strings of a Python file."""
    wanted = re.compile(rf"\b({'|'.join(sorted(functions))})\s*\(", re.IGNORECASE)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (match[1].lower() for match in wanted.finditer(node.value))


def test_no_migration_replaces_a_function_or_makes_one_without_a_version() -> None:
    assert faults(read_migrations()) == []


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("CREATE OR REPLACE FUNCTION commit_batch_v1() RETURNS void", "0011_x.sql replaces commit_batch_v1"),
        (
            "DROP FUNCTION commit_batch_v1; CREATE FUNCTION commit_batch_v1()",
            "0011_x.sql makes commit_batch_v1 again",
        ),
        ("create function\n  fold_text_v1(text, text)", "0011_x.sql makes fold_text_v1 again"),
        ("CREATE FUNCTION public.move_hold()", "0011_x.sql makes move_hold, which has no version"),
        ("CREATE FUNCTION tell() RETURNS trigger", "0011_x.sql makes tell, which has no version"),
        ("ALTER FUNCTION fold_text_v1 RENAME TO fold_text_v2", "0011_x.sql renames fold_text_v1"),
        ("ALTER FUNCTION fold_text(text) RENAME TO fold_text_v1", "0011_x.sql makes fold_text_v1 again"),
    ],
)
def test_a_replaced_or_unversioned_function_is_found(sql: str, fault: str) -> None:
    assert faults([*read_migrations()[:SINCE], Migration(11, "0011_x.sql", sql)]) == [fault]


def test_a_new_version_beside_the_old_and_a_contraction_are_fine() -> None:
    later = Migration(11, "0011_x.sql", "CREATE FUNCTION commit_batch_v2() …; DROP FUNCTION commit_batch")
    assert faults([*read_migrations()[:SINCE], later]) == []


def test_the_code_calls_versioned_functions_only() -> None:
    functions = names(read_migrations())
    called = set()
    for package in PACKAGES:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            for name in calls(path.read_text(encoding="utf-8"), functions):
                assert _VERSIONED.match(name), (
                    f"{path.relative_to(CHECKOUT)} calls {name}, which has no version"
                )
                called.add(name)
    assert {"commit_batch_v2", "append_records_v1", "report_moves_v2", "fold_text_v1"} <= called


def test_a_call_without_a_version_is_found() -> None:
    functions = names(read_migrations())
    assert list(calls('A = f"SELECT commit_batch ({B})"', functions)) == ["commit_batch"]
    assert list(calls('A = "SELECT Append_Records("', functions)) == ["append_records"]
    assert list(calls('A = "SELECT commit_batch_v1("', functions)) == ["commit_batch_v1"]

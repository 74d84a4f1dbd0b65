"""Migrations expand before they contract, and run beside a selling instance: checked by squawk."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from ops.migrations import read_migrations
from tests.unit.test_imports import CHECKOUT

FOLDER = CHECKOUT / "schemas/sql"
SQUAWK = Path(sys.executable).with_name("squawk")

NOT_OURS = {
    "prefer-bigint-over-int": "ids of shows and numbers of seats are int in messages as well",
    "prefer-bigint-over-smallint": "the number of the rules",
    "require-statement-timeout": "it may take long; it waits for no lock longer than its lock_timeout",
}
"""Rules that are not applied, and why."""

_NO_RETRY = "since 0017 `aisle migrate` tries again; before it a stop was part of an upgrade"
_SHORT = "made while an upgrade meant a stop; now a migration of its own, outside of a busy table, is wanted"
ACCEPTED: Mapping[str, Mapping[str, str]] = {
    "0001_catalogue.sql": {"require-lock-timeout": "the first tables: nothing runs yet"},
    "0002_writers.sql": {
        "require-lock-timeout": "the first tables: nothing runs yet",
        "ban-char-field": 'the type "char" of one byte, not char(n)',
    },
    "0003_notifier.sql": {"require-lock-timeout": "the first tables: nothing runs yet"},
    "0004_log.sql": {"require-lock-timeout": "the first tables: nothing runs yet"},
    "0006_reports.sql": {"require-lock-timeout": _NO_RETRY},
    "0007_catalogue_memory.sql": {
        "require-lock-timeout": _NO_RETRY,
        "adding-field-with-default": "the default is made of other columns, in a table of layouts, which is small",
    },
    "0008_lighter_commits.sql": {
        "require-lock-timeout": _NO_RETRY,
        "ban-drop-function": "functions had no versions yet",
        "require-concurrent-index-creation": _SHORT,
        "require-concurrent-index-deletion": _SHORT,
    },
    "0009_append_records.sql": {
        "require-lock-timeout": _NO_RETRY,
        "renaming-object": "functions had no versions yet",
    },
    "0010_versioned_functions.sql": {
        "require-lock-timeout": _NO_RETRY,
        "renaming-object": "functions get a version; the unversioned names stay beside them",
    },
    "0011_rules.sql": {
        "require-lock-timeout": _NO_RETRY,
        "require-concurrent-index-creation": _SHORT,
        "require-concurrent-index-deletion": _SHORT,
    },
    "0012_accounts.sql": {
        "require-lock-timeout": _NO_RETRY,
        "require-concurrent-index-creation": _SHORT,
        "ban-drop-constraint": "a check that allows more kinds takes the place of the one before",
        "constraint-missing-not-valid": "letters_wanted has only what is not taken yet, a few rows",
    },
    "0013_listed_prices.sql": {"require-lock-timeout": _NO_RETRY},
    "0015_changed_bookings.sql": {
        "require-lock-timeout": _NO_RETRY,
        "require-concurrent-index-creation": _SHORT,
        "require-concurrent-index-deletion": _SHORT,
    },
    "0016_session_cookies.sql": {"require-lock-timeout": _NO_RETRY},
    "0017_log_by_time.sql": {"renaming-table": "a partitioned table takes the name in the same transaction"},
    "0018_decisions_by_time.sql": {
        "renaming-table": "a partitioned table takes the name in the same transaction"
    },
    "0025_deliveries.sql": {
        "require-concurrent-index-creation": "a transaction cannot; the indexes have few rows or none, and are made in "
        "one pass each, while notifiers wait and nobody who books does"
    },
    "0022_emails.sql": {
        "ban-drop-constraint": "a check that allows more kinds takes the place of the one before",
        "constraint-missing-not-valid": "letters_wanted has only what is not taken yet, a few rows",
    },
    "0021_customer_days_by_day.sql": {
        "renaming-table": "a partitioned table takes the name in the same transaction"
    },
}
"""What squawk finds and we accept, by file, with the reason. Earlier files cannot change any more; before a new one is
added here, it is divided: expand, and contract in a later release, with `-- contract: NNNN` as its first line."""


class Finding(msgspec.Struct):
    """What squawk reports."""

    file: str
    rule_name: str


def findings(folder: Path) -> dict[str, set[str]]:
    """The rules that each file of a folder breaks."""
    done = subprocess.run(
        [
            SQUAWK, "--pg-version", "18", "--assume-in-transaction", "--reporter", "json",
            *(f"--exclude={rule}" for rule in NOT_OURS), *sorted(folder.glob("*.sql")),
        ],
        capture_output=True,
        check=False,
        timeout=60,
    )  # fmt: skip
    found: dict[str, set[str]] = defaultdict(set)
    for one in msgspec.json.decode(done.stdout, type=list[Finding]):
        found[Path(one.file).name].add(one.rule_name)
    return found


def test_migrations_are_safe_beside_a_running_release() -> None:
    assert findings(FOLDER) == {name: set(rules) for name, rules in ACCEPTED.items()}


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE shows DROP COLUMN screen_name;", "ban-drop-column"),
        ("ALTER TABLE shows RENAME COLUMN screen_name TO screen;", "renaming-column"),
        ("ALTER TABLE shows ADD COLUMN hall text NOT NULL;", "adding-required-field"),
        ("CREATE INDEX bookings_total ON bookings (total);", "require-concurrent-index-creation"),
        ("DROP TABLE deliveries;", "ban-drop-table"),
    ],
)
def test_a_contraction_or_a_long_lock_is_found(tmp_path: Path, sql: str, rule: str) -> None:
    (tmp_path / "0099_unsafe.sql").write_text(f"SET LOCAL lock_timeout = '500ms';\n{sql}\n")
    assert rule in findings(tmp_path)["0099_unsafe.sql"]


def test_a_contract_names_a_migration_that_exists_by_then() -> None:
    migrations = read_migrations()
    assert all(one.contract <= one.number for one in migrations)
    assert all("-- contract:" not in one.sql or one.contract for one in migrations), "it is the first line"

"""Outstanding and invalid migrations."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.migrations import Migration, WrongMigration, outstanding, read_migrations

ONE = Migration(1, "0001_one.sql", "SELECT 1")
TWO = Migration(2, "0002_two.sql", "SELECT 2")
THREE = Migration(3, "0003_three.sql", "SELECT 3")


def applied(*migrations: Migration) -> list[tuple[int, str, str]]:
    return [(migration.number, migration.name, migration.checksum) for migration in migrations]


def test_files_that_are_not_applied_are_outstanding_in_order() -> None:
    assert outstanding([ONE, TWO, THREE], applied(ONE)) == [TWO, THREE]
    assert outstanding([ONE, TWO], applied(ONE, TWO)) == []


def test_an_applied_file_that_is_missing_is_named() -> None:
    with pytest.raises(WrongMigration, match=r"0002_two\.sql .* no such file"):
        outstanding([ONE, THREE], applied(ONE, TWO))


def test_an_applied_file_that_has_changed_is_named() -> None:
    with pytest.raises(WrongMigration, match=r"0001_one\.sql has changed"):
        outstanding([Migration(1, "0001_one.sql", "SELECT 2")], applied(ONE))


def test_a_new_file_before_an_applied_one_is_named() -> None:
    with pytest.raises(WrongMigration, match=r"0002_two\.sql is new"):
        outstanding([ONE, TWO, THREE], applied(ONE, THREE))


def test_files_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for migration in (TWO, ONE):
        (tmp_path / migration.name).write_text(migration.sql)
    (tmp_path / "README").write_text("not one")
    assert read_migrations(tmp_path) == [ONE, TWO]


@pytest.mark.parametrize("name", ["0001_other.sql", "3_three.sql", "0003-three.sql"])
def test_two_files_of_one_number_and_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / ONE.name).write_text(ONE.sql)
    (tmp_path / name).write_text(ONE.sql)
    with pytest.raises(WrongMigration, match=name.replace(".", r"\.")):
        read_migrations(tmp_path)


def test_the_numbers_of_our_own_migrations_leave_no_gap() -> None:
    migrations = read_migrations()
    assert [migration.number for migration in migrations] == list(range(1, len(migrations) + 1))

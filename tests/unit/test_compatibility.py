"""Releases beside the tables of another one: pure comparison of their migrations."""

from __future__ import annotations

from ops.compatibility import Compatibility, compare
from ops.migrations import Migration

ONE, TWO, THREE = (
    Migration(1, "0001_one.sql", "CREATE TABLE one (n int)"),
    Migration(2, "0002_two.sql", "CREATE TABLE two (n int)"),
    Migration(
        3, "0003_three.sql", "-- contract: 0002\n-- Column m is used no more.\nALTER TABLE one DROP COLUMN m"
    ),
)


def applied(*migrations: Migration) -> list[tuple[int, str, str, int]]:
    return [(one.number, one.name, one.checksum, one.contract) for one in migrations]


def test_a_release_runs_beside_its_own_tables() -> None:
    assert compare([ONE, TWO], applied(ONE, TWO)) == Compatibility(
        True, "the tables are those of this release, up to 0002_two.sql", "0002_two.sql", "0002_two.sql"
    )


def test_a_release_does_not_run_before_its_migrations() -> None:
    found = compare([ONE, TWO], applied(ONE))
    assert (found.may_run, found.tables) == (False, "0001_one.sql")
    assert found.line == "0002_two.sql has not been applied: run `aisle migrate` of this release first"
    assert compare([ONE], []) == Compatibility(
        False, "there are no tables yet: run `aisle migrate`", "0001_one.sql", None
    )


def test_a_release_runs_beside_tables_that_a_later_one_has_expanded() -> None:
    found = compare([ONE], applied(ONE, TWO))
    assert found.may_run
    assert "of a later release, up to 0002_two.sql" in found.line


def test_a_release_does_not_run_beside_tables_that_lack_what_it_uses() -> None:
    assert THREE.contract == 2
    found = compare([ONE], applied(ONE, TWO, THREE))
    assert not found.may_run
    assert found.line.endswith("lack what this one uses: run a release that has migration 0002")
    assert compare([ONE, TWO], applied(ONE, TWO, THREE)).may_run
    assert compare([ONE, TWO, THREE], applied(ONE, TWO, THREE)).may_run


def test_an_expansion_after_a_contraction_does_not_hide_it() -> None:
    four = Migration(4, "0004_four.sql", "CREATE TABLE four (n int)")
    assert not compare([ONE], applied(ONE, TWO, THREE, four)).may_run


def test_another_file_under_a_known_number_is_an_error() -> None:
    other = Migration(2, "0002_other.sql", "SELECT 1")
    found = compare([ONE, TWO, THREE], applied(ONE, other, THREE))
    assert not found.may_run
    assert "0002_two.sql has changed" in found.line


def test_a_contract_with_a_migration_of_its_own_release_counts_only_for_earlier_ones() -> None:
    """The columns of 0003 are used from 0003 on: only releases that have 0003 run beside it."""
    strict = Migration(3, "0003_three.sql", "-- contract: 0003\nALTER TABLE one RENAME COLUMN n TO m")
    assert not compare([ONE, TWO], applied(ONE, TWO, strict)).may_run
    assert compare([ONE, TWO, strict], applied(ONE, TWO, strict)).may_run


def test_a_line_further_down_is_no_contract() -> None:
    assert Migration(5, "0005_five.sql", "-- Five.\n-- contract: 0004\nSELECT 1").contract == 0

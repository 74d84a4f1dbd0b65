"""Check whether this release may run beside the tables of a database, of another release or of its own.

Migrations expand: a release runs beside the tables of a later one, which only has more. One that removes what an
earlier release uses says so in its first line, `-- contract: 0019`: beside it run only releases that have 0019. That
number is stored with it, so that an earlier release, which does not have the file, can read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import asyncpg
import msgspec

from ops.migrations import Migration, WrongMigration, outstanding
from runtime import postgres

# By way of JSON: the column is missing where only earlier releases have migrated.
_APPLIED = """
SELECT number, name, checksum, coalesce((to_jsonb(m) ->> 'contract')::int, 0) AS contract
  FROM schema_migrations m ORDER BY number"""


class Compatibility(msgspec.Struct, frozen=True):
    """The result. `line` gives the reason, and what to do where the release may not run."""

    may_run: bool
    line: str
    release: str
    """The last migration of this release."""
    tables: str | None
    """The last migration that was applied to the database."""


def compare(migrations: Sequence[Migration], applied: Iterable[tuple[int, str, str, int]]) -> Compatibility:
    """Compares the migrations of this release with the applied ones: number, name, checksum, contract."""
    rows = sorted(applied)
    release = migrations[-1]
    tables = rows[-1][1] if rows else None

    def result(may_run: bool, line: str) -> Compatibility:
        return Compatibility(may_run, line, release.name, tables)

    if tables is None:
        return result(False, "there are no tables yet: run `aisle migrate`")
    later = [row for row in rows if row[0] > release.number]
    try:
        missing = outstanding(migrations, [row[:3] for row in rows if row[0] <= release.number])
    except WrongMigration as error:
        return result(False, f"{error}")
    if missing:
        return result(
            False, f"{missing[0].name} has not been applied: run `aisle migrate` of this release first"
        )
    if not later:
        return result(True, f"the tables are those of this release, up to {tables}")
    # A contract with this release does not exclude it, whichever file of a later release says so.
    needed = max(row[3] for row in later)
    if needed > release.number:
        return result(
            False,
            f"the tables are of a later release, up to {tables}, and lack what this one uses: run a release that has"
            f" migration {needed:04d}",
        )
    return result(
        True,
        f"the tables are of a later release, up to {tables}, and have all that this one uses, up to {release.name}",
    )


async def check(url: str, migrations: Sequence[Migration]) -> Compatibility:
    """Compares this release with a database. Changes nothing. Raises DatabaseUnavailable."""
    connection = await postgres.connect(url, "aisle migrate --check")
    try:
        rows = [tuple(row) for row in await connection.fetch(_APPLIED)]
    except asyncpg.UndefinedTableError:
        rows = []
    finally:
        await connection.close()
    return compare(migrations, rows)

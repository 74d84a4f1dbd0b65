"""Migrations: the numbered files of `schemas/sql`, each applied once, in one transaction, in order.

An applied file must not change; a later one corrects its errors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg
import msgspec
import structlog

from ops.retention.parts import remove_constraints_of_killed_run
from runtime import postgres
from runtime.process import CannotStart
from runtime.retries import Retry, retry

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")
_CONTRACT = re.compile(r"-- contract: (\d{4})\n")

_LOCK = 0x6169736C65  # "aisle"

_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    contract   integer     NOT NULL DEFAULT 0
)"""
# Once, where an earlier release made the table: it would wait for a backup that reads it.
_HAS_CONTRACT = """
SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'schema_migrations'::regclass AND attname = 'contract')"""
_ADD_CONTRACT = "ALTER TABLE schema_migrations ADD COLUMN contract integer NOT NULL DEFAULT 0"
_APPLIED = "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
_RECORD = "INSERT INTO schema_migrations (number, name, checksum, contract) VALUES ($1, $2, $3, $4)"

_LOCK_RETRY_S = 0.5
_LOCKED_S = 60.0
"""Seconds for which a migration that sets a `lock_timeout` is repeated while a table is in use."""

_log = structlog.get_logger()


class WrongMigration(CannotStart):
    """The files do not match the migrations that the database has. The message names the file."""


class Migration(msgspec.Struct, frozen=True):
    """A migration file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def contract(self) -> int:
        """The migration that a release needs to run beside this one: its first line, `-- contract: 0019`. 0: none."""
        match = _CONTRACT.match(self.sql)
        return int(match[1]) if match else 0


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """Returns the migrations in a folder (those of Aisle by default), in order. Raises WrongMigration."""
    found: dict[int, Migration] = {}
    for file in (folder or files("schemas") / "sql").iterdir():
        if not file.name.endswith(".sql"):
            continue
        if (match := _NAME.match(file.name)) is None:
            raise WrongMigration(f"{file.name}: a migration is named like 0007_waiting_list.sql")
        number = int(match[1])
        if number in found:
            raise WrongMigration(f"{file.name} has the same number as {found[number].name}")
        found[number] = Migration(number, file.name, file.read_text(encoding="utf-8"))
    return [found[number] for number in sorted(found)]


def outstanding(
    migrations: Sequence[Migration], applied: Iterable[tuple[int, str, str]]
) -> Sequence[Migration]:
    """Returns those of `migrations` that are not among the `applied` (number, name, checksum).

    Raises WrongMigration where an applied one is missing, has changed, or comes after one that is not.
    """
    known = {migration.number: migration for migration in migrations}
    last = 0
    for number, name, checksum in applied:
        migration = known.pop(number, None)
        if migration is None:
            raise WrongMigration(f"{name} has been applied to this database, but there is no such file")
        if migration.checksum != checksum:
            raise WrongMigration(f"{migration.name} has changed since it was applied; add a new one instead")
        last = number
    for migration in known.values():
        if migration.number < last:
            raise WrongMigration(f"{migration.name} is new, yet {last:04d} has been applied; number it later")
    return sorted(known.values(), key=lambda migration: migration.number)


async def migrate(url: str, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Applies the outstanding migrations and returns their names.

    Each file is one transaction together with its record; a lock serialises concurrent runs. Raises WrongMigration,
    also for an error of PostgreSQL.
    """
    if migrations is None:
        migrations = read_migrations()
    connection = await postgres.connect(url, "aisle migrate", statement_timeout_s=0)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_CREATE)
        if not await connection.fetchval(_HAS_CONTRACT):
            await connection.execute(_ADD_CONTRACT)
        applied = [tuple(row) for row in await connection.fetch(_APPLIED)]
        names = []
        for migration in outstanding(migrations, applied):
            await _apply(connection, migration)
            names.append(migration.name)
        await remove_constraints_of_killed_run(connection)
        return names
    finally:
        await connection.close()  # releases the lock


async def _apply(connection: postgres.Connection, migration: Migration) -> None:
    def log_retry(failed: Retry) -> None:
        _log.info("migration_waits_for_a_table", migration=migration.name, attempt=failed.attempt)

    async def attempt() -> None:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                _RECORD, migration.number, migration.name, migration.checksum, migration.contract
            )

    try:
        await retry(
            attempt,
            asyncpg.LockNotAvailableError,
            first_s=_LOCK_RETRY_S,
            longest_s=_LOCK_RETRY_S,
            give_up_s=_LOCKED_S,
            on_retry=log_retry,
        )
    except asyncpg.LockNotAvailableError:
        raise WrongMigration(
            f"{migration.name}: a long query keeps a table for itself, such as that of `aisle verify`; nothing was"
            " changed: run `aisle migrate` again when it is done"
        ) from None
    except asyncpg.PostgresError as error:
        raise WrongMigration(f"{migration.name}: {error}") from error

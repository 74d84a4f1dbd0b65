"""`aisle backup`: one consistent dump of the database while Aisle sells, the keys of the home, and a manifest."""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ops.backup import programs
from ops.backup.manifest import (
    DUMP,
    FORMAT,
    HOME_FILES,
    MANIFEST,
    BackupError,
    Manifest,
    PartitionState,
    describe_files,
)
from ops.local.keys import write_private
from runtime import postgres
from runtime.log import LogIdentity
from runtime.log.opening import BOUND

_PARTITIONS = "SELECT partition, next_offset FROM partitions ORDER BY partition"
_MIGRATION = "SELECT name FROM schema_migrations ORDER BY number DESC LIMIT 1"
_TABLES = "SELECT to_regclass('schema_migrations') IS NOT NULL AND to_regclass('log_identity') IS NOT NULL"


def back_up(database_url: str, home: Path, folder: Path) -> Manifest:
    """Makes a backup in a new folder, which appears under its name once it is complete. Raises BackupError."""
    folder = folder.absolute()
    _check_free(folder)
    partial = folder.with_name(f"{folder.name}.partial")
    _make_private(partial)
    try:
        for name in HOME_FILES:
            if (home / name).exists():
                write_private(partial / name, (home / name).read_bytes())
        log, migration, partitions = asyncio.run(_dump(database_url, partial / DUMP))
        manifest = Manifest(
            format=FORMAT,
            made_at=datetime.now(UTC).replace(microsecond=0),
            migration=migration,
            log=log,
            partitions=partitions,
            files=describe_files(partial, (DUMP, *HOME_FILES)),
        )
        write_private(partial / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        for path in (partial / DUMP, partial):
            _flush(path)
        if folder.exists():
            folder.rmdir()  # it was empty
        partial.rename(folder)
        _flush(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


async def _dump(database_url: str, file: Path) -> tuple[LogIdentity, str, list[PartitionState]]:
    """Dumps from a snapshot; returns the log, the last migration and the partitions of that same snapshot."""
    connection = await postgres.connect(database_url, "aisle backup", statement_timeout_s=0)
    try:
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if not await connection.fetchval(_TABLES):
                raise BackupError(
                    "this database has no tables of Aisle; `aisle up` or `aisle migrate` makes them"
                )
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            bound = await connection.fetchrow(BOUND)
            if bound is None:
                raise BackupError(
                    "this database belongs to no log yet; `aisle up` or `aisle migrate` makes one"
                )
            migration = await connection.fetchval(_MIGRATION)
            partitions = [PartitionState(*row) for row in await connection.fetch(_PARTITIONS)]
            await programs.dump(database_url, snapshot, file)
    finally:
        await connection.close()
    return LogIdentity(**bound), migration, partitions


def _check_free(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise BackupError(f"{folder} exists already; name a new folder for each backup")


def _make_private(folder: Path) -> None:
    """Creates the folder for its owner only: a dump has e-mail addresses and password hashes."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise BackupError(
            f"{folder} exists: another backup runs, or one was killed; remove that folder if none runs"
        ) from None


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

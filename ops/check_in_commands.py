"""The commands for the door: `aisle checkin list` and `aisle checkin offline`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ops.command_line import command_settings

if TYPE_CHECKING:
    from ops.check_in.offline import MergedScan
    from ops.check_in.scanner_list import ScannerList


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the `aisle` command."""
    check_in_app = typer.Typer(help="Tickets at the door.", no_args_is_help=True)
    check_in_app.command("list")(list_tickets)
    check_in_app.command()(offline)
    app.add_typer(check_in_app, name="checkin")


def list_tickets(
    show: Annotated[int, typer.Option(min=1, max=2**31 - 1, help="Id of the show.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for a scanner.")] = False,
) -> None:
    """Show the valid tickets of a show, which of them are used, and the public keys."""
    from ops.check_in.keys import keys_of
    from ops.check_in.scanner_list import list_lines, scanner_list
    from ops.database import database
    from runtime import postgres

    settings = command_settings()

    async def read(url: str) -> ScannerList:
        connection = await postgres.connect(url, "aisle checkin")
        try:
            return await scanner_list(connection, keys_of(settings).public, show)
        finally:
            await connection.close()

    with database(settings, "checkin list") as url:
        found = asyncio.run(read(url))
    print(msgspec.json.encode(found).decode() if as_json else "\n".join(list_lines(found)))


def offline(
    file: Annotated[Path, typer.Argument(help="Late scans as JSON, one on each line; - for standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """Check in the tickets that devices scanned without a connection. Exit status 1 if one was not valid."""
    from ops.check_in.keys import keys_of
    from ops.check_in.offline import OfflineScans, merged_lines
    from ops.check_in.scan_file import read_scans
    from ops.database import database
    from ops.logs import bound_log
    from runtime import postgres

    settings = command_settings()
    scans = read_scans(file)

    async def merge(url: str) -> list[MergedScan]:
        async with bound_log(settings, url, create=False) as log:
            connection = await postgres.connect(url, "aisle checkin")
            try:
                return await OfflineScans(connection, log, keys_of(settings).public).merge(scans)
            finally:
                await connection.close()

    with database(settings, "checkin offline") as url:
        results = asyncio.run(merge(url))
    print(msgspec.json.encode(results).decode() if as_json else "\n".join(merged_lines(results)))
    sys.exit(0 if all(one.result == "valid" for one in results) else 1)

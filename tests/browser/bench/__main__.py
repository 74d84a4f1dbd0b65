"""`python -m tests.browser.bench`: measures the site, prints the table, writes the runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import typer
from rich.console import Console

from loadtest.bench.accounts import add_accounts
from loadtest.bench.homes import new_home
from loadtest.bench.processes import raise_open_files
from loadtest.bench.report.machine import describe
from loadtest.client import Client, SetupError
from loadtest.instance import instance_on
from tests.browser.bench.crowded import changes, watched
from tests.browser.bench.drawing import many_changes, panning
from tests.browser.bench.figures import Results, Run, print_table
from tests.browser.bench.loading import Measured, big_map, landing_page, usual_map
from tests.browser.bench.stage import Stage
from tests.browser.chromium import chromium

CUSTOMERS = 64
CASES: dict[str, Callable[[Stage], Awaitable[Measured]]] = {
    "landing": landing_page,
    "map-5000": usual_map,
    "map-100000": big_map,
    "panning": panning,
    "changes-1000": many_changes,
    "watched": watched,
    "change": changes,
}

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each case.")] = 5,
    only: Annotated[list[str] | None, typer.Option(help=f"Only this case: {', '.join(CASES)}.")] = None,
) -> None:
    """Measures the site in Chromium on this machine, with all of Aisle beside it."""
    console = Console(highlight=False)
    raise_open_files()
    wanted = only or [*CASES]
    try:
        if unknown := sorted({*wanted} - {*CASES}):
            raise SetupError(f"unknown case {unknown[0]!r}; known: {', '.join(CASES)}")
        results = asyncio.run(_measure(wanted, rounds, console))
    except (SetupError, FileNotFoundError) as error:
        raise SystemExit(f"bench: {error}") from None
    print_table(results, console)
    console.print(f"written to {os.path.relpath(results.write())}")


async def _measure(wanted: Sequence[str], rounds: int, console: Console) -> Results:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    runs: list[Run] = []
    with new_home(keep=False) as home:
        machine = describe(home)
        console.print("starting Aisle on a new home …")
        async with instance_on(home, kafka=False) as first:
            await _note_commit_times(str(first.settings.database_url))
        async with AsyncExitStack() as stack:
            instance = await stack.enter_async_context(instance_on(home, kafka=False))
            browser = await stack.enter_async_context(chromium())
            client = await stack.enter_async_context(Client(instance.host, instance.port))
            accounts = await add_accounts(instance.settings, CUSTOMERS)
            stage = Stage(instance, browser, accounts, client)
            for number in range(1, rounds + 1):
                for name in wanted:
                    console.print(f"round {number} of {rounds}, {name}: ", end="")
                    figures, raw = await CASES[name](stage)
                    runs.append(Run(case=name, round=number, figures=figures, raw=raw))
                    console.print(", ".join(f"{key} {value:,.3g}" for key, value in figures.items()))
            return Results(at=at, machine=machine, browser=f"Chromium {browser.version}", runs=runs)


async def _note_commit_times(database_url: str) -> None:
    """Has PostgreSQL note when each transaction was committed, from its next start on."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    finally:
        await connection.close()


if __name__ == "__main__":
    app()

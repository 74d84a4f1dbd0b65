"""The commands for the partitions of the log: `aisle partitions`, and its `add`, `reserve` and `release`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from ops.command_line import command_settings, wrong_usage
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.log import Log

T = TypeVar("T")

# A number such as -1 is for us to refuse, not an option.
_NUMBERS = {"ignore_unknown_options": True}


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the `aisle` command."""
    partitions_app = typer.Typer(help="Partitions of the log.", invoke_without_command=True)
    partitions_app.callback()(show)
    partitions_app.command(context_settings=_NUMBERS)(add)
    partitions_app.command(context_settings=_NUMBERS)(reserve)
    partitions_app.command(context_settings=_NUMBERS)(release)
    app.add_typer(partitions_app, name="partitions")


def show(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False
) -> None:
    """Show owner, epoch, lag, rate and shows of each partition. Others add partitions, or reserve one."""
    if context.invoked_subcommand is not None:
        return
    from ops.partitions.state import read_partitions, table

    found = _with_log(read_partitions)
    print(msgspec.json.encode(found).decode() if as_json else "\n".join(table(found)))


def add(count: Annotated[str, typer.Argument(help="How many more, such as 4.")]) -> None:
    """Add partitions while Aisle sells. New shows are placed on them; no show moves."""
    from ops.partitions.changes import add as add_partitions
    from ops.partitions.changes import are_taken

    number = _number(count, least=1)

    async def add_and_wait(database: Any, log: Log) -> tuple[range, bool]:
        added = await add_partitions(database, log, number)
        return added, await are_taken(database, added)

    added, taken = _with_log(add_and_wait)
    one = number == 1
    which = f"Partition {added[0]} is" if one else f"Partitions {added[0]} to {added[-1]} are"
    if taken:
        print(f"{which} added and {'has' if one else 'have'} a seat worker.")
    elif one:
        print(f"{which} added, without a seat worker: it gets new shows once it has one.")
    else:
        print(f"{which} added, not all with a seat worker: they get new shows once they have one.")


def reserve(partition: Annotated[str, typer.Argument(help="Number of the partition.")]) -> None:
    """Keep a partition for a coming show: no show is placed on it unless staff name it."""
    from ops.partitions.changes import reserve as reserve_partition

    number = _number(partition, least=0)
    _with_log(lambda database, log: reserve_partition(database, log, number))
    print(f'Partition {number} is reserved: POST /api/shows with "partition": {number} places a show on it.')


def release(partition: Annotated[str, typer.Argument(help="Number of the partition.")]) -> None:
    """Open a reserved partition to all new shows again."""
    from ops.partitions.changes import release as release_partition

    number = _number(partition, least=0)
    _with_log(lambda database, log: release_partition(database, log, number))
    print(f"Partition {number} is open to all new shows.")


def _with_log(work: Callable[[Any, Any], Awaitable[T]]) -> T:
    """Returns the result of `work`, called with a connection to the database and the log."""
    import asyncpg

    from ops.database import database
    from runtime.process import CannotStart

    settings = command_settings()

    async def run(url: str) -> T:
        async with _opened(settings, url) as opened:
            return await work(*opened)

    with database(settings, "partitions") as url:
        try:
            return asyncio.run(run(url))
        except asyncpg.UndefinedTableError:
            raise CannotStart("the database lacks tables of this release: run `aisle migrate`") from None


@asynccontextmanager
async def _opened(settings: Settings, url: str) -> AsyncIterator[tuple[Any, Any]]:
    from ops.logs import bound_log
    from runtime import postgres

    async with bound_log(settings, url, create=False) as log:
        connection = await postgres.connect(url, "aisle partitions")
        try:
            yield connection, log
        finally:
            await connection.close()


def _number(text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) >= least):
        wrong_usage(f"{text[:40]!r}: a whole number from {least} on is wanted")
    return int(text)

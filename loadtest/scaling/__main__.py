"""`python -m loadtest.scaling`: scales and restarts an Aisle on Kafka under load, and counts what clients notice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from loadtest.bench.accounts import add_accounts
from loadtest.bench.processes import raise_open_files
from loadtest.client import SetupError
from loadtest.instance import Instance, new_instance, verify
from loadtest.scaling.instance import (
    CommandFailed,
    aisle,
    make_shows,
    processes,
    stored_bookings,
    supervisor_output,
)
from loadtest.scaling.load import BookingLoad, Show
from loadtest.scaling.pauses import Operation, pauses

SEATS = 60_000
"""Of each show; there is one on each partition."""
CUSTOMERS = 64
_SETTLE_S = 2.0
_CALM_S = 5.0
_KILL_WINDOW_S = 6.0
_UP = ("workers=4", "workers=2", "gateways=3")
_DOWN = ("workers=1", "gateways=1")

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


class Run:
    """One run: the instance, its load, and what was done to it."""

    def __init__(self, instance: Instance, load: BookingLoad) -> None:
        self._instance = instance
        self.load = load
        self.operations: list[Operation] = []
        self.not_done = 0
        """Commands that failed: what they were to do was not done, or not within their time."""

    async def calm(self) -> None:
        await self._timed("nothing", lambda: asyncio.sleep(_CALM_S))

    async def command(self, *arguments: str) -> None:
        """Runs an `aisle` command."""
        await self._timed(" ".join(arguments), lambda: self._command(*arguments))

    async def kill_worker(self, dice: random.Random) -> None:
        """Kills a seat worker, which the supervisor starts again."""
        rows = await processes(self._instance.environment)
        worker = dice.choice([name for name, row in rows.items() if row["partitions"]])

        async def kill() -> None:
            os.kill(rows[worker]["pid"], signal.SIGKILL)
            await asyncio.sleep(_KILL_WINDOW_S)

        await self._timed("SIGKILL of a worker", kill)

    async def _command(self, *arguments: str) -> None:
        try:
            await aisle(self._instance.environment, *arguments)
        except CommandFailed as error:
            self.not_done += 1
            print(error, flush=True)

    async def _timed(self, name: str, do: Callable[[], Awaitable[None]]) -> None:
        began = time.monotonic()
        await do()
        # Until now, and a moment longer: the last partition that moves may not have gone on yet.
        await asyncio.sleep(_SETTLE_S)
        self.operations.append(Operation(name, began, time.monotonic()))
        print(
            f"{time.strftime('%H:%M:%S')} {name}: {time.monotonic() - began - _SETTLE_S:.1f} s, "
            f"{self.load.requests} requests, {len(self.load.failed)} failed",
            flush=True,
        )


@app.command()
def scaling(
    rounds: Annotated[
        int, typer.Option(min=0, help="Times 1→4→2→1 workers, 1→3→1 gateways and a restart of all.")
    ] = 10,
    kills: Annotated[int, typer.Option(min=0, help="Workers killed.")] = 10,
    minutes: Annotated[float, typer.Option(min=0.5, help="Ends earlier after this time.")] = 60,
    rate: Annotated[float, typer.Option(min=1, help="Requests per second.")] = 600,
    connections: Annotated[int, typer.Option(min=8, help="Connections of clients.")] = 64,
    partitions: Annotated[int, typer.Option(min=1, max=64, help="Partitions, each with a show.")] = 8,
    seed: Annotated[int, typer.Option(help="Which workers are killed.")] = 1,
    keep: Annotated[bool, typer.Option(help="Keep the home afterwards.")] = False,
) -> None:
    """Scales, restarts and kills under load. Exit status 1 if a request failed, was lost or answered twice."""
    raise_open_files()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the home is removed, as after Ctrl-C
    os.environ |= {"AISLE_PARTITIONS": str(partitions), "AISLE_LOG_LEVEL": "info"}

    async def run() -> bool:
        async with new_instance(kafka=not os.environ.get("AISLE_KAFKA"), keep=keep) as instance:
            accounts = await add_accounts(instance.settings, CUSTOMERS)
            database_url = instance.settings.database_url
            assert database_url is not None
            shows = await make_shows(
                instance.host, instance.port, database_url, accounts.staff(), count=partitions, seats=SEATS
            )
            load = BookingLoad(
                instance.host,
                instance.port,
                shows,
                accounts.customers(),
                connections=connections,
                per_second=rate,
            )
            began = time.monotonic()
            load.start()
            run = Run(instance, load)
            try:
                await run.calm()
                for _ in range(rounds):
                    if time.monotonic() - began > 60 * minutes:
                        break
                    for counts in _UP:
                        await run.command("scale", counts)
                    await run.command("restart", "all")
                    for counts in _DOWN:
                        await run.command("scale", counts)
                if kills:
                    await aisle(instance.environment, "scale", "workers=2")
                dice = random.Random(seed)
                for _ in range(kills):
                    if time.monotonic() - began > 60 * minutes:
                        break
                    await run.kill_worker(dice)
                await run.calm()
            except CommandFailed as error:
                print(f"{error}\n{supervisor_output(instance.home)}")
                return False
            finally:
                await load.stop()
            return await _report(instance, run, database_url, shows, time.monotonic() - began)

    try:
        passed = asyncio.run(run())
    except SetupError as error:
        raise SystemExit(f"scaling: {error}") from None
    if not passed:
        raise SystemExit(1)


async def _report(instance: Instance, run: Run, database_url: str, shows: list[Show], took_s: float) -> bool:
    """Prints the result. Returns whether nothing failed, was lost or answered twice."""
    load = run.load
    stored = await stored_bookings(database_url, shows)
    answered = set(load.bookings)
    lost, unanswered = answered - stored, stored - answered
    twice = sum(count - 1 for count in load.bookings.values())
    in_order, verified = await verify(instance)
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: {load.requests} requests in {took_s:.0f} s, "
        f"{len(load.failed)} failed, {len(lost)} lost, {twice} answered twice, "
        f"{len(unanswered)} booked without an answer; {run.not_done} commands not done; "
        f"load average {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores. {verified}\n"
    )
    for reason in load.failed[:10]:
        print(f"  failed: {reason}")
    print(f"{'operation':<24} {'times':>5} {'pauses':>7} {'median':>9} {'p99':>9} {'longest':>9}")
    for row in pauses(load.answered, run.operations):
        print(
            f"{row.name:<24} {row.operations:>5} {row.pauses:>7} {row.median:>6.0f} ms {row.p99:>6.0f} ms "
            f"{row.longest:>6.0f} ms"
        )
    return in_order and not (load.failed or lost or twice or unanswered)


if __name__ == "__main__":
    app()

"""`python -m loadtest.bench`: runs the benchmark, prints its table, writes its results."""

from __future__ import annotations

import asyncio
import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtest.bench.comparison import EMPTY, FULL
from loadtest.bench.processes import raise_open_files
from loadtest.bench.report.pictures import draw
from loadtest.bench.report.table import print_results
from loadtest.bench.rounds import Plan, run_benchmark
from loadtest.bench.scenarios import all_scenarios
from loadtest.client import SetupError

SOLD, QUICK_SOLD = 1_000_000, 20_000


class LogKind(StrEnum):
    """The log of the instance that the benchmark starts."""

    POSTGRES = "postgres"
    KAFKA = "kafka"


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(envvar="QUICK", help="Fewer and shorter runs.")] = False,
    log: Annotated[
        LogKind | None,
        typer.Option(help="Default: as AISLE_KAFKA is set. kafka without AISLE_KAFKA starts a Kafka."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each case: 5, or 1 with --quick.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.2, help="Length of a run: 8, or 2 with --quick.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this case, such as bookings-64.")] = None,
    sold: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Bookings sold before {FULL.case}: {SOLD:,}, or {QUICK_SOLD:,} with --quick."
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="Measure a running service.")] = "",
    tokens: Annotated[
        Path | None, typer.Option(help='With --url: a file with {"staff": "…", "customers": ["…"]}.')
    ] = None,
    keep: Annotated[bool, typer.Option(help="Keep the home afterwards.")] = False,
) -> None:
    """Measures confirmed bookings per second, their latency, and the CPU that each part spends on one."""
    wanted = set(only or ())
    known = [
        (scenario, {column.case for column in scenario.columns}) for scenario in all_scenarios(quick=quick)
    ]
    scenarios = [scenario for scenario, cases in known if not wanted or wanted & cases]
    in_two_homes = {EMPTY.case, FULL.case}
    outside = url or os.environ.get("AISLE_KAFKA")
    compared = not outside if not wanted else bool(wanted & in_two_homes)
    measured_s = seconds or (2.0 if quick else 8.0)
    plan = Plan(
        scenarios=scenarios,
        rounds=rounds or (1 if quick else 5),
        warm_up_s=min(2.0, measured_s / 2),
        measured_s=measured_s,
        quick=quick,
        url=url,
        tokens=tokens,
        own_kafka=log is LogKind.KAFKA and not os.environ.get("AISLE_KAFKA"),
        keep=keep,
        sold_beforehand=(sold or (QUICK_SOLD if quick else SOLD)) if compared else 0,
    )
    raise_open_files()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the home is removed, as after Ctrl-C
    console = Console(highlight=False)
    try:
        if unknown := sorted(wanted - in_two_homes - set().union(*(cases for _, cases in known))):
            names = [column.case for scenario, _ in known for column in scenario.columns]
            raise SetupError(
                f"unknown case {unknown[0]!r}; known: {', '.join((*names, EMPTY.case, FULL.case))}"
            )
        if compared and outside:
            raise SetupError(f"{FULL.case} needs its own homes and logs: without --url and AISLE_KAFKA")
        if log is LogKind.POSTGRES and os.environ.get("AISLE_KAFKA"):
            raise SetupError("--log postgres, but AISLE_KAFKA is set")
        results = asyncio.run(run_benchmark(plan, console))
    except SetupError as error:
        raise SystemExit(f"bench: {error}") from None
    console.print()
    print_results(results, console)
    path = results.write()
    drawn = draw([results], path.with_suffix(""))
    console.print(f"written to {os.path.relpath(path)}, {len(drawn)} pictures in the folder beside it")
    if not results.passed:
        raise SystemExit(1)


if __name__ == "__main__":
    app()

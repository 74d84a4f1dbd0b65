"""`python -m loadtest.bench`: runs the benchmark, prints its table, keeps its results."""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtest.bench.client import SetupError
from loadtest.bench.rounds import Plan, make
from loadtest.bench.scenarios import all_scenarios
from loadtest.bench.table import show


class LogKind(StrEnum):
    """Which log the benchmark's Aisle has."""

    POSTGRES = "postgres"
    KAFKA = "kafka"


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(envvar="QUICK", help="Fewer and shorter runs.")] = False,
    log: Annotated[
        LogKind | None,
        typer.Option(
            help="Default: what AISLE_KAFKA says. kafka without AISLE_KAFKA starts one for the purpose."
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each case: 5, or 2 with --quick.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.2, help="Length of a run: 8, or 3 with --quick.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this case, such as bookings-64.")] = None,
    url: Annotated[str, typer.Option(help="Measure a service that runs already.")] = "",
    tokens: Annotated[
        Path | None, typer.Option(help='With --url: a file with {"staff": "…", "customers": ["…"]}.')
    ] = None,
    keep: Annotated[bool, typer.Option(help="Do not remove the home afterwards.")] = False,
) -> None:
    """Measures confirmed bookings a second, their latency, and the CPU that each part spends on one."""
    scenarios = [scenario for scenario in all_scenarios() if not only or scenario.case in only]
    measured_s = seconds or (3.0 if quick else 8.0)
    plan = Plan(
        scenarios=scenarios,
        rounds=rounds or (2 if quick else 5),
        warm_up_s=min(2.0, measured_s / 2),
        measured_s=measured_s,
        quick=quick,
        url=url,
        tokens=tokens,
        own_kafka=log is LogKind.KAFKA and not os.environ.get("AISLE_KAFKA"),
        keep=keep,
    )
    console = Console(highlight=False)
    try:
        if not scenarios:
            raise SetupError(f"no such case; there are {', '.join(s.case for s in all_scenarios())}")
        if log is LogKind.POSTGRES and os.environ.get("AISLE_KAFKA"):
            raise SetupError("--log postgres, but AISLE_KAFKA is set")
        results = asyncio.run(make(plan, console))
    except SetupError as error:
        raise SystemExit(f"bench: {error}") from None
    console.print()
    show(results, console)
    console.print(f"kept in {os.path.relpath(results.write())}")
    if not results.well:
        raise SystemExit(1)


if __name__ == "__main__":
    app()

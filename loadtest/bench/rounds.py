"""One benchmark from start to end: an Aisle, its audience, rounds of runs, the letters, the verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.console import Console

from loadtest.bench.accounts import Audience, GivenAudience, settle
from loadtest.bench.emails import look_after
from loadtest.bench.environment import Measured, Stage
from loadtest.bench.full import EMPTY, FULL, Full, compare
from loadtest.bench.memory import memory_mib
from loadtest.bench.report.machine import describe
from loadtest.bench.report.results import Results, Verdict, summarise
from loadtest.bench.scenarios import Scenario
from loadtest.bench.shows import SeatSupply
from loadtest.client import Client, SetupError
from loadtest.instance import House, own_house, verify

SHOWS = 64
CUSTOMERS = 256
LETTERS_S = 5.0
IDLE_S = 1.0
"""After the start, before the memory of idle processes is looked at."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured, how often and for how long."""

    scenarios: Sequence[Scenario]
    rounds: int
    warm_up_s: float
    measured_s: float
    quick: bool
    url: str
    """A service that runs already; empty: one is started."""
    tokens: Path | None
    own_kafka: bool
    """Start a Kafka for the purpose."""
    keep: bool
    sold_beforehand: int = 0
    """Bookings in the full home, which is compared with an empty one; 0: there is no comparison."""


async def make(plan: Plan, console: Console) -> Results:
    """Makes all runs and says on the way where it is. Raises SetupError when it cannot."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if plan.url:
        results = await _elsewhere(plan, at, console)
    elif plan.scenarios:
        results = await _in_own_house(plan, at, console)
    else:
        results = _results(plan, at, [], 0, None)
    if not plan.sold_beforehand:
        return results
    runs, sold = await compare(
        Full(
            bookings=plan.sold_beforehand,
            rounds=plan.rounds,
            customers=CUSTOMERS,
            kafka=plan.own_kafka,
            keep=plan.keep,
            set_stage=lambda house, client, people: _stage(
                plan, house.host, house.port, people, client, house
            ),
        ),
        console,
    )
    cases = [summarise(column, [run for run in runs if run.column == column]) for column in (EMPTY, FULL)]
    return msgspec.structs.replace(
        results,
        log="kafka" if plan.own_kafka else "postgres",
        machine=results.machine or describe(Path(__file__).parent),
        cases=results.cases + cases,
        runs=results.runs + runs,
        sold=sold,
    )


async def _elsewhere(plan: Plan, at: str, console: Console) -> Results:
    host, port, audience = _given(plan)
    async with Client(host, port) as client:
        stage = _stage(plan, host, port, audience, client, None)
        runs = await _runs(plan, stage, console)
        return _results(plan, at, runs, stage.seats.booked, None)


async def _in_own_house(plan: Plan, at: str, console: Console) -> Results:
    async with AsyncExitStack() as stack:
        console.print("starting an Aisle on a home of its own …")
        house = await stack.enter_async_context(own_house(kafka=plan.own_kafka, keep=plan.keep))
        await asyncio.sleep(IDLE_S)
        idle_mib = memory_mib(house.cpu)
        machine = describe(house.home)
        if house.settings.database_url is None:
            raise SetupError("the gateway was not told where its database is")
        people = await settle(house.settings, CUSTOMERS)
        client = await stack.enter_async_context(Client(house.host, house.port))
        stage = _stage(plan, house.host, house.port, people, client, house)
        runs = await _runs(plan, stage, console)
        watch_s = min(LETTERS_S, plan.measured_s)
        letters = await look_after(house.settings.database_url, stage.seats.all_shows, house.cpu, watch_s)
        console.print("aisle verify: ", end="")
        began = time.monotonic()
        verdict = Verdict(*await verify(house))
        console.print(f"{time.monotonic() - began:.0f} s")
        results = _results(plan, at, runs, stage.seats.booked, house)
        return msgspec.structs.replace(
            results, machine=machine, idle_mib=idle_mib, letters=letters, verdict=verdict
        )


def _given(plan: Plan) -> tuple[str, int, Audience]:
    parts = urlsplit(plan.url)
    if parts.scheme != "http" or parts.hostname is None or plan.tokens is None:
        raise SetupError("--url takes http://host:port and needs --tokens FILE")
    return parts.hostname, parts.port or 80, GivenAudience(plan.tokens)


def _stage(
    plan: Plan, host: str, port: int, audience: Audience, client: Client, house: House | None
) -> Stage:
    return Stage(
        host=host,
        port=port,
        tokens=audience.customers,
        seats=SeatSupply(client, audience.staff, among=SHOWS),
        cpu=None if house is None else house.cpu,
        warm_up_s=plan.warm_up_s,
        measured_s=plan.measured_s,
    )


async def _runs(plan: Plan, stage: Stage, console: Console) -> list[Measured]:
    runs: list[Measured] = []
    for number in range(1, plan.rounds + 1):
        for scenario in plan.scenarios:
            console.print(f"round {number} of {plan.rounds}, {_named(scenario)}: ", end="")
            measured = await scenario.measure(stage)
            runs += measured
            told = (f"{run.tally.expected / run.tally.seconds:,.0f} a second" for run in measured)
            console.print(", ".join(told))
    return runs


def _results(plan: Plan, at: str, runs: list[Measured], booked_apart: int, house: House | None) -> Results:
    return Results(
        at=at,
        log="unknown" if house is None else "kafka" if house.settings.kafka else "postgres",
        quick=plan.quick,
        warm_up_s=plan.warm_up_s,
        measured_s=plan.measured_s,
        gateways=None if house is None else house.settings.gateways,
        workers=None if house is None else house.settings.workers,
        kafka_is_seen=house is not None and house.kafka_is_seen,
        cases=[
            summarise(column, [run for run in runs if run.column == column])
            for scenario in plan.scenarios
            for column in scenario.columns
        ],
        answered=sum(run.tally.ever.get(201, 0) for run in runs if run.column.books) + booked_apart,
        max_in_flight=None if house is None else house.settings.max_in_flight,
        partitions=None if house is None else house.settings.partitions,
        runs=runs,
    )


def _named(scenario: Scenario) -> str:
    return " + ".join(column.title for column in scenario.columns)

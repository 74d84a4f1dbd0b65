"""One benchmark from start to end: an Aisle, its audience, rounds of runs, the letters, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.console import Console

from loadtest.bench.audience import Audience, GivenAudience, settle
from loadtest.bench.client import Client, SetupError
from loadtest.bench.house import House, own_house, verify
from loadtest.bench.letters import look_after
from loadtest.bench.machine import describe
from loadtest.bench.results import Results, Verdict, summarise
from loadtest.bench.scenarios import Scenario
from loadtest.bench.shows import SeatSupply
from loadtest.bench.stage import Measured, Stage

SHOWS = 64
CUSTOMERS = 256
LETTERS_S = 5.0


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


async def make(plan: Plan, console: Console) -> Results:
    """Makes all runs and says on the way where it is. Raises SetupError when it cannot."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if plan.url:
        host, port, audience = _given(plan)
        async with Client(host, port) as client:
            stage = _stage(plan, host, port, audience, client, None)
            runs = await _runs(plan, stage, console)
            return _results(plan, at, runs, None)
    async with AsyncExitStack() as stack:
        console.print("starting an Aisle on a home of its own …")
        house = await stack.enter_async_context(own_house(kafka=plan.own_kafka, keep=plan.keep))
        machine = describe(house.home)
        if house.settings.database_url is None:
            raise SetupError("the gateway was not told where its database is")
        people = await settle(house.settings, CUSTOMERS)
        client = await stack.enter_async_context(Client(house.host, house.port))
        stage = _stage(plan, house.host, house.port, people, client, house)
        runs = await _runs(plan, stage, console)
        watch_s = min(LETTERS_S, plan.measured_s)
        letters = await look_after(house.settings.database_url, stage.seats.all_shows, house.cpu, watch_s)
        console.print("aisle verify …")
        verdict = Verdict(*await verify(house))
        results = _results(plan, at, runs, house)
        return msgspec.structs.replace(results, machine=machine, letters=letters, verdict=verdict)


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
    runs = []
    for number in range(1, plan.rounds + 1):
        for scenario in plan.scenarios:
            console.print(f"round {number} of {plan.rounds}, {scenario.title}: ", end="")
            run = await scenario.measure(stage)
            runs.append(run)
            console.print(f"{run.tally.expected / run.tally.seconds:,.0f} a second")
    return runs


def _results(plan: Plan, at: str, runs: list[Measured], house: House | None) -> Results:
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
            summarise(s.case, s.title, [run for run in runs if run.case == s.case]) for s in plan.scenarios
        ],
        answered=sum(
            run.tally.ever.get(201, 0)
            for run in runs
            if run.case.startswith(("bookings-", "holds-", "login-storm-"))
        ),
        runs=runs,
    )

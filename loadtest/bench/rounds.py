"""One benchmark from start to end: an instance, its accounts, rounds of runs, e-mails, `aisle verify`."""

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

from loadtest.bench.accounts import Accounts, AccountsFile, add_accounts
from loadtest.bench.comparison import EMPTY, FULL, Comparison, compare
from loadtest.bench.emails import measure_emails
from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.memory import memory_mib
from loadtest.bench.report.machine import describe
from loadtest.bench.report.results import CheckResult, Results, summarise
from loadtest.bench.scenarios import Scenario
from loadtest.bench.shows import SeatSupply
from loadtest.client import Client, SetupError
from loadtest.instance import Instance, new_instance, verify

SHOWS = 64
CUSTOMERS = 256
EMAILS_S = 5.0
IDLE_S = 1.0
"""Time from the start until the memory of the idle processes is measured."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The scenarios to measure, how often and for how long."""

    scenarios: Sequence[Scenario]
    rounds: int
    warm_up_s: float
    measured_s: float
    quick: bool
    url: str
    """A running service; empty: an instance is started."""
    tokens: Path | None
    own_kafka: bool
    """Start a Kafka for the benchmark."""
    keep: bool
    sold_beforehand: int = 0
    """Bookings in the full home, which is compared with an empty one; 0: no comparison."""


async def run_benchmark(plan: Plan, console: Console) -> Results:
    """Runs everything and prints its progress. Raises SetupError when it cannot run."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if plan.url:
        results = await _on_running_service(plan, at, console)
    elif plan.scenarios:
        results = await _on_new_instance(plan, at, console)
    else:
        results = _results(plan, at, [], 0, None)
    if not plan.sold_beforehand:
        return results
    runs, sold = await compare(
        Comparison(
            bookings=plan.sold_beforehand,
            rounds=plan.rounds,
            customers=CUSTOMERS,
            kafka=plan.own_kafka,
            keep=plan.keep,
            make_environment=lambda instance, client, accounts: _environment(
                plan, instance.host, instance.port, accounts, client, instance
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


async def _on_running_service(plan: Plan, at: str, console: Console) -> Results:
    host, port, accounts = _running_service(plan)
    async with Client(host, port) as client:
        environment = _environment(plan, host, port, accounts, client, None)
        runs = await _runs(plan, environment, console)
        return _results(plan, at, runs, environment.seats.booked, None)


async def _on_new_instance(plan: Plan, at: str, console: Console) -> Results:
    async with AsyncExitStack() as stack:
        console.print("starting Aisle on a new home …")
        instance = await stack.enter_async_context(new_instance(kafka=plan.own_kafka, keep=plan.keep))
        await asyncio.sleep(IDLE_S)
        idle_mib = memory_mib(instance.cpu)
        machine = describe(instance.home)
        if instance.settings.database_url is None:
            raise SetupError("the gateway has no database URL")
        accounts = await add_accounts(instance.settings, CUSTOMERS)
        client = await stack.enter_async_context(Client(instance.host, instance.port))
        environment = _environment(plan, instance.host, instance.port, accounts, client, instance)
        runs = await _runs(plan, environment, console)
        watch_s = min(EMAILS_S, plan.measured_s)
        emails = await measure_emails(
            instance.settings.database_url, environment.seats.all_shows, instance.cpu, watch_s
        )
        console.print("aisle verify: ", end="")
        began = time.monotonic()
        check = CheckResult(*await verify(instance))
        console.print(f"{time.monotonic() - began:.0f} s")
        results = _results(plan, at, runs, environment.seats.booked, instance)
        return msgspec.structs.replace(
            results, machine=machine, idle_mib=idle_mib, emails=emails, check=check
        )


def _running_service(plan: Plan) -> tuple[str, int, Accounts]:
    parts = urlsplit(plan.url)
    if parts.scheme != "http" or parts.hostname is None or plan.tokens is None:
        raise SetupError("--url takes http://host:port and needs --tokens FILE")
    return parts.hostname, parts.port or 80, AccountsFile(plan.tokens)


def _environment(
    plan: Plan, host: str, port: int, accounts: Accounts, client: Client, instance: Instance | None
) -> Environment:
    return Environment(
        host=host,
        port=port,
        tokens=accounts.customers,
        seats=SeatSupply(client, accounts.staff, among=SHOWS),
        cpu=None if instance is None else instance.cpu,
        warm_up_s=plan.warm_up_s,
        measured_s=plan.measured_s,
    )


async def _runs(plan: Plan, environment: Environment, console: Console) -> list[CaseRun]:
    runs: list[CaseRun] = []
    for number in range(1, plan.rounds + 1):
        for scenario in plan.scenarios:
            console.print(f"round {number} of {plan.rounds}, {_named(scenario)}: ", end="")
            case_runs = await scenario.measure(environment)
            runs += case_runs
            rates = (f"{run.tally.expected / run.tally.seconds:,.0f} per second" for run in case_runs)
            console.print(", ".join(rates))
    return runs


def _results(
    plan: Plan, at: str, runs: list[CaseRun], booked_apart: int, instance: Instance | None
) -> Results:
    return Results(
        at=at,
        log="unknown" if instance is None else "kafka" if instance.settings.kafka else "postgres",
        quick=plan.quick,
        warm_up_s=plan.warm_up_s,
        measured_s=plan.measured_s,
        gateways=None if instance is None else instance.settings.gateways,
        workers=None if instance is None else instance.settings.workers,
        kafka_is_seen=instance is not None and instance.kafka_is_seen,
        cases=[
            summarise(column, [run for run in runs if run.column == column])
            for scenario in plan.scenarios
            for column in scenario.columns
        ],
        answered=sum(run.tally.all_statuses.get(201, 0) for run in runs if run.column.books) + booked_apart,
        max_in_flight=None if instance is None else instance.settings.max_in_flight,
        partitions=None if instance is None else instance.settings.partitions,
        runs=runs,
    )


def _named(scenario: Scenario) -> str:
    return " + ".join(column.title for column in scenario.columns)

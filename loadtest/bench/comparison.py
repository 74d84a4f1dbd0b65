"""Bookings in a full database compared with bookings in an empty one, in alternating runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from loadtest.bench.accounts import SignedAccounts, add_accounts
from loadtest.bench.emails import count_booked
from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.homes import new_home
from loadtest.bench.report.columns import Column
from loadtest.bench.report.results import CheckResult, FullHome, path_us
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.bench.sold import sell
from loadtest.client import Client, SetupError
from loadtest.instance import Instance, instance_on, new_instance, verify

CONNECTIONS = 256
EMPTY = Column(case=f"empty-{CONNECTIONS}", title=f"{CONNECTIONS}, empty", confirms=(201,))
FULL = Column(case=f"full-{CONNECTIONS}", title=f"{CONNECTIONS}, full", confirms=(201,))
OF_EMPTY, CPU_OF_EMPTY = "of the empty one", "CPU of the empty one"

MakeEnvironment = Callable[[Instance, Client, SignedAccounts], Environment]


class Comparison(msgspec.Struct, kw_only=True):
    """Parameters of the comparison."""

    bookings: int
    """Bookings sold beforehand."""
    rounds: int
    customers: int
    kafka: bool
    """Start a Kafka for each home."""
    keep: bool
    make_environment: MakeEnvironment


async def compare(comparison: Comparison, console: Console) -> tuple[list[CaseRun], FullHome]:
    """Fills one home, then runs all rounds, in which the full and the empty home take turns to be first.

    Raises SetupError.
    """
    runs: list[CaseRun] = []
    with new_home(keep=comparison.keep) as home:
        console.print(f"selling {comparison.bookings:,} bookings beforehand: ", end="")
        began = time.monotonic()
        await sell(home, comparison.bookings, kafka=comparison.kafka)
        console.print(f"{time.monotonic() - began:.0f} s")
        full_instance = _FullInstance(comparison, home)
        for number in range(1, comparison.rounds + 1):
            console.print(f"round {number} of {comparison.rounds}, {EMPTY.title} + {FULL.title}: ", end="")
            last = number == comparison.rounds
            if number % 2:
                empty = await _empty(comparison)
                full_run = await full_instance.measure(last=last)
            else:
                full_run = await full_instance.measure(last=last)
                empty = await _empty(comparison)
            rates = [run.tally.expected / run.tally.seconds for run in (empty, full_run)]
            console.print(", ".join(f"{rate:,.0f} per second" for rate in rates))
            ratio = {OF_EMPTY: rates[1] / rates[0]} if rates[0] else {}
            if empty.cpu_us and full_run.cpu_us:
                ratio[CPU_OF_EMPTY] = path_us(full_run.cpu_us) / path_us(empty.cpu_us)
            runs += [empty, msgspec.structs.replace(full_run, figures=ratio)]
    return runs, full_instance.result()


async def _empty(comparison: Comparison) -> CaseRun:
    async with new_instance(kafka=comparison.kafka, keep=comparison.keep) as instance:
        accounts = await add_accounts(instance.settings, comparison.customers)
        async with Client(instance.host, instance.port) as client:
            environment = comparison.make_environment(instance, client, accounts)
            run = await _measure(environment, EMPTY)
        lost = run.tally.all_statuses.get(201, 0) - await count_booked(
            _database(instance), environment.seats.all_shows
        )
        if lost > 0:
            raise SetupError(f"{lost:,} bookings with the response 201 are not in the database")
        return run


class _FullInstance:
    """The full home: an instance is started on it for each run; its bookings are added up."""

    def __init__(self, comparison: Comparison, home: Path) -> None:
        self._comparison = comparison
        self._home = home
        self._accounts: SignedAccounts | None = None
        self._shows: list[int] = []
        self._confirmed = 0
        self._booked = 0
        self._check: CheckResult | None = None

    async def measure(self, *, last: bool) -> CaseRun:
        async with AsyncExitStack() as stack:
            instance = await stack.enter_async_context(instance_on(self._home, kafka=self._comparison.kafka))
            if self._accounts is None:
                self._accounts = await add_accounts(instance.settings, self._comparison.customers)
            client = await stack.enter_async_context(Client(instance.host, instance.port))
            environment = self._comparison.make_environment(instance, client, self._accounts)
            run = await _measure(environment, FULL)
            self._shows += environment.seats.all_shows
            self._confirmed += run.tally.all_statuses.get(201, 0)
            if last:
                self._booked = await count_booked(_database(instance), self._shows)
                self._check = CheckResult(*await verify(instance))
            return run

    def result(self) -> FullHome:
        assert self._check is not None, "set by the last round"
        return FullHome(
            beforehand=self._comparison.bookings,
            answered=self._confirmed,
            booked=self._booked,
            check=self._check,
        )


async def _measure(environment: Environment, column: Column) -> CaseRun:
    (run,) = await Bookings(CONNECTIONS).measure(environment)
    return msgspec.structs.replace(run, column=column)


def _database(instance: Instance) -> str:
    if instance.settings.database_url is None:
        raise SetupError("the gateway has no database URL")
    return instance.settings.database_url

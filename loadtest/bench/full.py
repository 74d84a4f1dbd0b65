"""Bookings in a database full of others against bookings in an empty one: each alone on the machine, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from loadtest.bench.accounts import SignedAudience, settle
from loadtest.bench.emails import count_booked
from loadtest.bench.environment import Measured, Stage
from loadtest.bench.homes import new_home
from loadtest.bench.report.columns import Column
from loadtest.bench.report.results import Sold, Verdict, path_us
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.bench.sold import sell
from loadtest.client import Client, SetupError
from loadtest.instance import House, house_on, own_house, verify

CONNECTIONS = 256
EMPTY = Column(case=f"empty-{CONNECTIONS}", title=f"{CONNECTIONS}, empty", confirms=(201,))
FULL = Column(case=f"full-{CONNECTIONS}", title=f"{CONNECTIONS}, full", confirms=(201,))
OF_EMPTY, CPU_OF_EMPTY = "of the empty one", "CPU of the empty one"

SetStage = Callable[[House, Client, SignedAudience], Stage]


class Full(msgspec.Struct, kw_only=True):
    """How the comparison is made."""

    bookings: int
    """Sold beforehand."""
    rounds: int
    customers: int
    kafka: bool
    """Start a Kafka for each of the homes."""
    keep: bool
    set_stage: SetStage


async def compare(full: Full, console: Console) -> tuple[list[Measured], Sold]:
    """Makes the full home, then all rounds. Every other round begins with the full one. Raises SetupError."""
    runs: list[Measured] = []
    with new_home(keep=full.keep) as home:
        console.print(f"selling {full.bookings:,} bookings beforehand: ", end="")
        began = time.monotonic()
        await sell(home, full.bookings, kafka=full.kafka)
        console.print(f"{time.monotonic() - began:.0f} s")
        crowded = _Crowded(full, home)
        for number in range(1, full.rounds + 1):
            console.print(f"round {number} of {full.rounds}, {EMPTY.title} + {FULL.title}: ", end="")
            last = number == full.rounds
            if number % 2:
                empty = await _empty(full)
                crowded_run = await crowded.measure(last=last)
            else:
                crowded_run = await crowded.measure(last=last)
                empty = await _empty(full)
            rates = [run.tally.expected / run.tally.seconds for run in (empty, crowded_run)]
            console.print(", ".join(f"{rate:,.0f} a second" for rate in rates))
            ratio = {OF_EMPTY: rates[1] / rates[0]} if rates[0] else {}
            if empty.cpu_us and crowded_run.cpu_us:
                ratio[CPU_OF_EMPTY] = path_us(crowded_run.cpu_us) / path_us(empty.cpu_us)
            runs += [empty, msgspec.structs.replace(crowded_run, figures=ratio)]
    return runs, crowded.sold()


async def _empty(full: Full) -> Measured:
    async with own_house(kafka=full.kafka, keep=full.keep) as house:
        people = await settle(house.settings, full.customers)
        async with Client(house.host, house.port) as client:
            stage = full.set_stage(house, client, people)
            run = await _measure(stage, EMPTY)
        lost = run.tally.ever.get(201, 0) - await count_booked(_database(house), stage.seats.all_shows)
        if lost > 0:
            raise SetupError(f"{lost:,} bookings that were answered 201 are not in the database")
        return run


class _Crowded:
    """The full home, which is started for each run and gathers what they book."""

    def __init__(self, full: Full, home: Path) -> None:
        self._full = full
        self._home = home
        self._people: SignedAudience | None = None
        self._shows: list[int] = []
        self._answered = 0
        self._booked = 0
        self._verdict: Verdict | None = None

    async def measure(self, *, last: bool) -> Measured:
        async with AsyncExitStack() as stack:
            house = await stack.enter_async_context(house_on(self._home, kafka=self._full.kafka))
            if self._people is None:
                self._people = await settle(house.settings, self._full.customers)
            client = await stack.enter_async_context(Client(house.host, house.port))
            stage = self._full.set_stage(house, client, self._people)
            run = await _measure(stage, FULL)
            self._shows += stage.seats.all_shows
            self._answered += run.tally.ever.get(201, 0)
            if last:
                self._booked = await count_booked(_database(house), self._shows)
                self._verdict = Verdict(*await verify(house))
            return run

    def sold(self) -> Sold:
        assert self._verdict is not None, "the last round asks for it"
        return Sold(
            beforehand=self._full.bookings,
            answered=self._answered,
            booked=self._booked,
            verdict=self._verdict,
        )


async def _measure(stage: Stage, column: Column) -> Measured:
    (run,) = await Bookings(CONNECTIONS).measure(stage)
    return msgspec.structs.replace(run, column=column)


def _database(house: House) -> str:
    if house.settings.database_url is None:
        raise SetupError("the gateway was not told where its database is")
    return house.settings.database_url

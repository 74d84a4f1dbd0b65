"""Storm: all connections request the same few seats of a sold-out show, alone and beside bookings of another show."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.generator.jobs import Job
from loadtest.bench.generator.requests import FreshSeats, SameSeats
from loadtest.bench.report.columns import Column
from loadtest.client import SetupError

SEATS = 500
"""Seats of the storm's show, sold out during the warm-up."""
BEST_SEATS = 20
"""Seats of the storm without keys."""
OTHERS = 64
"""Connections that book another show at the same time."""
OTHERS_PER_SECOND = 8_000
"""Upper bound of their rate, which sizes their show."""
FEWEST_SEATS, MOST_SEATS = 60_000, 100_000
_TRIES = 64


class Storm:
    """Runs the storm alone, then again while other connections book a show of another partition.

    The fair share of the others is their share of all connections; "of its share" compares their part of all
    responses with it. `keyed`: each request of the storm has its own Idempotency-Key, so that each is a separate
    command and none is coalesced.
    """

    def __init__(self, connections: int, *, keyed: bool = True, seats: int = SEATS) -> None:
        self.connections = connections
        self.keyed = keyed
        self.seats = seats
        case_suffix = "" if keyed else "-no-key"
        suffix = "" if keyed else f", {seats} seats, no key"
        self.columns = (
            Column(
                case=f"storm-{connections}{case_suffix}",
                title=f"{connections}, storm{suffix}",
                confirms=(201,),
            ),
            Column(case=f"storm-other{case_suffix}", title=f"{OTHERS} beside it{suffix}", confirms=(201,)),
        )

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        alone, beside = self.columns
        most = min(
            MOST_SEATS,
            max(FEWEST_SEATS, int(OTHERS_PER_SECOND * (environment.warm_up_s + environment.measured_s))),
        )
        stormed, other = await _two_shows(environment, most)
        job = Job(
            host=environment.host,
            port=environment.port,
            tokens=environment.tokens(),
            load=SameSeats(stormed, self.seats, secrets.token_hex(8) if self.keyed else ""),
            connections=self.connections,
            warm_up_s=environment.warm_up_s,
            measured_s=environment.measured_s,
            expected=(201, 409),
        )
        quiet = await environment.drive(alone, job, environment.cpu)
        again = msgspec.structs.replace(
            job, load=SameSeats(stormed, self.seats, secrets.token_hex(8) if self.keyed else "")
        )
        others = msgspec.structs.replace(
            job,
            load=FreshSeats(((other, 2, most),), secrets.token_hex(8)),
            connections=OTHERS,
            expected=(201,),
        )
        storm, booked = await asyncio.gather(
            environment.drive(alone, again, None), environment.drive(beside, others, environment.cpu)
        )
        if booked.tally.ran_out:
            raise SetupError("the show beside the storm was sold out")
        return quiet, _with_share(booked, storm, OTHERS / (OTHERS + self.connections))


def _with_share(booked: CaseRun, storm: CaseRun, share: float) -> CaseRun:
    ours = booked.tally.expected / booked.tally.seconds
    theirs = storm.tally.expected / storm.tally.seconds
    figures = {"storm's answers/s": theirs, "of its share": ours / ((ours + theirs) * share)}
    # The CPU includes that of the storm and cannot be divided.
    return msgspec.structs.replace(booked, figures=figures, cpu_us=None)


async def _two_shows(environment: Environment, seats: int) -> tuple[int, int]:
    """Makes a show for the storm, and one of `seats` seats in another partition; one seat of each is sold."""
    token = environment.tokens()[0]
    stormed = await environment.seats.one_show(SEATS)
    partition = await environment.seats.book(stormed, token, {"seats": ["1"]})
    for _ in range(_TRIES):
        other = await environment.seats.one_show(seats)
        if await environment.seats.book(other, token, {"seats": ["1"]}) != partition:
            return stormed, other
    raise SetupError("all shows are in one partition: a storm needs AISLE_PARTITIONS of 2 or more")

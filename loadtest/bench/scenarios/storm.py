"""Everybody wants the same few seats of one show, which are gone in the first moment; and what others notice."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import Measured, Stage
from loadtest.bench.generator.jobs import Order
from loadtest.bench.generator.requests import FreshSeats, SameSeats
from loadtest.bench.report.columns import Column
from loadtest.client import SetupError

SEATS = 500
"""That the storm is about; sold out before anything counts."""
BEST_SEATS = 20
"""That everybody wants who has a choice."""
OTHERS = 64
"""Connections that book another show meanwhile."""
OTHERS_A_SECOND = 8_000
"""More than they can book, for so many seats has their show."""
FEWEST_SEATS, MOST_SEATS = 60_000, 100_000
_TRIES = 64


class Storm:
    """First the storm alone, then the same storm again while others book a show of another partition.

    The others' share is what as many connections get of all answers when nobody is preferred: by that their
    bookings are measured. `keyed`: every request of the storm has an Idempotency-Key, so that each is a
    command of its own and none can share another's answer.
    """

    def __init__(self, connections: int, *, keyed: bool = True, seats: int = SEATS) -> None:
        self.connections = connections
        self.keyed = keyed
        self.seats = seats
        end = "" if keyed else "-no-key"
        told = "" if keyed else f", {seats} seats, no key"
        self.columns = (
            Column(case=f"storm-{connections}{end}", title=f"{connections}, storm{told}", confirms=(201,)),
            Column(case=f"storm-other{end}", title=f"{OTHERS} beside it{told}", confirms=(201,)),
        )

    async def measure(self, stage: Stage) -> Sequence[Measured]:
        alone, beside = self.columns
        most = min(MOST_SEATS, max(FEWEST_SEATS, int(OTHERS_A_SECOND * (stage.warm_up_s + stage.measured_s))))
        stormed, other = await _two_shows(stage, most)
        order = Order(
            host=stage.host,
            port=stage.port,
            tokens=stage.tokens(),
            asks=SameSeats(stormed, self.seats, secrets.token_hex(8) if self.keyed else ""),
            connections=self.connections,
            warm_up_s=stage.warm_up_s,
            measured_s=stage.measured_s,
            expected=(201, 409),
        )
        quiet = await stage.drive(alone, order, stage.cpu)
        again = msgspec.structs.replace(
            order, asks=SameSeats(stormed, self.seats, secrets.token_hex(8) if self.keyed else "")
        )
        others = msgspec.structs.replace(
            order,
            asks=FreshSeats(((other, 2, most),), secrets.token_hex(8)),
            connections=OTHERS,
            expected=(201,),
        )
        storm, booked = await asyncio.gather(
            stage.drive(alone, again, None), stage.drive(beside, others, stage.cpu)
        )
        if booked.tally.ran_out:
            raise SetupError("the show beside the storm was sold out")
        return quiet, _with_share(booked, storm, OTHERS / (OTHERS + self.connections))


def _with_share(booked: Measured, storm: Measured, share: float) -> Measured:
    ours = booked.tally.expected / booked.tally.seconds
    theirs = storm.tally.expected / storm.tally.seconds
    figures = {"storm's answers/s": theirs, "of its share": ours / ((ours + theirs) * share)}
    # What the processes used was for the storm as well: there is no telling whose it was.
    return msgspec.structs.replace(booked, figures=figures, cpu_us=None)


async def _two_shows(stage: Stage, seats: int) -> tuple[int, int]:
    """A show for the storm, and one with so many seats that another partition has; one seat of each is sold."""
    token = stage.tokens()[0]
    stormed = await stage.seats.one_show(SEATS)
    partition = await stage.seats.book(stormed, token, {"seats": ["1"]})
    for _ in range(_TRIES):
        other = await stage.seats.one_show(seats)
        if await stage.seats.book(other, token, {"seats": ["1"]}) != partition:
            return stormed, other
    raise SetupError("all shows are in one partition: a storm needs AISLE_PARTITIONS of 2 or more")

"""One show from its first seat to its last: the rate of one writer, and the CPU per booking as the show fills."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import CaseRun, Environment, Step
from loadtest.bench.generator.jobs import Job
from loadtest.bench.generator.requests import FreshSeats
from loadtest.bench.report.columns import Column
from loadtest.bench.report.results import path_us
from loadtest.client import SetupError

SEATS, QUICK_SEATS = 40_000, 10_000
STEPS = 10
AT_MOST_S = 120.0


class OneShow:
    """`connections` keep-alive connections that book one big show, a new seat each, until it is sold out."""

    def __init__(self, connections: int, *, seats: int = SEATS) -> None:
        self.connections = connections
        self.seats = seats
        self.columns = (
            Column(case=f"one-show-{connections}", title=f"{connections}, one show", confirms=(201,)),
        )

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        show_id = await environment.seats.one_show(self.seats)
        job = Job(
            host=environment.host,
            port=environment.port,
            tokens=environment.tokens(),
            load=FreshSeats(((show_id, 1, self.seats),), secrets.token_hex(8)),
            connections=self.connections,
            warm_up_s=0,
            measured_s=AT_MOST_S,
            mark_every=self.seats // STEPS,
        )
        case_run = await environment.drive(self.columns[0], job, environment.cpu)
        if len(case_run.steps) < STEPS:
            raise SetupError(f"a show of {self.seats:,} seats is not sold out after {AT_MOST_S:.0f} s")
        return (msgspec.structs.replace(case_run, figures=_figures(case_run.steps)),)


def _figures(steps: Sequence[Step]) -> dict[str, float]:
    """Figures of the second tenth, after the warm-up, and of the ninth, while all connections still have requests."""
    early, late = steps[1], steps[-2]
    figures = {
        "2nd tenth, booked/s": (early.done - steps[0].done) / (early.seconds - steps[0].seconds),
        "9th tenth, booked/s": (late.done - steps[-3].done) / (late.seconds - steps[-3].seconds),
    }
    if early.cpu_us and late.cpu_us:
        figures["2nd tenth, path µs"] = path_us(early.cpu_us)
        figures["9th tenth, path µs"] = path_us(late.cpu_us)
    return figures

"""Open loop at twice the capacity: goodput, latency and recovery."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.generator.jobs import Job, Overload, Schedule, Tally
from loadtest.bench.report.columns import Column
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.client import SetupError

CONNECTIONS = 6_000
CAPACITY_CONNECTIONS = 256
TIMES = 2.0
BASELINE = 0.5
"""Share of the capacity before and after the load."""
LOAD_S = 30.0
QUICK_LOAD_S = 8.0
BASELINE_S = 4.0
QUICK_BASELINE_S = 2.5


class OpenLoop:
    """Measures the capacity with a closed loop, then an open loop at twice that rate between two baseline phases.

    The gateway's admission control rejects what it cannot serve.
    """

    def __init__(
        self, *, load_s: float = LOAD_S, baseline_s: float = BASELINE_S, connections: int = CONNECTIONS
    ) -> None:
        self.load_s = load_s
        self.baseline_s = baseline_s
        self.connections = connections
        self.columns = (
            Column(case="capacity", title=f"{CAPACITY_CONNECTIONS}, before it", confirms=(201,)),
            Column(case="open-loop", title=f"open loop, {TIMES:g}×", confirms=(201,)),
        )

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        (closed,) = await Bookings(CAPACITY_CONNECTIONS).measure(environment)
        capacity = closed.tally.expected / closed.tally.seconds
        if not capacity:
            raise SetupError("nothing was booked, so the capacity is unknown")
        schedule = Schedule(
            per_second=TIMES * capacity, baseline_per_second=BASELINE * capacity, recovery_s=self.baseline_s
        )
        wanted = capacity * (TIMES * self.load_s + BASELINE * 2 * self.baseline_s)
        job = Job(
            host=environment.host,
            port=environment.port,
            tokens=environment.tokens(),
            load=await environment.seats.fresh(int(wanted) + 1),
            connections=self.connections,
            warm_up_s=self.baseline_s,
            measured_s=self.load_s,
            schedule=schedule,
        )
        before, column = self.columns
        case_run = await environment.drive(column, job, environment.cpu)
        environment.seats.used(case_run.tally.requests)
        overload = case_run.tally.overload
        assert overload is not None, "an open loop returns its overload"
        figures = _figures(case_run.tally, overload, capacity)
        return (
            msgspec.structs.replace(closed, column=before),
            msgspec.structs.replace(case_run, figures=figures),
        )


def _figures(tally: Tally, overload: Overload, capacity: float) -> dict[str, float]:
    figures = {
        "capacity/s": capacity,
        "due/s": overload.due / tally.seconds,
        "of the capacity": tally.expected / tally.seconds / capacity,
        "without Retry-After": float(overload.no_retry_after),
        "most waiting": float(overload.max_queued),
    }
    if overload.baseline:
        figures["calm p99, ms"] = overload.baseline.p99
    if rejected := overload.rejected:
        figures |= {"turned away p50, ms": rejected.p50, "turned away p99, ms": rejected.p99}
    if overload.recovered_after_s is not None:
        figures["normal after, s"] = overload.recovered_after_s
    return figures

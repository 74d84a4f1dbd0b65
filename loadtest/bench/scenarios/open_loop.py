"""Twice as many requests as can be served, due by a clock: what is still done, how soon, and when it is over."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import Measured, Stage
from loadtest.bench.generator.jobs import Due, Order, Overload, Tally
from loadtest.bench.report.columns import Column
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.client import SetupError

CONNECTIONS = 6_000
CAPACITY_CONNECTIONS = 256
TIMES = 2.0
CALM = 0.5
"""Of the capacity, before and after."""
LOAD_S = 30.0
QUICK_LOAD_S = 8.0
CALM_S = 4.0
QUICK_CALM_S = 2.5


class OpenLoop:
    """The capacity first: what a closed loop books. Then twice that for 30 s, with some calm before and after.

    The gateway finds out by itself how many may wait; the rest it turns away.
    """

    def __init__(
        self, *, load_s: float = LOAD_S, calm_s: float = CALM_S, connections: int = CONNECTIONS
    ) -> None:
        self.load_s = load_s
        self.calm_s = calm_s
        self.connections = connections
        self.columns = (
            Column(case="capacity", title=f"{CAPACITY_CONNECTIONS}, before it", confirms=(201,)),
            Column(case="open-loop", title=f"open loop, {TIMES:g}×", confirms=(201,)),
        )

    async def measure(self, stage: Stage) -> Sequence[Measured]:
        (closed,) = await Bookings(CAPACITY_CONNECTIONS).measure(stage)
        capacity = closed.tally.expected / closed.tally.seconds
        if not capacity:
            raise SetupError("nothing could be booked, so that there is no capacity to go past")
        due = Due(a_second=TIMES * capacity, calm_a_second=CALM * capacity, after_s=self.calm_s)
        wanted = capacity * (TIMES * self.load_s + CALM * 2 * self.calm_s)
        order = Order(
            host=stage.host,
            port=stage.port,
            tokens=stage.tokens(),
            asks=await stage.seats.fresh(int(wanted) + 1),
            connections=self.connections,
            warm_up_s=self.calm_s,
            measured_s=self.load_s,
            due=due,
        )
        before, column = self.columns
        measured = await stage.drive(column, order, stage.cpu)
        stage.seats.used(measured.tally.asked)
        overload = measured.tally.overload
        assert overload is not None, "an open loop tells of its overload"
        figures = _figures(measured.tally, overload, capacity)
        return (
            msgspec.structs.replace(closed, column=before),
            msgspec.structs.replace(measured, figures=figures),
        )


def _figures(tally: Tally, overload: Overload, capacity: float) -> dict[str, float]:
    figures = {
        "capacity/s": capacity,
        "due/s": overload.due / tally.seconds,
        "of the capacity": tally.expected / tally.seconds / capacity,
        "without Retry-After": float(overload.no_retry_after),
        "most waiting": float(overload.most_waiting),
    }
    if overload.calm:
        figures["calm p99, ms"] = overload.calm.p99
    if away := overload.turned_away:
        figures |= {"turned away p50, ms": away.p50, "turned away p99, ms": away.p99}
    if overload.normal_after_s is not None:
        figures["normal after, s"] = overload.normal_after_s
    return figures

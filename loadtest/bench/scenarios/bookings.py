"""Bookings as fast as they are confirmed: a fresh seat each, over 64 shows, each connection a customer.

Or holds: each seat is held and then confirmed, two commands that count as two.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import Measured, Stage
from loadtest.bench.generator.jobs import Order
from loadtest.bench.report.columns import Column

# More than any run can ask for; what is left goes to the next one.
SEATS_A_SECOND = 20_000
SEATS_A_SECOND_EACH = 2_500


class Bookings:
    """`connections` keep-alive connections; each books, waits for the answer, books again."""

    def __init__(self, connections: int, *, hold_first: bool = False) -> None:
        self.connections = connections
        self.hold_first = hold_first
        title = "1 connection" if connections == 1 else f"{connections} conns"
        self.column = (
            Column(case=f"holds-{connections}", title=f"{connections}, hold + confirm", confirms=(200,))
            if hold_first
            else Column(case=f"bookings-{connections}", title=title, confirms=(201,))
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        return (self.column,)

    def seats_wanted(self, stage: Stage) -> int:
        """How many seats a run can ask for."""
        rate = min(SEATS_A_SECOND, SEATS_A_SECOND_EACH * self.connections)
        return int(rate * (stage.warm_up_s + stage.measured_s))

    async def measure(self, stage: Stage) -> Sequence[Measured]:
        fresh = await stage.seats.fresh(self.seats_wanted(stage))
        order = Order(
            host=stage.host,
            port=stage.port,
            tokens=stage.tokens(),
            asks=msgspec.structs.replace(fresh, hold_first=self.hold_first),
            expected=(201, 200),
            connections=self.connections,
            warm_up_s=stage.warm_up_s,
            measured_s=stage.measured_s,
        )
        measured = await stage.drive(self.column, order, stage.cpu)
        stage.seats.used(measured.tally.asked)
        return (measured,)

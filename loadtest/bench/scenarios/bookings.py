"""Closed loop of bookings: a new seat each, over 64 shows, one customer per connection.

With `hold_first` each seat is held and then confirmed: two commands, both counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.generator.jobs import Job
from loadtest.bench.report.columns import Column

# More than any run can request; unused seats go to the next run.
SEATS_PER_SECOND = 20_000
SEATS_PER_SECOND_AND_CONNECTION = 2_500


class Bookings:
    """`connections` keep-alive connections that book in a closed loop."""

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

    def seats_wanted(self, environment: Environment) -> int:
        """Upper bound of the seats that a run requests."""
        rate = min(SEATS_PER_SECOND, SEATS_PER_SECOND_AND_CONNECTION * self.connections)
        return int(rate * (environment.warm_up_s + environment.measured_s))

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        fresh = await environment.seats.fresh(self.seats_wanted(environment))
        job = Job(
            host=environment.host,
            port=environment.port,
            tokens=environment.tokens(),
            load=msgspec.structs.replace(fresh, hold_first=self.hold_first),
            expected=(201, 200),
            connections=self.connections,
            warm_up_s=environment.warm_up_s,
            measured_s=environment.measured_s,
        )
        case_run = await environment.drive(self.column, job, environment.cpu)
        environment.seats.used(case_run.tally.requests)
        return (case_run,)

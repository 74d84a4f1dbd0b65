"""What can be measured: one module a scenario, all with the same way in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from loadtest.bench.scenarios.bookings import Bookings
from loadtest.bench.scenarios.catalogue import MOVIES, SHOW, Reading
from loadtest.bench.scenarios.login_storm import LoginStorm
from loadtest.bench.scenarios.nothing import Nothing
from loadtest.bench.scenarios.seat_maps import SeatMaps
from loadtest.bench.stage import Measured, Stage

CONNECTIONS = (1, 64, 256)


class Scenario(Protocol):
    """One case of one scenario."""

    @property
    def case(self) -> str:
        """Its name in tables and results, such as `bookings-64`."""
        ...

    @property
    def title(self) -> str:
        """What stands over its column."""
        ...

    async def measure(self, stage: Stage) -> Measured:
        """One run: warm-up and measurement. Called once a round, in the order of the table."""
        ...


def all_scenarios() -> Sequence[Scenario]:
    """Everything that `make bench` measures."""
    return (
        *(Bookings(connections) for connections in CONNECTIONS),
        Bookings(256, hold_first=True),
        SeatMaps(64, known=True),
        SeatMaps(64, known=False),
        LoginStorm(64),
        Reading("movies", MOVIES, 64),
        Reading("movies", MOVIES, 64, known=True),
        Reading("show", SHOW, 64),
        Reading("show", SHOW, 64, known=True),
        Nothing(64),
    )

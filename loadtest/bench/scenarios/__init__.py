"""Scenarios of the benchmark, one module each, with a common interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.report.columns import Column
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.bench.scenarios.catalogue import MOVIES, SHOW, Reading
from loadtest.bench.scenarios.login_storm import LoginStorm
from loadtest.bench.scenarios.nothing import Nothing
from loadtest.bench.scenarios.one_show import QUICK_SEATS, SEATS, OneShow
from loadtest.bench.scenarios.open_loop import QUICK_BASELINE_S, QUICK_LOAD_S, OpenLoop
from loadtest.bench.scenarios.seat_maps import SeatMaps
from loadtest.bench.scenarios.storm import BEST_SEATS, Storm

CONNECTIONS = (1, 64, 256, 1_024)
QUICK_CONNECTIONS = (1, 64, 256)


class Scenario(Protocol):
    """Cases that are measured together: one, or a few that are compared with each other."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its cases, in the order of the table."""
        ...

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        """Runs each case once, with warm-up. Called once per round, in the order of the table."""
        ...


def all_scenarios(*, quick: bool) -> Sequence[Scenario]:
    """All scenarios of `make bench`."""
    return (
        *(Bookings(connections) for connections in (QUICK_CONNECTIONS if quick else CONNECTIONS)),
        Bookings(256, hold_first=True),
        OneShow(256, seats=QUICK_SEATS if quick else SEATS),
        Storm(256),
        Storm(256, keyed=False, seats=BEST_SEATS),
        OpenLoop(load_s=QUICK_LOAD_S, baseline_s=QUICK_BASELINE_S) if quick else OpenLoop(),
        SeatMaps(64, known=True),
        SeatMaps(64, known=False),
        LoginStorm(64),
        Reading("movies", MOVIES, 64),
        Reading("movies", MOVIES, 64, known=True),
        Reading("show", SHOW, 64),
        Reading("show", SHOW, 64, known=True),
        *(
            Nothing(connections, fast=fast)
            for connections in ((64,) if quick else (64, 256))
            for fast in (False, True)
        ),
    )

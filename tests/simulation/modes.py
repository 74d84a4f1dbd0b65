"""The modes of the simulation: which hall is sold, and what its clients do."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.commands import ReopenShow
from tests.simulation.clients import Build
from tests.simulation.customers import Customer
from tests.simulation.halls import ONE_ROW, TWO_ROWS, Hall
from tests.simulation.staff import Staff


class Mode(msgspec.Struct, frozen=True):
    """One mode."""

    name: str
    hall: Hall
    max_shows: int
    customer: type[Customer]
    staff: type[Staff]


class ChangingCustomer(Customer):
    """A customer who mostly changes seats, extends holds, and rushes for seats that others have."""

    async def act(self, draw: float) -> None:
        if draw < 0.2 or not (mine := self.mine()):
            await self.take_seats()
        elif draw < 0.35:
            await self.rush()
        elif draw < 0.85:
            await self.extend_or_change(self.pick(mine))
        elif draw < 0.95:
            await self.repeat()
        else:
            await self.confirm_or_cancel(self.pick(mine))


class ChangingStaff(Staff):
    """Staff who sell to walk-ins, swap, change, and block for a time."""

    def choices(self) -> list[tuple[Callable[[], Build], float]]:
        return [
            (self.swap, 0.35),
            (self.change_seats, 0.2),
            (self.sell, 0.2),
            (self.block, 0.15),
            (self.cancel, 0.05),
            (lambda: self.of_show(ReopenShow), 0.05),
        ]


ALL_COMMANDS = Mode("all", TWO_ROWS, 3, Customer, Staff)
CHANGES = Mode("changes", ONE_ROW, 1, ChangingCustomer, ChangingStaff)
"""Hardly anything but extending, changing, swapping and blocking, on one row of seats."""

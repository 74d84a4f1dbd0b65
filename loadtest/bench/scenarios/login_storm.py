"""Bookings while as many as can try to log in: what a login storm costs those who are in already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import Measured, Stage
from loadtest.bench.generator.jobs import Order
from loadtest.bench.generator.requests import OneRequest
from loadtest.bench.report.columns import Column
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.client import SetupError

LOGINS_AT_ONCE = 32

# A wrong password costs what the right one does, and leaves no login behind.
_LOGIN = OneRequest(
    method="POST", path="/api/login", body='{"username":"bench-1","password":"not the password"}'
)


class LoginStorm:
    """The bookings of `connections` connections beside logins without pause; only the bookings are measured.

    To be compared with the same bookings without logins, in the case `bookings-<connections>`.
    """

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.columns = (
            Column(case=f"login-storm-{connections}", title=f"{connections}, login storm", confirms=(201,)),
        )

    async def measure(self, stage: Stage) -> Sequence[Measured]:
        bookings = Bookings(self.connections)
        # The shows are made before the storm begins, which is to last as long as the bookings.
        await stage.seats.fresh(bookings.seats_wanted(stage))
        logins = Order(
            host=stage.host,
            port=stage.port,
            tokens=("",),
            asks=_LOGIN,
            expected=(401,),
            connections=LOGINS_AT_ONCE,
            warm_up_s=stage.warm_up_s,
            measured_s=stage.measured_s,
        )
        storm = asyncio.create_task(stage.drive(Column(case="logins", title="logins"), logins, None))
        try:
            (measured,) = await bookings.measure(stage)
        finally:
            (stormed,) = await asyncio.gather(storm, return_exceptions=True)
        if isinstance(stormed, BaseException):
            raise stormed
        if not stormed.tally.expected:
            raise SetupError(f"nobody could try to log in: {stormed.tally.examples}")
        return (msgspec.structs.replace(measured, column=self.columns[0]),)

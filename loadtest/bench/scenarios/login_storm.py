"""Bookings during a storm of logins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.generator.jobs import Job
from loadtest.bench.generator.requests import OneRequest
from loadtest.bench.report.columns import Column
from loadtest.bench.scenarios.bookings import Bookings
from loadtest.client import SetupError

LOGINS_AT_ONCE = 32

# A wrong password costs as much as the right one, and stores no session.
_LOGIN = OneRequest(
    method="POST", path="/api/login", body='{"username":"bench-1","password":"not the password"}'
)


class LoginStorm:
    """Bookings on `connections` connections beside logins without pause; only the bookings are measured.

    The case `bookings-<connections>` is the same without logins.
    """

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.columns = (
            Column(case=f"login-storm-{connections}", title=f"{connections}, login storm", confirms=(201,)),
        )

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        bookings = Bookings(self.connections)
        # The shows are made before the storm, so that both last equally long.
        await environment.seats.fresh(bookings.seats_wanted(environment))
        logins = Job(
            host=environment.host,
            port=environment.port,
            tokens=("",),
            load=_LOGIN,
            expected=(401,),
            connections=LOGINS_AT_ONCE,
            warm_up_s=environment.warm_up_s,
            measured_s=environment.measured_s,
        )
        storm = asyncio.create_task(environment.drive(Column(case="logins", title="logins"), logins, None))
        try:
            (case_run,) = await bookings.measure(environment)
        finally:
            (stormed,) = await asyncio.gather(storm, return_exceptions=True)
        if isinstance(stormed, BaseException):
            raise stormed
        if not stormed.tally.expected:
            raise SetupError(f"no login had a response: {stormed.tally.examples}")
        return (msgspec.structs.replace(case_run, column=self.columns[0]),)

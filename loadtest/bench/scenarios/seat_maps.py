"""Reads of a seat map of 2,000 seats, with and without a current ETag."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.generator.jobs import Job
from loadtest.bench.generator.requests import OneRequest
from loadtest.bench.report.columns import Column
from loadtest.client import Client, SetupError

SEATS = 2_000
SOLD = 500
_SEATS_PER_BOOKING = 10


class SeatMaps:
    """`connections` keep-alive connections that read one seat map; a quarter of its seats are sold.

    `known`: conditional requests with the current ETag, which get 304.
    """

    def __init__(self, connections: int, *, known: bool) -> None:
        self.connections = connections
        self.known = known
        status = 304 if known else 200
        self.columns = (Column(case=f"seats-{status}", title=f"seat map, {status}"),)
        self._show_id = 0

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        if not self._show_id:
            self._show_id = await _partly_sold(environment)
        path = f"/api/shows/{self._show_id}/seats"
        async with Client(environment.host, environment.port) as client:
            response = await client.call("GET", path)
        etag = response.headers.get("ETag")
        if response.status != 200 or etag is None:
            raise SetupError(f"GET {path}: {response.status}, {'no' if etag is None else 'an'} ETag")
        headers = {"If-None-Match": etag} if self.known else {}
        job = Job(
            host=environment.host,
            port=environment.port,
            tokens=("",),
            load=OneRequest("GET", path, "", headers),
            expected=(304,) if self.known else (200,),
            connections=self.connections,
            warm_up_s=environment.warm_up_s,
            measured_s=environment.measured_s,
        )
        return (await environment.drive(self.columns[0], job, environment.cpu),)


async def _partly_sold(environment: Environment) -> int:
    show_id = await environment.seats.one_show(SEATS)
    tokens = environment.tokens()
    for number in range(0, SOLD, _SEATS_PER_BOOKING):
        await environment.seats.book(
            show_id, tokens[number % len(tokens)], {"quantity": _SEATS_PER_BOOKING, "adjacent": False}
        )
    return show_id

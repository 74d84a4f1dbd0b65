"""Reads of the catalogue: the list of movies and one show, with and without a current ETag."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.generator.jobs import Job
from loadtest.bench.generator.requests import OneRequest
from loadtest.bench.report.columns import Column
from loadtest.client import Client, SetupError

MOVIES = "/api/movies"
SHOW = "/api/shows/{show_id}"
"""The first show of the service."""


class Reading:
    """Anonymous reads of one path. `known`: conditional requests with a current ETag, which get 304."""

    def __init__(self, name: str, path: str, connections: int, *, known: bool = False) -> None:
        self.connections = connections
        self.path = path
        self.status = 304 if known else 200
        self.columns = (
            Column(case=f"{name}-{self.status}-{connections}", title=f"{connections}, {name} {self.status}"),
        )

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        async with Client(environment.host, environment.port) as client:
            path = self.path.format(show_id=await _first_show(client))
            response = await client.call("GET", path)
        etag = response.headers.get("ETag")
        if response.status != 200 or etag is None:
            raise SetupError(f"GET {path}: {response.status}, {'no' if etag is None else 'an'} ETag")
        headers = {"If-None-Match": etag} if self.status == 304 else {}
        job = Job(
            host=environment.host,
            port=environment.port,
            tokens=("",),
            load=OneRequest("GET", path, "", headers),
            expected=(self.status,),
            connections=self.connections,
            warm_up_s=environment.warm_up_s / 2,
            measured_s=environment.measured_s / 2,
        )
        return (await environment.drive(self.columns[0], job, environment.cpu),)


async def _first_show(client: Client) -> int:
    response = await client.call("GET", "/api/shows?limit=1")
    items = msgspec.json.decode(response.body)["items"]
    if not items:
        raise SetupError("there is no show to read")
    show_id: int = items[0]["id"]
    return show_id

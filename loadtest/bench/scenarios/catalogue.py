"""The catalogue as visitors read it: the list of movies and one show, whole or with an ETag that still holds."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import Measured, Stage
from loadtest.bench.generator.jobs import Order
from loadtest.bench.generator.requests import OneRequest
from loadtest.bench.report.columns import Column
from loadtest.client import Client, SetupError

MOVIES = "/api/movies"
SHOW = "/api/shows/{show_id}"
"""The first show that there is."""

_ETAG = re.compile(rb"\r\netag: (\S+)\r\n", re.IGNORECASE)


class Reading:
    """The same address over and over, by anybody. `known`: as one who has the answer and asks if it holds."""

    def __init__(self, name: str, path: str, connections: int, *, known: bool = False) -> None:
        self.connections = connections
        self.path = path
        self.status = 304 if known else 200
        self.columns = (
            Column(case=f"{name}-{self.status}-{connections}", title=f"{connections}, {name} {self.status}"),
        )

    async def measure(self, stage: Stage) -> Sequence[Measured]:
        async with Client(stage.host, stage.port) as client:
            path = self.path.format(show_id=await _first_show(client))
            answer = await client.call("GET", path)
        etag = _ETAG.search(answer.raw)
        if answer.status != 200 or etag is None:
            raise SetupError(f"GET {path}: {answer.status}, {'no' if etag is None else 'an'} ETag")
        headers = {"If-None-Match": etag[1].decode()} if self.status == 304 else {}
        order = Order(
            host=stage.host,
            port=stage.port,
            tokens=("",),
            asks=OneRequest("GET", path, "", headers),
            expected=(self.status,),
            connections=self.connections,
            warm_up_s=stage.warm_up_s / 2,
            measured_s=stage.measured_s / 2,
        )
        return (await stage.drive(self.columns[0], order, stage.cpu),)


async def _first_show(client: Client) -> int:
    answer = await client.call("GET", "/api/shows?limit=1")
    items = msgspec.json.decode(answer.body)["items"]
    if not items:
        raise SetupError("there is no show to read")
    show_id: int = items[0]["id"]
    return show_id

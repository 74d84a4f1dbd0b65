"""Cases with many others: how soon a change is on the screen, and what watching costs those who book."""

from __future__ import annotations

import asyncio
import itertools
import sys
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from loadtest.bench.environment import Environment
from loadtest.bench.generator.jobs import Job
from loadtest.bench.generator.requests import FreshSeats
from loadtest.bench.generator.watchers import Arrivals, open_watchers
from loadtest.bench.report.columns import Column
from loadtest.bench.report.statistics import percentile
from loadtest.bench.shows import SeatSupply
from loadtest.client import SetupError
from tests.browser.bench.loading import Measured
from tests.browser.bench.stage import Stage

PEOPLE = 500
SOCKETS = 500
_CROWD_S = 25
_ARRIVED_S = 8.0
_CONNECTIONS = 64
_BOOKED_S = 5.0
_WARM_UP_S = 1.5

# When a decision of this show was committed, by the database's own clock, which is this machine's.
_COMMITS = """
SELECT log_offset, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::double precision AS at_ms
  FROM decisions WHERE partition = (SELECT partition FROM shows WHERE show_id = $1) ORDER BY log_offset
"""


async def changes(stage: Stage) -> Measured:
    """From the commit of a decision to the end of the frame that shows it, for every decision of 500 customers."""
    show_id = await stage.new_show(5_000)
    async with stage.visit() as context, _crowd(stage, show_id) as crowd:
        page = await context.new_page()
        await stage.open_map(page, show_id)
        await asyncio.sleep(_ARRIVED_S)
        await page.evaluate("aisleProbe.messages.length = 0")
        await crowd.wait()
        await asyncio.sleep(1.0)
        messages: list[dict[str, Any]] = await page.evaluate("aisleProbe.messages")
    if crowd.returncode != 0:
        raise SetupError(f"`aisle crowd` ended with status {crowd.returncode}")
    commits = await stage.sql(_COMMITS, show_id)
    offsets = [row["log_offset"] for row in commits]
    took: list[float] = []
    for earlier, message in itertools.pairwise(messages):
        first, last = (
            bisect_left(offsets, earlier["version"] + 1),
            bisect_left(offsets, message["version"] + 1),
        )
        if message["drawn"] is not None:
            took += [message["drawn"] - row["at_ms"] for row in commits[first:last]]
    if not took:
        raise SetupError("the crowd changed nothing")
    took.sort()
    figures = {"change-p99": percentile(took, 99), "change-p50": percentile(took, 50)}
    return figures, {"decisions": len(took), "messages": len(messages), "took ms": took}


@asynccontextmanager
async def _crowd(stage: Stage, show_id: int) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = ("crowd", "--show", str(show_id), "--people", str(PEOPLE), "--for", f"{_CROWD_S}s")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops",
        *arguments,
        env=stage.instance.environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def watched(stage: Stage) -> Measured:
    """Bookings a second on one show, with 500 sockets that watch it and without: without, with, with, without."""
    rates = [await _booked(stage, sockets) for sockets in (0, SOCKETS, SOCKETS, 0)]
    without, watching = (rates[0] + rates[3]) / 2, (rates[1] + rates[2]) / 2
    figures = {"watched": watching, "unwatched": without, "watched-share": watching / without}
    return figures, {"sockets": SOCKETS, "connections": _CONNECTIONS, "in order": rates}


async def _booked(stage: Stage, sockets: int) -> float:
    seats = 100_000
    show_id = await stage.plain_show(seats)
    arrivals = Arrivals()
    watchers = await open_watchers(stage.instance.host, stage.instance.port, show_id, sockets, arrivals)
    environment = Environment(
        host=stage.instance.host,
        port=stage.instance.port,
        tokens=stage.accounts.customers,
        seats=SeatSupply(stage.client, stage.accounts.staff, among=1),
        cpu=None,
        warm_up_s=_WARM_UP_S,
        measured_s=_BOOKED_S,
    )
    job = Job(
        host=stage.instance.host,
        port=stage.instance.port,
        tokens=stage.accounts.customers(),
        load=FreshSeats(((show_id, 1, seats),), f"site-{show_id}"),
        connections=_CONNECTIONS,
        warm_up_s=_WARM_UP_S,
        measured_s=_BOOKED_S,
    )
    run = await environment.drive(Column(case="watched", title="watched", confirms=(201,)), job, None)
    for watcher in watchers:
        watcher.abort()
    if run.tally.ran_out:
        raise SetupError(f"{seats:,} seats were sold out too soon")
    return run.tally.expected / run.tally.seconds

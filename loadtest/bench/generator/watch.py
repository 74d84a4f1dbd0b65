"""`python -m loadtest.bench.generator.watch`: many WebSockets on one show, and the latency of each change.

Latency runs from just before a booking is requested until its change is read from a socket, for every booking and
every socket. It includes the booking itself, Redis and the work of this process.
"""

from __future__ import annotations

import asyncio
import gc
import time
from bisect import bisect_left
from typing import Annotated

import msgspec
import typer
import uvloop

from loadtest.bench.accounts import Accounts, add_accounts
from loadtest.bench.generator.watchers import Arrivals, open_watchers
from loadtest.bench.memory import pss_bytes
from loadtest.bench.report.statistics import Latencies, latencies
from loadtest.bench.shows import SeatSupply
from loadtest.client import Client, SetupError
from loadtest.instance import Instance, new_instance

SEATS = 2_000
CUSTOMERS = 16
_SETTLING_S = 2.0
_LAST_ONES_S = 3.0


class Booked(msgspec.Struct, frozen=True):
    """One change: its version, and the times of its request and response."""

    version: int
    requested_at: float
    responded_at: float


def watch(
    sockets: Annotated[int, typer.Option(min=1)] = 5_000,
    stuck: Annotated[int, typer.Option(min=0, help="Additional sockets that read nothing.")] = 0,
    seconds: Annotated[float, typer.Option(min=1)] = 20.0,
    per_second: Annotated[float, typer.Option(min=0.1, help="Bookings per second.")] = 4.0,
) -> None:
    """Starts an instance, watches one show of 2,000 seats with many sockets and books."""
    gc.disable()
    try:
        asyncio.run(_watch(sockets, stuck, seconds, per_second))
    except (SetupError, TimeoutError) as error:
        raise SystemExit(f"watch: {error or 'no response in time'}") from None


async def _watch(sockets: int, stuck: int, seconds: float, per_second: float) -> None:
    async with new_instance(kafka=False, keep=False) as instance:
        accounts = await add_accounts(instance.settings, CUSTOMERS)
        # Thousands of sockets need uvloop, which cannot start processes with process_group.
        await asyncio.to_thread(uvloop.run, _on_show(instance, accounts, sockets, stuck, seconds, per_second))


async def _on_show(
    instance: Instance, accounts: Accounts, sockets: int, stuck: int, seconds: float, per_second: float
) -> None:
    arrivals, stuck_arrivals = Arrivals(), Arrivals()
    async with Client(instance.host, instance.port) as client:
        show_id = await SeatSupply(client, accounts.staff, among=1).one_show(SEATS)
        await _book(client, show_id, accounts.customers()[0])
        gateway = _gateway(instance)
        before = pss_bytes(gateway)
        began = time.perf_counter()
        watchers = await open_watchers(instance.host, instance.port, show_id, sockets, arrivals)
        opened_s = time.perf_counter() - began
        stuck_watchers = await open_watchers(instance.host, instance.port, show_id, stuck, stuck_arrivals)
        await asyncio.sleep(_SETTLING_S)
        each = (pss_bytes(gateway) - before) / (sockets + stuck)
        print(f"{sockets + stuck:,} sockets open after {opened_s:.1f} s, {each / 1024:.1f} KiB each (PSS)")
        for watcher in stuck_watchers:
            watcher.stop_reading()
        booked, cpu_s = await _bookings(instance, client, show_id, accounts.customers(), seconds, per_second)
        await asyncio.sleep(_LAST_ONES_S)
    _print_results(booked, arrivals, sockets, cpu_s / seconds)
    for watcher in watchers + stuck_watchers:
        watcher.abort()


async def _bookings(
    instance: Instance,
    client: Client,
    show_id: int,
    tokens: tuple[str, ...],
    seconds: float,
    per_second: float,
) -> tuple[list[Booked], float]:
    """Books at a steady rate. Also returns the CPU seconds that the gateway used meanwhile."""
    booked = []
    used = instance.cpu.read()["gateway"]
    began = time.perf_counter()
    for number in range(int(seconds * per_second)):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        booked.append(await _book(client, show_id, tokens[number % len(tokens)]))
    return booked, instance.cpu.read()["gateway"] - used


async def _book(client: Client, show_id: int, token: str) -> Booked:
    requested_at = time.perf_counter()
    body = {"quantity": 2, "adjacent": False}
    booking = await client.ask("POST", f"/api/shows/{show_id}/bookings", token=token, body=body)
    return Booked(booking["decided"]["offset"], requested_at, time.perf_counter())


def _print_results(booked: list[Booked], arrivals: Arrivals, sockets: int, cores: float) -> None:
    versions = sorted(arrivals.at)
    took: list[float] = []
    after_response: list[float] = []
    for one in booked:
        at = bisect_left(versions, one.version)
        received = arrivals.at[versions[at]] if at < len(versions) else []
        if len(received) != sockets:
            raise SystemExit(f"watch: version {one.version} reached {len(received)} of {sockets} sockets")
        took += [arrived - one.requested_at for arrived in received]
        after_response += [arrived - one.responded_at for arrived in received]
    print(f"{len(booked)} bookings in {len(versions)} messages, received {len(took):,} times, none missing")
    _print("from request to message, ms", latencies(took))
    _print("from response to message, ms", latencies(after_response))
    print(f"the gateway used {cores:.0%} of a core; sockets lost: {arrivals.lost}")


def _print(what: str, seen: Latencies | None) -> None:
    assert seen is not None, "there were bookings"
    print(f"{what}: p50 {seen.p50:.0f}, p90 {seen.p90:.0f}, p99 {seen.p99:.0f}, max {seen.max:.0f}")


def _gateway(instance: Instance) -> int:
    pids = instance.cpu.pids("gateway")
    if len(pids) != 1:
        raise SetupError(f"one gateway is needed; there are {len(pids)}")
    return pids[0]


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(watch)
    app()

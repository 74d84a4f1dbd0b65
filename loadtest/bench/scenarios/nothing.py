"""The do-nothing server under the same load: upper bound of the HTTP server, and the cost of the generator."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from loadtest.bench.environment import CaseRun, Environment
from loadtest.bench.generator.jobs import Job
from loadtest.bench.generator.requests import FreshSeats
from loadtest.bench.processes import CpuMeter
from loadtest.bench.report.columns import Column
from loadtest.bench.wrk import wrk_cost
from loadtest.client import Client, SetupError
from loadtest.free_ports import free_port

START_S = 10.0


class Nothing:
    """Requests of bookings to a server that reads them and responds, without any work.

    `fast`: through the gateway's fast path instead of ASGI.
    """

    def __init__(self, connections: int, *, fast: bool = False) -> None:
        self.connections = connections
        self.way = "fast" if fast else "asgi"
        case_suffix, suffix = ("-short", "fast path") if fast else ("", "ASGI")
        self.columns = (
            Column(case=f"nothing-{connections}{case_suffix}", title=f"{connections}, no work, {suffix}"),
        )

    async def measure(self, environment: Environment) -> Sequence[CaseRun]:
        port = free_port()
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "loadtest.bench.do_nothing", str(port), self.way, process_group=0
        )
        try:
            await _until_ready(port)
            job = Job(
                host="127.0.0.1",
                port=port,
                tokens=environment.tokens(),
                load=FreshSeats(tuple((show, 1, 10**6) for show in range(1, 65)), key_prefix="nothing"),
                connections=self.connections,
                warm_up_s=environment.warm_up_s / 2,
                measured_s=environment.measured_s / 2,
            )
            case_run = await environment.drive(self.columns[0], job, CpuMeter([server.pid]))
            wrk_s = max(1, round(job.measured_s))
            wrk = await wrk_cost(port, job.tokens[0], self.connections, wrk_s)
            if wrk is not None:
                figures = {"wrk, answers/s": wrk.per_second, "wrk, µs a request": wrk.request_us}
                case_run = msgspec.structs.replace(case_run, figures=figures)
            return (case_run,)
        finally:
            server.terminate()
            await server.wait()


async def _until_ready(port: int) -> None:
    try:
        async with asyncio.timeout(START_S), Client("127.0.0.1", port) as client:
            while True:
                try:
                    await client.call("GET", "/")
                    return
                except OSError:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        raise SetupError("the do-nothing server does not respond") from None

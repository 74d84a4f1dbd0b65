"""The load generator process: `python -m loadtest.bench.generator.process` with a job on stdin.

It shares the machine with the service that it measures, so it has its own request writer and response reader instead
of an HTTP client: about 20 µs of CPU per request, where aiohttp takes 103 µs and a bare Locust user 136 µs. Latency
runs from just before a request is written, in an open loop from when it was due, until its response is complete.
Every response is counted.
"""

from __future__ import annotations

import asyncio
import gc
import sys

import uvloop

from loadtest.bench.generator.closed_loop import ClosedLoop
from loadtest.bench.generator.jobs import Failed, Job, Message, Tally, decode_job, encode
from loadtest.bench.generator.open_loop import OpenLoop
from loadtest.bench.processes import end_with_parent


async def generate(job: Job, messages: asyncio.Queue[Message]) -> None:
    """Runs one job and reports its progress as messages, the tally last."""
    loop = ClosedLoop(job) if job.schedule is None else OpenLoop(job, job.schedule)
    try:
        messages.put_nowait(await loop.run(messages))
    except (OSError, TimeoutError) as error:
        messages.put_nowait(Failed(f"{job.host}:{job.port}: {error or 'no connection in time'}"))


async def _main() -> None:
    job = decode_job(sys.stdin.buffer.read())
    messages: asyncio.Queue[Message] = asyncio.Queue()
    run = asyncio.create_task(generate(job, messages))
    while True:
        line = await messages.get()
        sys.stdout.buffer.write(encode(line) + b"\n")
        sys.stdout.buffer.flush()
        if isinstance(line, Tally | Failed):
            break
    await run


if __name__ == "__main__":
    end_with_parent()
    # There are no reference cycles here; a collection would only add to the measured latency.
    gc.disable()
    uvloop.run(_main())

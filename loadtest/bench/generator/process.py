"""The load generator, a process of its own: `python -m loadtest.bench.generator.process` with an order on stdin.

It is meant to be cheap, since it shares the machine with what it measures, and honest: the clock runs from
just before a request is written, or in an open loop from when it was due, until its answer is whole; every
answer is counted, none is left out.
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
    """Makes one run and says what happens in it, the tally last."""
    loop = ClosedLoop(job) if job.due is None else OpenLoop(job, job.due)
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
    # Nothing here makes cycles; a collection would only stop the clock of whoever is being measured.
    gc.disable()
    uvloop.run(_main())

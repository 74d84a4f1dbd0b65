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
from loadtest.bench.generator.jobs import Failed, Line, Order, Tally, decode_order, encode
from loadtest.bench.generator.open_loop import OpenLoop
from loadtest.bench.processes import end_with_parent


async def generate(order: Order, say: asyncio.Queue[Line]) -> None:
    """Makes one run and says what happens in it, the tally last."""
    loop = ClosedLoop(order) if order.due is None else OpenLoop(order, order.due)
    try:
        say.put_nowait(await loop.run(say))
    except (OSError, TimeoutError) as error:
        say.put_nowait(Failed(f"{order.host}:{order.port}: {error or 'no connection in time'}"))


async def _main() -> None:
    order = decode_order(sys.stdin.buffer.read())
    say: asyncio.Queue[Line] = asyncio.Queue()
    run = asyncio.create_task(generate(order, say))
    while True:
        line = await say.get()
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

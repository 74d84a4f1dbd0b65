"""Getting a batch into PostgreSQL, however often it must be asked; and reading from it read_with_retries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from runtime.postgres import AWAY
from seat_workers.batch import Batch
from seat_workers.ledger import Fenced, Ledger, OutcomeUnknown, Unavailable

log = structlog.get_logger()
T = TypeVar("T")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0


async def commit_with_retries(ledger: Ledger, batch: Batch) -> None:
    """Returns once the batch is certainly committed; raises Refused when it certainly never will be."""
    pause_s = _FIRST_PAUSE_S
    unknown = False
    while True:
        try:
            await ledger.commit(batch)
            return
        except Fenced:
            # An earlier try whose connection was lost may have gone on in the server and be in the way of this.
            if unknown and await _happened(ledger, batch):
                return
            raise
        except Unavailable as error:
            log.warning("PostgreSQL cannot commit now", error=str(error), retry_s=pause_s)
        except OutcomeUnknown as error:
            log.warning("a commit's outcome is unknown; looking", error=str(error))
            unknown = True
            if await _happened(ledger, batch):
                return
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


async def _happened(ledger: Ledger, batch: Batch) -> bool:
    partition, advance = next(iter(batch.advances.items()))
    state = (await read_with_retries(lambda: ledger.states([partition])))[partition]
    if state.epoch == advance.epoch and state.next_offset in (advance.expected, advance.next):
        return state.next_offset == advance.next
    raise Fenced(f"partition {partition} was taken by another writer")


async def read_with_retries(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` returns, once PostgreSQL answers."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await read()
        except AWAY as error:
            log.warning("PostgreSQL does not answer", error=repr(error), retry_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

"""Commits and reads that are retried until PostgreSQL gives a definite result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from runtime.postgres import UNAVAILABLE
from runtime.retries import Backoff
from seat_workers.batch import Batch
from seat_workers.ledger import Fenced, Ledger, OutcomeUnknown, Unavailable

log = structlog.get_logger()
T = TypeVar("T")

_FIRST_DELAY_S = 0.05
_MAX_DELAY_S = 2.0


async def commit_with_retries(ledger: Ledger, batch: Batch) -> None:
    """Returns once the batch is certainly committed; raises Refused when it certainly never will be."""
    backoff = Backoff(_FIRST_DELAY_S, _MAX_DELAY_S)
    outcome_was_unknown = False
    while True:
        try:
            await ledger.commit(batch)
            return
        except Fenced:
            # An earlier attempt may have committed after its connection was lost, and then fences this one.
            if outcome_was_unknown and await _was_committed(ledger, batch):
                return
            raise
        except Unavailable as error:
            log.warning("commit_failed", error=str(error))
        except OutcomeUnknown as error:
            log.warning("commit_outcome_unknown", error=str(error))
            outcome_was_unknown = True
            if await _was_committed(ledger, batch):
                return
        await asyncio.sleep(backoff.next_s())


async def _was_committed(ledger: Ledger, batch: Batch) -> bool:
    """Whether the stored `next_offset` of a partition is the one after the batch. Raises Fenced if it is neither."""
    partition, advance = next(iter(batch.advances.items()))
    state = (await read_with_retries(lambda: ledger.states([partition])))[partition]
    if state.epoch == advance.epoch and state.next_offset in (advance.expected, advance.next):
        return state.next_offset == advance.next
    raise Fenced(f"partition {partition} was taken by another writer")


async def read_with_retries(read: Callable[[], Awaitable[T]]) -> T:
    """Returns the result of `read`, repeated until PostgreSQL responds."""
    backoff = Backoff(_FIRST_DELAY_S, _MAX_DELAY_S)
    while True:
        try:
            return await read()
        except UNAVAILABLE as error:
            log.warning("read_failed", error=repr(error))
        await asyncio.sleep(backoff.next_s())

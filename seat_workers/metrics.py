"""Metrics of a seat worker, counted in wrappers around its ledger and its group membership."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from prometheus_client.core import Metric

from runtime.log import Log, LogUnavailable, Member, WrongLog
from runtime.metrics import Histogram, counter, gauge, histogram
from schemas.wire import COMMANDS_TOPIC
from seat_workers.batch import Batch
from seat_workers.ledger import Ledger, PartitionState

_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_COMMIT_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_BOUNDS_TIMEOUT_S = 1.0


class WorkerMetrics:
    """Counters of one worker since its start."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.shows_in_memory: Callable[[], int] = lambda: 0
        self.batches_ahead: Callable[[], int] = lambda: 0
        self.next_offsets: dict[int, int] = {}
        """Partition → its first offset without a decision, for the assigned partitions."""
        self.epochs: dict[int, int] = {}
        """Partition → its epoch when this worker took it."""
        self._decided: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._sizes = Histogram(_BATCH_BUCKETS)
        self._commit_s = Histogram(_COMMIT_BUCKETS_S)
        self._refused = 0

    def committed(self, batch: Batch, took_s: float) -> None:
        """Counts a batch that was committed in `took_s` seconds."""
        self._sizes.observe(len(batch.decided))
        self._commit_s.observe(took_s)
        for one in batch.decided:
            reason = one.decision.reason
            self._decided[
                type(one.command).__name__ if one.command is not None else "none",
                "accepted" if reason is None else reason.value,
            ] += 1
        for partition, advance in batch.advances.items():
            if partition in self.next_offsets:
                self.next_offsets[partition] = advance.next

    def refused(self) -> None:
        """Counts an attempt to commit that failed or has an unknown outcome."""
        self._refused += 1

    async def metrics(self) -> AsyncIterator[Metric]:
        yield counter(
            "aisle_commands_decided",
            "Commands decided, by type and outcome.",
            ["command", "outcome"],
            self._decided,
        )
        yield histogram("aisle_batch_commands", "Commands in a committed batch.", [], {(): self._sizes})
        yield histogram("aisle_commit_seconds", "Time of one commit of a batch.", [], {(): self._commit_s})
        yield counter(
            "aisle_commits_refused",
            "Commits that failed and were retried or decided again.",
            [],
            {(): self._refused},
        )
        yield counter(
            "aisle_batches_decided_ahead",
            "Batches decided while the one before was being committed.",
            [],
            {(): self.batches_ahead()},
        )
        yield gauge("aisle_shows_in_memory", "Shows loaded.", [], {(): self.shows_in_memory()})
        assigned = {str(partition): partition for partition in sorted(self.next_offsets)}
        yield gauge(
            "aisle_partition_epoch",
            "How often an assigned partition has been taken.",
            ["partition"],
            {(name,): self.epochs[p] for name, p in assigned.items()},
        )
        yield gauge(
            "aisle_partition_next_offset",
            "The first position without a decision.",
            ["partition"],
            {(name,): self.next_offsets[p] for name, p in assigned.items()},
        )
        ends = await self._ends()
        yield gauge(
            "aisle_partition_lag",
            "Commands in the log without a decision.",
            ["partition"],
            {(name,): max(0, ends[p] - self.next_offsets[p]) for name, p in assigned.items() if p in ends},
        )

    async def _ends(self) -> Mapping[int, int]:
        """The end offset of each partition in the log; empty when the log does not respond."""
        try:
            async with asyncio.timeout(_BOUNDS_TIMEOUT_S):
                bounds = await self._log.bounds(COMMANDS_TOPIC)
        except (OSError, TimeoutError, LogUnavailable, WrongLog):
            return {}
        return {partition: end for partition, (_, end) in bounds.items()}


class MeasuredLedger(Ledger):
    """A ledger that counts its commits."""

    def __init__(self, connect: Callable[[str], Awaitable[Any]], metrics: WorkerMetrics) -> None:
        super().__init__(connect)
        self._metrics = metrics

    async def take(self, partitions: Sequence[int], owner: str) -> dict[int, PartitionState]:
        taken = await super().take(partitions, owner)
        self._metrics.epochs |= {partition: state.epoch for partition, state in taken.items()}
        return taken

    async def commit(self, batch: Batch) -> None:
        began = time.perf_counter()
        try:
            await super().commit(batch)
        except Exception:
            self._metrics.refused()
            raise
        self._metrics.committed(batch, time.perf_counter() - began)


class MeasuredMember:
    """A worker as a member of its group, with its assigned partitions noted."""

    def __init__(self, member: Member, metrics: WorkerMetrics) -> None:
        self._member = member
        self._metrics = metrics

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        taken = await self._member.assigned(partitions)
        self._metrics.next_offsets.update(taken)
        return taken

    async def revoked(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            self._metrics.next_offsets.pop(partition, None)
        await self._member.revoked(partitions)

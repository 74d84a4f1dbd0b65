"""The table of the processes of a running instance, for `aisle ps`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterable
from typing import NamedTuple

import psutil
from prometheus_client.parser import text_string_to_metric_families

from ops.local.control_messages import ProcessRow
from ops.local.supervisor import Supervisor
from runtime.metrics_server import scrape_child

_SAMPLE_S = 0.25
"""Time for which CPU usage is measured."""
_OWN_NAME = "aisle up"
_PARTITIONS_OF = "aisle_partition_epoch"


class _Usage(NamedTuple):
    since: float
    cpu_s: float
    memory_bytes: int


async def process_rows(supervisor: Supervisor) -> list[ProcessRow]:
    """Returns a row for the supervisor itself, and one for each of its programs."""
    kept = supervisor.kept()
    alive = {name: child.pid for name, child in kept.items() if child.poll() is None}
    pids = {_OWN_NAME: os.getpid()} | alive
    workers = [name for name in alive if name.startswith("seat-worker-")]
    before, began_at = _usage(pids.values()), time.monotonic()
    found, _ = await asyncio.gather(
        asyncio.gather(*(partitions_of(name) for name in workers)), asyncio.sleep(_SAMPLE_S)
    )
    after, took_s = _usage(pids.values()), time.monotonic() - began_at
    partitions = dict(zip(workers, found, strict=True))
    rows = []
    for name in (_OWN_NAME, *sorted(kept, key=_by_number)):
        pid = pids.get(name)
        if pid is None or pid not in after or pid not in before:
            rows.append(ProcessRow(name))
            continue
        rows.append(
            ProcessRow(
                name,
                pid=pid,
                since=after[pid].since,
                cpu_percent=round(100 * (after[pid].cpu_s - before[pid].cpu_s) / took_s, 1),
                memory_bytes=after[pid].memory_bytes,
                partitions=partitions.get(name),
            )
        )
    return rows


async def partitions_of(worker: str) -> list[int] | None:
    """Returns the partitions that a seat worker of this supervisor has; None when it does not answer."""
    text = await scrape_child(os.getpid(), worker)
    if text is None:
        return None
    return sorted(
        int(sample.labels["partition"])
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == _PARTITIONS_OF
    )


def _usage(pids: Iterable[int]) -> dict[int, _Usage]:
    """Usage of each process that runs. Its children's CPU counts: PostgreSQL has one for each connection."""
    used = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            times, memory, since = process.cpu_times(), process.memory_info(), process.create_time()
            children = process.children(recursive=True) if pid != os.getpid() else []
        except psutil.Error:
            continue
        cpu_s = times.user + times.system
        for child in children:
            with contextlib.suppress(psutil.Error):
                own = child.cpu_times()
                cpu_s += own.user + own.system
        used[pid] = _Usage(since, cpu_s, memory.rss)
    return used


def _by_number(name: str) -> tuple[str, int]:
    kind, _, number = name.rpartition("-")
    return (kind, int(number)) if number.isdigit() else (name, 0)

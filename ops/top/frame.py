"""A frame: everything that `aisle top` shows of one moment, as it is recorded. Pure."""

from __future__ import annotations

from collections import Counter

import msgspec

from ops.top.change import Change

USED = frozenset(
    {
        "aisle_batch_commands_count",
        "aisle_batch_commands_sum",
        "aisle_batches_decided_ahead_total",
        "aisle_build_info",
        "aisle_commands_decided_total",
        "aisle_commands_in_flight",
        "aisle_commit_seconds_bucket",
        "aisle_decision_seconds_bucket",
        "aisle_emails_oldest_age_seconds",
        "aisle_emails_total",
        "aisle_emails_waiting",
        "aisle_event_loop_delay_seconds_bucket",
        "aisle_partition_epoch",
        "aisle_partition_lag",
        "aisle_partition_next_offset",
        "aisle_process_up",
        "aisle_request_seconds_bucket",
        "aisle_requests_total",
        "aisle_sockets",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    }
)
"""The samples that a frame is made of."""

_REFUSED_AT_GATEWAY = {"429": "429 too many requests", "500": "500 internal error", "503": "503 overloaded"}


class Route(msgspec.Struct, frozen=True):
    """Requests of one route: a second, and their latency in milliseconds."""

    name: str
    per_s: float
    p50_ms: float | None
    p99_ms: float | None


class Partition(msgspec.Struct, frozen=True):
    """One partition. `owner` is empty for one without a seat worker, what is None is not known."""

    number: int
    owner: str
    epoch: int | None = None
    lag: int | None = None
    decided_per_s: float = 0.0
    shows: int | None = None
    seats_left: int | None = None


class Process(msgspec.Struct, frozen=True):
    """One process: share of a core, memory, 99th percentile of the delay of its event loop."""

    name: str
    up: bool
    cpu: float = 0.0
    memory_mb: float = 0.0
    loop_p99_ms: float | None = None
    since_s: float = 0.0


class Emails(msgspec.Struct, frozen=True):
    """E-mails: a second by outcome, those that wait, age of the oldest one in seconds."""

    per_s: dict[str, float]
    waiting: int
    oldest_s: float


class Frame(msgspec.Struct, frozen=True):
    """One moment. Rates and latencies are those of the last seconds."""

    at_s: float
    version: str
    routes: list[Route]
    refused: dict[str, float]
    """Reason, or status with which a gateway refused → a second."""
    requests_per_s: float
    decided_per_s: float
    accepted_per_s: float
    in_flight: int
    sockets: int
    decision_ms: list[float | None]
    """p50 and p99 from append to decision."""
    commit_ms: list[float | None]
    batch: float | None
    ahead_per_s: float
    partitions: list[Partition]
    processes: list[Process]
    emails: Emails | None

    def with_partitions(self, partitions: list[Partition]) -> Frame:
        """The frame with other partitions."""
        return msgspec.structs.replace(self, partitions=partitions)


def frame_of(change: Change, at_s: float) -> Frame:
    """The frame of the moment `at_s`, in Unix seconds, at the end of a change."""
    latencies = change.quantiles_by("aisle_request_seconds", "route", 0.5, 0.99)
    routes = [
        Route(name, per_s, *_ms(latencies.get(name, [None, None])))
        for name, per_s in change.rates("aisle_requests_total", "route").items()
    ]
    outcomes = change.rates("aisle_commands_decided_total", "outcome")
    refused = {outcome: per_s for outcome, per_s in outcomes.items() if outcome != "accepted"}
    for status, per_s in change.rates("aisle_requests_total", "status").items():
        if status in _REFUSED_AT_GATEWAY:
            refused[_REFUSED_AT_GATEWAY[status]] = per_s
    return Frame(
        at_s=at_s,
        version=next((labels["version"] for labels, _ in change.values("aisle_build_info")), ""),
        routes=sorted(routes, key=lambda one: (-one.per_s, one.name)),
        refused=dict(sorted(refused.items(), key=lambda one: (-one[1], one[0]))),
        requests_per_s=change.rate("aisle_requests_total"),
        decided_per_s=sum(outcomes.values()),
        accepted_per_s=outcomes.get("accepted", 0.0),
        in_flight=int(change.total("aisle_commands_in_flight")),
        sockets=int(change.total("aisle_sockets")),
        decision_ms=_ms(change.quantiles("aisle_decision_seconds", 0.5, 0.99)),
        commit_ms=_ms(change.quantiles("aisle_commit_seconds", 0.5, 0.99)),
        batch=change.mean("aisle_batch_commands"),
        ahead_per_s=change.rate("aisle_batches_decided_ahead_total"),
        partitions=_partitions(change),
        processes=_processes(change, at_s),
        emails=_emails(change),
    )


def _ms(seconds: list[float | None]) -> list[float | None]:
    return [None if one is None else one * 1000 for one in seconds]


def _partitions(change: Change) -> list[Partition]:
    lags = {int(labels["partition"]): int(lag) for labels, lag in change.values("aisle_partition_lag")}
    owners: dict[int, tuple[int, str]] = {}
    for labels, epoch in change.values("aisle_partition_epoch"):
        number = int(labels["partition"])
        owners[number] = max(owners.get(number, (0, "")), (int(epoch), labels.get("process", "")))
    rates = change.gauge_rates("aisle_partition_next_offset", "partition")
    return [
        Partition(number, owner, epoch, lags.get(number), rates.get(str(number), 0.0))
        for number, (epoch, owner) in sorted(owners.items())
    ]


def _processes(change: Change, at_s: float) -> list[Process]:
    up = {labels.get("process", ""): bool(value) for labels, value in change.values("aisle_process_up")}
    started = {
        labels.get("process", ""): value for labels, value in change.values("process_start_time_seconds")
    }
    cpu = change.rates("process_cpu_seconds_total", "process")
    delays = change.quantiles_by("aisle_event_loop_delay_seconds", "process", 0.99)
    memory: Counter[str] = Counter()
    for labels, value in change.values("process_resident_memory_bytes"):
        memory[labels.get("process", "")] += int(value)
    return [
        Process(
            name,
            up.get(name, name in started),
            cpu.get(name, 0.0),
            memory[name] / 2**20,
            _ms(delays.get(name, [None]))[0],
            at_s - started[name] if name in started else 0.0,
        )
        for name in sorted(up.keys() | started.keys())
    ]


def _emails(change: Change) -> Emails | None:
    per_s = change.rates("aisle_emails_total", "outcome")
    if not per_s:
        return None
    waiting = max((value for _, value in change.values("aisle_emails_waiting")), default=0)
    oldest = max((value for _, value in change.values("aisle_emails_oldest_age_seconds")), default=0)
    return Emails(per_s, int(waiting), oldest)

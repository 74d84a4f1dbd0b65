"""Which faults a schedule has, and how often each strikes. Every schedule draws its own selection."""

from __future__ import annotations

from random import Random

import msgspec


class NetworkFaults(msgspec.Struct):
    """Chances per occasion, between 0 and 1, for what happens on the way; all 0 once things may settle."""

    slow: float = 0.0
    """A message takes up to a second, seldom several, instead of about a millisecond."""
    commit_cut: float = 0.0
    """The connection is lost while a batch commits: before, after, or the commit comes late."""
    read_cut: float = 0.0
    """The connection is lost while something is read or taken."""
    append_refused: float = 0.0
    append_answer_lost: float = 0.0
    append_twice: float = 0.0
    """A record stands in the log twice."""
    poll_fails: float = 0.0
    message_lost: float = 0.0
    """A Redis message does not reach its subscriber."""
    message_twice: float = 0.0
    http_cut: float = 0.0
    """A client loses its connection before the answer."""


class FaultPlan(msgspec.Struct, frozen=True):
    """What one schedule does to the system."""

    network_faults: NetworkFaults
    injected: tuple[str, ...]
    """Kinds of faults that fault_injector.py injects, one at a time."""
    mean_interval_s: float
    fault_count: int

    def only_redis_fails(self) -> bool:
        """Whether everything but Redis works all the time."""
        of_redis = ("message_lost", "message_twice")
        names = [name for name in NetworkFaults.__struct_fields__ if name not in of_redis]
        return {*self.injected} <= {"Redis away", "malformed record"} and not any(
            getattr(self.network_faults, name) for name in names
        )


INJECTED_FAULTS = (
    "kill a worker",
    "kill a worker at a random step",
    "kill a gateway",
    "kill a gateway at a random step",
    "kill the notifier",
    "suspend a worker",
    "suspend a worker at a random step",
    "rebalance",
    "rebalance while the database is away",
    "stop a worker",
    "database away",
    "database full",
    "Redis away",
    "log away",
    "events topic away",
    "clock jumps",
    "a day passes",
    "malformed record",
    "a constraint violation",
)

HARMLESS_FAULTS = ("rebalance", "stop a worker", "clock jumps", "malformed record")
"""After these nobody may be fenced, nothing may be slow to answer, no client may be left without an answer."""


def draw_plan(random: Random) -> FaultPlan:
    """Some faults, not all: one that strikes everywhere hides what another would have shown."""
    kind = random.random()
    if kind < 0.1:
        injected = tuple(one for one in HARMLESS_FAULTS if random.random() < 0.7)
        return FaultPlan(NetworkFaults(), injected, random.uniform(0.1, 1.0), random.randrange(10))
    if kind < 0.2:
        lost = NetworkFaults(message_lost=random.random())
        return FaultPlan(lost, ("Redis away",), random.uniform(0.2, 1.0), random.randrange(10))
    network_faults = NetworkFaults()
    for name in NetworkFaults.__struct_fields__:
        if random.random() < 0.3:
            setattr(network_faults, name, random.choice((0.01, 0.05, 0.2)))
    injected = tuple(one for one in INJECTED_FAULTS if random.random() < 0.3)
    every_s = random.choice((0.05, 0.2, 0.5, 1.5))
    return FaultPlan(network_faults, injected, every_s, random.randrange(2, 20))

"""Fault plans: the faults of a schedule and their probabilities. Each schedule draws a selection of its own."""

from __future__ import annotations

from random import Random

import msgspec


class NetworkFaults(msgspec.Struct):
    """Probabilities of network faults, per message or call; all are 0 while the instance settles."""

    slow: float = 0.0
    """A message takes up to a second, rarely several, instead of about a millisecond."""
    commit_cut: float = 0.0
    """The connection is lost during a commit, which happens before, after, or not at all."""
    read_cut: float = 0.0
    """The connection is lost during a read or a take."""
    append_refused: float = 0.0
    append_answer_lost: float = 0.0
    append_twice: float = 0.0
    """A record is appended twice."""
    poll_fails: float = 0.0
    message_lost: float = 0.0
    """A Redis message does not reach its subscriber."""
    message_twice: float = 0.0
    http_cut: float = 0.0
    """A client loses its connection before the response."""


class FaultPlan(msgspec.Struct, frozen=True):
    """The faults of one schedule."""

    network_faults: NetworkFaults
    injected: tuple[str, ...]
    """Kinds of faults that fault_injector.py injects, one at a time."""
    mean_interval_s: float
    fault_count: int

    def only_redis_fails(self) -> bool:
        """Whether only Redis has faults."""
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
    "half an hour passes",
    "malformed record",
    "a constraint violation",
)

HARMLESS_FAULTS = ("rebalance", "stop a worker", "clock jumps", "malformed record")
"""Faults after which no worker may be fenced, and every client must get a timely response."""


def draw_plan(random: Random) -> FaultPlan:
    """Draws some faults, not all: a frequent fault can mask the effects of another."""
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

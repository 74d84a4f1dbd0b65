"""Which faults a schedule has, and how often each strikes. Every schedule draws its own selection."""

from __future__ import annotations

from random import Random

import msgspec


class Faults(msgspec.Struct):
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


class Plan(msgspec.Struct, frozen=True):
    """What one schedule does to the system."""

    on_the_way: Faults
    strikes: tuple[str, ...]
    """Kinds of blows, of which one is dealt every now and then; see strikes.py."""
    strike_every_s: float
    blows: int

    def only_redis_fails(self) -> bool:
        """Whether everything but Redis works all the time."""
        of_redis = ("message_lost", "message_twice")
        names = [name for name in Faults.__struct_fields__ if name not in of_redis]
        return {*self.strikes} <= {"Redis away", "garbage"} and not any(
            getattr(self.on_the_way, name) for name in names
        )


STRIKES = (
    "kill a worker",
    "kill a worker at a step",
    "kill a gateway",
    "kill a gateway at a step",
    "kill the notifier",
    "put a worker to sleep",
    "put a worker to sleep at a step",
    "move partitions",
    "move partitions while the database is away",
    "a worker leaves",
    "database away",
    "database full",
    "Redis away",
    "log away",
    "events topic away",
    "clock jumps",
    "a day passes",
    "garbage",
    "a constraint",
)

CALM = ("move partitions", "a worker leaves", "clock jumps", "garbage")
"""After these nobody may be fenced, nothing may be slow to answer, no client may be left without an answer."""


def drawn_plan(random: Random) -> Plan:
    """Some faults, not all: one that strikes everywhere hides what another would have shown."""
    kind = random.random()
    if kind < 0.1:
        strikes = tuple(one for one in CALM if random.random() < 0.7)
        return Plan(Faults(), strikes, random.uniform(0.1, 1.0), random.randrange(10))
    if kind < 0.2:
        lost = Faults(message_lost=random.random())
        return Plan(lost, ("Redis away",), random.uniform(0.2, 1.0), random.randrange(10))
    on_the_way = Faults()
    for name in Faults.__struct_fields__:
        if random.random() < 0.3:
            setattr(on_the_way, name, random.choice((0.01, 0.05, 0.2)))
    strikes = tuple(one for one in STRIKES if random.random() < 0.3)
    every_s = random.choice((0.05, 0.2, 0.5, 1.5))
    return Plan(on_the_way, strikes, every_s, random.randrange(2, 20))

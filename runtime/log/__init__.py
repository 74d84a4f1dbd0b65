"""The log: what the rest of Aisle needs of Kafka, of PostgreSQL as a log, or of a log in memory.

Append records to partitions and learn their offsets; read assigned partitions from an offset; be told when
partitions come and go. Offsets of a partition are dense and increasing (Kafka leaves gaps only for control
records, which Aisle does not write), a record's time is the log's own, and an append is answered only when
the record is durable. One set of contract tests holds for every adapter.

Time runs forward within a partition as far as the log can promise it: PostgreSQL and memory always, Kafka
unless a broker's clock is set back or a leader's clock is behind its predecessor's. Who needs more takes the
maximum with the last time seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

MAX_BODY_BYTES = 6 * 2**20
"""The largest record that every log takes: above the largest command that staff can send, 4 MiB."""


class Record(NamedTuple):
    """One record as the log holds it. `at_ms` is the log's own time in Unix milliseconds."""

    partition: int
    offset: int
    at_ms: int
    body: bytes


class LogIdentity(msgspec.Struct, frozen=True):
    """What tells one log from another: a database is bound to exactly one."""

    kind: str
    cluster: str
    topic: str

    def __str__(self) -> str:
        return f"{self.kind} log, cluster {self.cluster}, topic {self.topic}"


class LogUnavailable(Exception):
    """The log did not take or give a record. `outcome_unknown`: an append may yet have been taken."""

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class WrongLog(Exception):
    """The log is not the one it should be: other settings, another cluster, an offset outside it.

    Nothing is reset or repaired: the process stops and the message says what to do.
    """


class Appender(Protocol):
    """Appends to one topic. Calls made in the same moment travel together."""

    def append(self, partition: int, body: bytes) -> asyncio.Future[int]:
        """Appends one record; its offset is there once it is durable.

        An event may become durable a moment later, if nothing can be stored meanwhile that says it was published.

        What awaiting it raises: LogUnavailable; WrongLog for a partition that the topic does not have;
        ValueError for a body over MAX_BODY_BYTES. The call itself raises nothing. Records appended to a partition
        by one caller, one await after the other, stand in that order; so do records of calls made without
        awaiting in between.
        """
        ...

    async def append_many(self, records: Sequence[tuple[int, bytes]]) -> list[int]:
        """Appends (partition, body) pairs, those of a partition in the given order; returns their offsets.

        Raises as `append` does; `outcome_unknown` where any of them may have been taken.
        """
        ...

    async def close(self) -> None:
        """Takes nothing more and waits for what was taken."""
        ...


class Member(Protocol):
    """Who reads partitions as part of a group, and is told when they come and go."""

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """These partitions are ours now. Returns the offset to read each from."""
        ...

    async def revoked(self, partitions: Sequence[int]) -> None:
        """These partitions go to somebody else once this returns. Nothing of them is read any more."""
        ...


class Reader(Protocol):
    """Reads one topic as a member of a group."""

    async def poll(self, *, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        """What has arrived on our partitions, at most `max_records` of each; waits up to `wait_s` for the
        first. `Member.assigned` and `Member.revoked` are only called from inside `poll` and `close`.

        A record that a poll gave is not given again, unless its partition was revoked and came back or
        `seek` went back to it. Raises LogUnavailable, after which the next poll tries again; WrongLog for an
        offset that the log does not have.
        """
        ...

    def seek(self, partition: int, offset: int) -> None:
        """The next poll gives this partition's records from `offset` on."""
        ...

    async def close(self) -> None:
        """Gives all partitions back (`Member.revoked` is called) and leaves the group."""
        ...


class Log(Protocol):
    """A connection to one log with its topics. Close appenders and readers before it."""

    async def identity(self) -> LogIdentity:
        """What this log is. Raises WrongLog when its topics are missing or have wrong settings."""
        ...

    async def create(self, partitions: int) -> None:
        """Creates the topics where they are missing. Raises WrongLog when they exist with other settings;
        another number of partitions is none: that number is asked for at creation only."""
        ...

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """For each partition of a topic: its first offset and the one after its last."""
        ...

    async def read(self, topic: str, partition: int, start: int, limit: int) -> list[Record]:
        """At most `limit` records from `start` on, outside of any group; fewer only at the end."""
        ...

    def appender(self, topic: str) -> Appender: ...

    def reader(self, topic: str, group: str, member: Member) -> Reader: ...

    async def close(self) -> None: ...

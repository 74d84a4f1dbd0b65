"""The log: interface of Kafka, of PostgreSQL as a log, and of a log in memory.

It appends records to partitions and returns their offsets, reads assigned partitions from an offset, and notifies
members when partitions are assigned and revoked. Offsets of a partition are dense and increasing (Kafka leaves gaps
only for control records, which Aisle does not write), the timestamp of a record is the log's own, and an append
completes only when the record is durable. All adapters pass the same contract tests.

Timestamps increase within a partition as far as the log guarantees it: always in PostgreSQL and in memory, in Kafka
unless a broker's clock is set back or a leader's clock is behind its predecessor's. Callers that need more use the
maximum with the last timestamp.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

MAX_BODY_BYTES = 6 * 2**20
"""Maximum size of a record in every log: above the largest command of staff, 4 MiB."""


class Record(NamedTuple):
    """A stored record. `at_ms` is the log's own time in Unix milliseconds."""

    partition: int
    offset: int
    at_ms: int
    body: bytes


class LogIdentity(msgspec.Struct, frozen=True):
    """Identity of a log: a database is bound to exactly one."""

    kind: str
    cluster: str
    topic: str

    def __str__(self) -> str:
        return f"{self.kind} log, cluster {self.cluster}, topic {self.topic}"


class LogUnavailable(Exception):
    """The log failed to append or return a record. `outcome_unknown`: the append may have succeeded."""

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class WrongLog(Exception):
    """The log is not the expected one: other settings, another cluster, an offset outside of it.

    It is not repaired: the process stops and the message names the remedy.
    """


class Appender(Protocol):
    """Appends to one topic. Concurrent calls are batched."""

    def append(self, partition: int, body: bytes) -> asyncio.Future[int]:
        """Appends one record; returns a future of its offset, done once the record is durable.

        An event may become durable a moment later, as long as no state that marks it as published can be stored
        before it.

        The future raises LogUnavailable; WrongLog for a partition that the topic does not have; ValueError for a
        body over MAX_BODY_BYTES. The call itself raises nothing. Records of one caller and partition keep the order
        of the calls, awaited in between or not.
        """
        ...

    async def append_many(self, records: Sequence[tuple[int, bytes]]) -> list[int]:
        """Appends (partition, body) pairs, those of a partition in the given order; returns their offsets.

        Raises as `append` does; `outcome_unknown` where any of them may have been taken.
        """
        ...

    async def close(self) -> None:
        """Rejects further records and waits for the pending ones."""
        ...


class Member(Protocol):
    """Receives notice of assigned and revoked partitions of a group."""

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Called when these partitions are assigned. Returns the offset at which to start each."""
        ...

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Called before these partitions are reassigned, which happens once this returns."""
        ...


class Reader(Protocol):
    """Reads one topic as a member of a group."""

    async def prepare(self) -> None:
        """Connects without joining the group, so that the first poll is quick. Failures are left to that poll."""
        ...

    async def poll(self, *, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        """Returns new records of the assigned partitions, at most `max_records` of each; waits up to `wait_s` for
        the first. `Member.assigned` and `Member.revoked` are called from inside `poll` and `close` only.

        A record is not returned again, unless its partition was revoked and reassigned or `seek` went back to it.
        Raises LogUnavailable, after which the next poll retries; WrongLog for an offset that the log does not have.
        """
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Continues this partition at `offset` in the next poll."""
        ...

    @property
    def in_group(self) -> bool:
        """Whether the group has given this member its share of the partitions, which may be none."""
        ...

    async def close(self, *, leave: bool = True) -> None:
        """Revokes all partitions (`Member.revoked` is called) and leaves the group.

        With `leave=False` a member with an instance name stays in its group: its successor of the same name takes
        exactly its partitions, and the other members notice nothing.
        """
        ...


class Log(Protocol):
    """A connection to one log with its topics. Close appenders and readers before it."""

    outlives_database: bool
    """Whether the log stays as it is when the database is restored from a backup, being stored elsewhere."""

    async def identity(self) -> LogIdentity:
        """Returns the identity of the log. Raises WrongLog when its topics are missing or have wrong settings."""
        ...

    async def create(self, partitions: int) -> None:
        """Creates missing topics. Raises WrongLog when they exist with other settings. `partitions` is used at creation
        only: another number of an existing topic is accepted."""
        ...

    async def add_partitions(self, total: int) -> None:
        """Adds partitions until each topic has `total`; those of commands last, so that their events have a place.

        Members are assigned the new partitions, and appenders find them, within seconds. Safe to repeat.
        """
        ...

    async def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """Returns the first offset and the next offset of each partition of a topic."""
        ...

    async def read(self, topic: str, partition: int, start: int, limit: int) -> list[Record]:
        """Returns up to `limit` records from `start` on, outside of any group; fewer only at the end."""
        ...

    def appender(self, topic: str) -> Appender: ...

    def reader(self, topic: str, group: str, member: Member) -> Reader: ...

    async def close(self) -> None: ...

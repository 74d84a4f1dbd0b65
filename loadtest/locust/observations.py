"""Observations of users: acknowledged bookings, and requests with an unknown outcome. PURE.

Each process keeps its own; in distributed runs the workers send theirs to the master.
"""

from __future__ import annotations

import msgspec

from schemas.api import BookingBody

LIVE = frozenset({"held", "confirmed"})
"""Statuses in which a booking has its seats."""


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """A booking as it was acknowledged, or as it was read after the run."""

    customer: int
    """Index of the customer's token in the file of tokens."""
    booking_id: str
    show_id: int
    user_id: int
    status: str
    seats: tuple[str, ...]
    partition: int
    offset: int
    """With `partition`, the position of the decision that led to this status."""

    @property
    def position(self) -> str:
        return f"{self.partition}-{self.offset}"


class UnknownOutcome(msgspec.Struct, frozen=True, array_like=True):
    """A request without a usable response; its outcome is unknown."""

    customer: int
    show_id: int
    action: str
    """bookings, holds, confirm or cancel, as in the path."""
    booking_id: str
    """Empty for a new booking."""


class Observations(msgspec.Struct):
    """All observations of a process."""

    acknowledged: list[Observation] = []
    unknown: list[UnknownOutcome] = []
    outcomes: dict[str, int] = {}
    """Number of actions by outcome."""
    requests: int = 0
    cpu_s: float = 0.0
    """CPU of the load generator's processes."""

    def count(self, outcome: str, times: int = 1) -> None:
        """Counts one outcome."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times

    def drain(self) -> bytes:
        """Returns all observations, encoded, and clears them."""
        whole = msgspec.msgpack.encode(self)
        self.acknowledged, self.unknown, self.outcomes = [], [], {}
        self.requests, self.cpu_s = 0, 0.0
        return whole

    def take(self, batch: bytes) -> None:
        """Adds the observations of another process."""
        other = msgspec.msgpack.decode(batch, type=Observations)
        self.acknowledged += other.acknowledged
        self.unknown += other.unknown
        for outcome, times in other.outcomes.items():
            self.count(outcome, times)
        self.requests += other.requests
        self.cpu_s += other.cpu_s


class Batch(msgspec.Struct, frozen=True):
    """Observations that a worker sends to the master."""

    worker: str
    number: int
    """Sequence number in the run, from 0."""
    last: bool
    observations: bytes


class Collector(msgspec.Struct):
    """Collects the batches of the workers and detects missing ones."""

    numbers: dict[str, int] = {}
    done: set[str] = set()
    lost: set[str] = set()

    def take(self, batch: Batch, into: Observations) -> None:
        """Adds a batch. A gap in its numbers marks the worker as incomplete."""
        if self.numbers.get(batch.worker, 0) != batch.number:
            self.lost.add(batch.worker)
        self.numbers[batch.worker] = batch.number + 1
        if batch.last:
            self.done.add(batch.worker)
        into.take(batch.observations)

    def missing(self, workers: set[str]) -> list[str]:
        """Workers of the run without all of their batches."""
        return sorted(((workers | self.numbers.keys()) - self.done) | self.lost)


def observe(customer: int, booking: BookingBody) -> Observation:
    """Observation of a booking in a response."""
    return Observation(
        customer=customer,
        booking_id=str(booking.id),
        show_id=booking.show_id,
        user_id=booking.user_id or 0,
        status=booking.status,
        seats=booking.seats,
        partition=booking.decided.partition,
        offset=booking.decided.offset,
    )

"""What people saw: every booking that was acknowledged to them, and whatever they were left in doubt about. PURE.

Each process keeps its own; in distributed runs the workers hand over what is new, and the master has it all.
"""

from __future__ import annotations

import msgspec

from schemas.api import BookingBody

LIVE = frozenset({"held", "confirmed"})
"""A booking with one of these has its seats."""


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """A booking as it was acknowledged, or as it was found afterwards."""

    customer: int
    """Whose token it was: its line in the file of tokens, from 0."""
    booking_id: str
    show_id: int
    user_id: int
    status: str
    seats: tuple[str, ...]
    partition: int
    offset: int
    """With `partition` the position of the decision that made it so."""

    @property
    def position(self) -> str:
        return f"{self.partition}-{self.offset}"


class UnknownOutcome(msgspec.Struct, frozen=True, array_like=True):
    """A request that got no answer to go by; it may have been done or not."""

    customer: int
    show_id: int
    action: str
    """bookings, holds, confirm or cancel, as in the address."""
    booking_id: str
    """Empty where a booking would have been made."""


class Observations(msgspec.Struct):
    """All that was seen."""

    acknowledged: list[Observation] = []
    unknown: list[UnknownOutcome] = []
    outcomes: dict[str, int] = {}
    """What came of what people wanted, in their words, and how often."""
    requests: int = 0
    cpu_s: float = 0.0
    """Of the processes that drove them."""

    def count(self, outcome: str, times: int = 1) -> None:
        """Counts what came of a wish."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times

    def drain(self) -> bytes:
        """All that is here, which is then empty."""
        whole = msgspec.msgpack.encode(self)
        self.acknowledged, self.unknown, self.outcomes = [], [], {}
        self.requests, self.cpu_s = 0, 0.0
        return whole

    def take(self, batch: bytes) -> None:
        """Adds what another process has handed over."""
        other = msgspec.msgpack.decode(batch, type=Observations)
        self.acknowledged += other.acknowledged
        self.unknown += other.unknown
        for outcome, times in other.outcomes.items():
            self.count(outcome, times)
        self.requests += other.requests
        self.cpu_s += other.cpu_s


class Batch(msgspec.Struct, frozen=True):
    """What a worker sends to the master."""

    worker: str
    number: int
    """Counted from 0 in each run."""
    last: bool
    observations: bytes


class Collector(msgspec.Struct):
    """Takes what workers hand over, and knows whether anything is missing."""

    numbers: dict[str, int] = {}
    done: set[str] = set()
    lost: set[str] = set()

    def take(self, batch: Batch, into: Observations) -> None:
        """Adds a piece. A piece that was left out is remembered."""
        if self.numbers.get(batch.worker, 0) != batch.number:
            self.lost.add(batch.worker)
        self.numbers[batch.worker] = batch.number + 1
        if batch.last:
            self.done.add(batch.worker)
        into.take(batch.observations)

    def missing(self, workers: set[str]) -> list[str]:
        """Workers that took part and have not handed over all that their people saw."""
        return sorted(((workers | self.numbers.keys()) - self.done) | self.lost)


def observe(customer: int, booking: BookingBody) -> Observation:
    """A booking as it stands in an answer."""
    return Observation(
        customer=customer,
        booking_id=str(booking.id),
        show_id=booking.show_id,
        user_id=booking.user_id,
        status=booking.status,
        seats=booking.seats,
        partition=booking.decided.partition,
        offset=booking.decided.offset,
    )

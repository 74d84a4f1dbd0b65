"""What people saw: every booking that was acknowledged to them, and whatever they were left in doubt about. PURE.

Each process keeps its own; in distributed runs the workers hand over what is new, and the master has it all.
"""

from __future__ import annotations

import msgspec

from schemas.api import BookingBody

LIVE = frozenset({"held", "confirmed"})
"""A booking with one of these has its seats."""


class Sighting(msgspec.Struct, frozen=True, array_like=True):
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


class Doubt(msgspec.Struct, frozen=True, array_like=True):
    """A request that got no answer to go by; it may have been done or not."""

    customer: int
    show_id: int
    action: str
    """bookings, holds, confirm or cancel, as in the address."""
    booking_id: str
    """Empty where a booking would have been made."""


class Sightings(msgspec.Struct):
    """All that was seen."""

    seen: list[Sighting] = []
    doubts: list[Doubt] = []
    outcomes: dict[str, int] = {}
    """What came of what people wanted, in their words, and how often."""
    requests: int = 0
    cpu_s: float = 0.0
    """Of the processes that drove them."""

    def count(self, outcome: str, times: int = 1) -> None:
        """Counts what came of a wish."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times

    def hand_over(self) -> bytes:
        """All that is here, which is then empty."""
        whole = msgspec.msgpack.encode(self)
        self.seen, self.doubts, self.outcomes = [], [], {}
        self.requests, self.cpu_s = 0, 0.0
        return whole

    def take(self, handed: bytes) -> None:
        """Adds what another process has handed over."""
        other = msgspec.msgpack.decode(handed, type=Sightings)
        self.seen += other.seen
        self.doubts += other.doubts
        for outcome, times in other.outcomes.items():
            self.count(outcome, times)
        self.requests += other.requests
        self.cpu_s += other.cpu_s


class Handed(msgspec.Struct, frozen=True):
    """What a worker sends to the master."""

    worker: str
    number: int
    """Counted from 0 in each run."""
    last: bool
    sightings: bytes


class Gathering(msgspec.Struct):
    """Takes what workers hand over, and knows whether anything is missing."""

    numbers: dict[str, int] = {}
    done: set[str] = set()
    lost: set[str] = set()

    def take(self, handed: Handed, into: Sightings) -> None:
        """Adds a piece. A piece that was left out is remembered."""
        if self.numbers.get(handed.worker, 0) != handed.number:
            self.lost.add(handed.worker)
        self.numbers[handed.worker] = handed.number + 1
        if handed.last:
            self.done.add(handed.worker)
        into.take(handed.sightings)

    def missing(self, workers: set[str]) -> list[str]:
        """Workers that took part and have not handed over all that their people saw."""
        return sorted(((workers | self.numbers.keys()) - self.done) | self.lost)


def sighting(customer: int, booking: BookingBody) -> Sighting:
    """A booking as it stands in an answer."""
    return Sighting(
        customer=customer,
        booking_id=str(booking.id),
        show_id=booking.show_id,
        user_id=booking.user_id,
        status=booking.status,
        seats=booking.seats,
        partition=booking.decided.partition,
        offset=booking.decided.offset,
    )

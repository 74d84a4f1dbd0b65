"""What the people of this process share: who they may be, which shows they come for, what they have seen."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from loadtest.locust.observations import Observations
from loadtest.locust.seat_choice import Hall

HOT = 0.8
"""The share of visits that are for the first show."""


class NotReady(Exception):
    """People cannot be sent; the message says what is missing."""


class SharedState(msgspec.Struct, kw_only=True):
    """One for each process."""

    tokens: Sequence[str]
    shows: Sequence[int]
    """The first is the one that everybody talks about."""
    hold_s: int
    first: int
    """Which of the tokens is this process's first, and by how many it goes on."""
    stride: int
    observations: Observations = msgspec.field(default_factory=Observations)
    halls: dict[int, Hall] = {}
    resolved: int = 0
    rng: random.Random = msgspec.field(default_factory=random.Random)

    def next_customer(self) -> int:
        """Somebody who is not there yet; once all are, they come a second time."""
        number = self.first + self.resolved * self.stride
        self.resolved += 1
        return number % len(self.tokens)

    def some_show(self) -> int:
        """A show that somebody comes for."""
        if len(self.shows) == 1 or self.rng.random() < HOT:
            return self.shows[0]
        return self.rng.choice(self.shows[1:])


_current: SharedState | None = None


def set_current_state(shared_state: SharedState | None) -> None:
    """From now on the people of this process live here; None: nowhere."""
    global _current
    _current = shared_state


def current_state() -> SharedState:
    """Where the people of this process live."""
    if _current is None:
        raise NotReady("the people have not been told where they live")
    return _current

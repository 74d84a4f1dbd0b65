"""State that the users of a process share: accounts, shows, observations."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from loadtest.locust.observations import Observations
from loadtest.locust.seat_choice import Hall

FIRST_SHOW_SHARE = 0.8
"""Share of visits to the first show."""


class NotReady(Exception):
    """The run cannot start; the message gives the reason."""


class SharedState(msgspec.Struct, kw_only=True):
    """Shared state, one per process."""

    tokens: Sequence[str]
    shows: Sequence[int]
    """The first is the most popular."""
    hold_s: int
    first: int
    """Index of the first token of this process; `stride` is the distance to its next."""
    stride: int
    observations: Observations = msgspec.field(default_factory=Observations)
    halls: dict[int, Hall] = {}
    resolved: int = 0
    rng: random.Random = msgspec.field(default_factory=random.Random)

    def next_customer(self) -> int:
        """Index of the next unused token; after the last, tokens are used again."""
        number = self.first + self.resolved * self.stride
        self.resolved += 1
        return number % len(self.tokens)

    def some_show(self) -> int:
        """Selects the show of a visit."""
        if len(self.shows) == 1 or self.rng.random() < FIRST_SHOW_SHARE:
            return self.shows[0]
        return self.rng.choice(self.shows[1:])


_current: SharedState | None = None


def set_current_state(shared_state: SharedState | None) -> None:
    """Sets the state of this process; None removes it."""
    global _current
    _current = shared_state


def current_state() -> SharedState:
    """Returns the state of this process. Raises NotReady without one."""
    if _current is None:
        raise NotReady("the shared state is not set")
    return _current

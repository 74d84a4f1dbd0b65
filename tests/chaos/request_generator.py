"""Generator of the requests of a client in a storm: book, hold, confirm and cancel.

Includes conflicting concurrent requests: confirm and cancel of one booking, two confirms, two cancels.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.chaos.history import Kind, Request

HOLD_S = 300
BRIEF_HOLD_S = 30
"""The shortest possible hold, which expires during the storm."""

_NO_KEY = 0.05
_MOVES: dict[str, dict[tuple[Kind, ...], int]] = {
    "held": {("confirm",): 11, ("cancel",): 5, ("confirm", "cancel"): 2, ("confirm", "confirm"): 1, (): 1},
    "confirmed": {("cancel",): 10, ("confirm",): 1, ("cancel", "cancel"): 1},
    "cancelled": {("cancel",): 1, ("confirm",): 1, (): 6},
    "released": {("cancel",): 1, ("confirm",): 1, (): 6},
}
"""Status → concurrent requests for a booking in this status, with their weights."""


class _Mine(msgspec.Struct, frozen=True):
    show_id: int
    booking_id: str
    status: str


class RequestGenerator:
    """The requests of one customer: deterministic for the same seed and the same responses."""

    def __init__(
        self, user_id: int, shows: Sequence[tuple[int, int]], seed: str, brief_holds_until: float
    ) -> None:
        self.user_id = user_id
        self.random = random.Random(seed)
        self._shows = shows
        self._brief_holds_until = brief_holds_until
        self._made = 0
        self._mine: list[_Mine] = []

    def next(self) -> list[Request]:
        """Returns the next request, or several concurrent ones for one booking."""
        if self._mine and self.random.random() < 0.2 + 0.04 * len(self._mine):
            mine = self._mine.pop(self.random.randrange(len(self._mine)))
            moves = _MOVES[mine.status]
            (kinds,) = self.random.choices([*moves], [*moves.values()])
            return [self._request(mine.show_id, kind, booking_id=mine.booking_id) for kind in kinds]
        show_id, size = self.random.choice(self._shows)
        kind: Kind = self.random.choice(("book", "hold"))
        which: dict[str, Any] = {"hold_s": self._hold_s()} if kind == "hold" else {}
        if self.random.random() < 0.3:
            which["quantity"] = self.random.randint(1, 4)
        else:
            numbers = self.random.sample(range(1, size + 1), self.random.choice((1, 1, 2, 3)))
            which["seats"] = tuple(map(str, numbers))
        return [self._request(show_id, kind, **which)]

    def add_booking(self, request: Request) -> None:
        """Adds the booking of an accepted request for further changes."""
        self._mine.append(_Mine(request.show_id, request.accepted["id"], request.accepted["status"]))

    def _request(self, show_id: int, kind: Kind, **which: Any) -> Request:
        self._made += 1
        key = None if self.random.random() < _NO_KEY else f"request-{self._made}"
        return Request(user_id=self.user_id, show_id=show_id, kind=kind, key=key, **which)

    def _hold_s(self) -> int:
        brief = time.monotonic() < self._brief_holds_until and self.random.random() < 0.3
        return BRIEF_HOLD_S if brief else HOLD_S

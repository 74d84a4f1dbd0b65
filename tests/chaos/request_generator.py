"""Generator of the requests of a customer in a storm: make, confirm, extend, change and cancel bookings.

Includes conflicting concurrent requests for one booking: confirm and cancel, two confirms, two changes.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.chaos.crowds import Crowd
from tests.chaos.history import Kind, Request
from tests.chaos.show_plans import ShowPlan

HOLD_S = 300
BRIEF_HOLD_S = 30
"""The shortest possible hold, which expires during the storm."""

_NO_KEY = 0.05
_EQUAL = 0.03
"""Probability of three equal requests without a key at the same moment, which a gateway may send as one command."""
_WITHOUT_KEY: frozenset[Kind] = frozenset({"book", "hold", "confirm", "cancel"})
"""Requests that may be sent without a key: the checks cannot tell which of several changes have happened."""
_ENDED = frozenset({"already_cancelled", "hold_expired"})
_BOARD_SIZE = 60


class KnownBooking(msgspec.Struct, frozen=True):
    """A booking as its last response had it."""

    show_id: int
    booking_id: str
    status: str
    seats: tuple[str, ...]


class Board:
    """The latest bookings of all clients, for staff, who change them all."""

    def __init__(self) -> None:
        self._bookings: deque[KnownBooking] = deque(maxlen=_BOARD_SIZE)

    def add(self, booking: KnownBooking) -> None:
        """Adds a booking in place of what was known of it."""
        self.remove(booking.booking_id)
        self._bookings.append(booking)

    def remove(self, booking_id: str) -> None:
        """Forgets a booking."""
        for known in [one for one in self._bookings if one.booking_id == booking_id]:
            self._bookings.remove(known)

    def all(self, show_id: int | None = None) -> list[KnownBooking]:
        """Returns the bookings, or those of one show."""
        return [one for one in self._bookings if show_id in (None, one.show_id)]


class RequestGenerator:
    """The requests of one customer, decided by a seed and by the responses."""

    staff = False

    def __init__(
        self,
        user_id: int,
        shows: Sequence[ShowPlan],
        crowd: Crowd,
        board: Board,
        seed: str,
        brief_holds_until: float,
    ) -> None:
        self.user_id = user_id
        self.random = random.Random(seed)
        self.shows = {show.show_id: show for show in shows}
        self.crowd = crowd
        self.board = board
        self.brief_holds_until = brief_holds_until
        self.made = 0
        self.mine: dict[str, KnownBooking] = {}
        self._under_way: dict[str, KnownBooking] = {}

    def next(self) -> list[Request]:
        """Returns the next request, or several concurrent ones for one booking."""
        if self.mine and self.random.random() < self.crowd.moving + 0.04 * len(self.mine):
            mine = self.mine.pop(self.random.choice([*self.mine]))
            self._under_way[mine.booking_id] = mine
            moves = self.crowd.moves[mine.status]
            (kinds,) = self.random.choices([*moves], [*moves.values()])
            return [self.move(mine, kind) for kind in kinds]
        show = self.any_show()
        kind = self.random.choice(self.crowd.makes)
        which: dict[str, Any] = {"hold_s": self._hold_s()} if kind == "hold" else {}
        which |= self._best_seats(show) if self.random.random() < 0.3 else {"seats": self._named_seats(show)}
        request = self.request(show.show_id, kind, **which)
        if request.seats and self.random.random() < _EQUAL:
            request.key = None
            return [request, *(msgspec.structs.replace(request, attempts=[]) for _ in range(2))]
        return [request]

    def record(self, request: Request) -> None:
        """Takes the response of a request into account: its booking may be changed further."""
        if request.withholds:
            return
        if request.accepted is not None:
            body = request.accepted
            known = KnownBooking(request.show_id, body["id"], body["status"], tuple(body["seats"]))
            self.board.add(known)
            self.mine[known.booking_id] = known
        elif request.refused is not None and request.booking_id:
            before = self._under_way.get(request.booking_id)
            if request.refused.body["code"] in _ENDED:
                self.board.remove(request.booking_id)
            elif before is not None:
                self.mine.setdefault(request.booking_id, before)

    def any_show(self) -> ShowPlan:
        return self.random.choice([*self.shows.values()])

    def move(self, booking: KnownBooking, kind: Kind) -> Request:
        """Returns a request that changes a booking."""
        which: dict[str, Any] = {"booking_id": booking.booking_id}
        if kind == "seats":
            which["seats"] = self.other_seats(booking, len(booking.seats))
        return self.request(booking.show_id, kind, **which)

    def other_seats(self, booking: KnownBooking, count: int) -> tuple[str, ...]:
        """Returns seats for a booking, some of which it may have already."""
        labels = self.shows[booking.show_id].labels
        kept = self.random.sample(booking.seats, self.random.randint(0, min(count, len(booking.seats))))
        others = self.random.sample(labels, min(len(labels), 2 * count + 8))
        return tuple([*kept, *(label for label in others if label not in kept)][:count])

    def request(self, show_id: int, kind: Kind, **which: Any) -> Request:
        """Returns a request with the next key, or sometimes without one."""
        self.made += 1
        without = kind in _WITHOUT_KEY and self.random.random() < _NO_KEY
        return Request(
            user_id=self.user_id,
            staff=self.staff,
            show_id=show_id,
            kind=kind,
            key=None if without else f"request-{self.made}",
            **which,
        )

    def run(self, show: ShowPlan, count: int) -> tuple[str, ...]:
        """Returns seats that follow each other in the layout."""
        start = self.random.randrange(len(show.seats) - count + 1)
        return tuple(show.labels[start : start + count])

    def _named_seats(self, show: ShowPlan) -> tuple[str, ...]:
        count = self.random.choice((1, 1, 2, 3))
        how = self.random.random()
        if how < 0.15:  # those that everybody wants
            return tuple(show.labels[: min(count, 2)])
        if how < 0.3:  # where the accessible seats are
            start = self.random.randrange(min(20, len(show.seats)) - count)
            return tuple(show.labels[start : start + count])
        if how < 0.45:
            return self.run(show, count)
        labels = self.random.sample(show.labels, count)
        own = [seat for one in self.mine.values() if one.show_id == show.show_id for seat in one.seats]
        if own and how < 0.6:
            labels = [*{*labels[1:], self.random.choice(own)}]
        return tuple(labels)

    def _best_seats(self, show: ShowPlan) -> dict[str, Any]:
        which: dict[str, Any] = {"quantity": self.random.randint(1, 4)}
        if show.kinds is not None and self.random.random() < 0.25:
            which["accessible"] = True
        if self.random.random() < 0.3:
            which["max_price"] = self.random.choice(sorted({seat.price for seat in show.seats}))
        if self.random.random() < 0.2:
            which["apart"] = True
        return which

    def _hold_s(self) -> int:
        brief = time.monotonic() < self.brief_holds_until and self.random.random() < 0.3
        return BRIEF_HOLD_S if brief else self.random.choice((HOLD_S, 900))

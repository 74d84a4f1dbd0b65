"""Generator of the requests of staff in a storm: walk-ins, blocks, and changes of bookings that others made."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from tests.chaos.booking_replay import LIVE
from tests.chaos.history import Kind, Request
from tests.chaos.request_generator import HOLD_S, KnownBooking, RequestGenerator
from tests.chaos.show_plans import ShowPlan

CUSTOMER_ID = 2
"""An account that exists, for which staff book."""

_RELEASE_S = (3.0, 8.0)
_LONG_HOLDS_S = (3_600, 86_400, 30 * 86_400)
_NOTES = ("Aisle seat, please", "Rings at the door", None)
_REMEMBERED = 10
_PAID = ("cash", "card", "free", None)


class StaffRequests(RequestGenerator):
    """The requests of one of the staff."""

    staff = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._blocked: deque[Request] = deque(maxlen=_REMEMBERED)
        """Its latest blocks, not yet unblocked."""

    def next(self) -> list[Request]:
        """Returns the next request."""
        actions = self.crowd.staff_actions
        (action,) = self.random.choices([*actions], [*actions.values()])
        show = self.any_show()
        if action == "block":
            return [self._block(show)]
        if action == "unblock":
            return [self._unblock(show)]
        booking = self._booking_for(action)
        if booking is None or action in ("book", "hold", "for_customer"):
            return [self._sell(show.show_id, action)]
        match action:
            case "swap":
                others = [
                    one
                    for one in self.board.all(booking.show_id)
                    if one != booking and (one.status in LIVE or self.random.random() < 0.05)
                ]
                if not others:
                    return [self._sell(show.show_id, "book")]
                other = self.random.choice(others)
                return [
                    self.request(
                        booking.show_id, "swap", booking_id=booking.booking_id, with_id=other.booking_id
                    )
                ]
            case "seats":
                count = max(1, len(booking.seats) + self.random.choice((-1, 0, 0, 1)))
                seats = self.other_seats(booking, count)
                return [self.request(booking.show_id, "seats", booking_id=booking.booking_id, seats=seats)]
            case _:
                return [self.move(booking, _KINDS[action])]

    def _booking_for(self, action: str) -> KnownBooking | None:
        """A booking of anybody, rather one for which the action makes sense."""
        known = self.board.all()
        wanted = {"extend": frozenset({"held"}), "confirm": frozenset({"held"})}.get(action, LIVE)
        fit = [one for one in known if one.status in wanted]
        if action == "cancel" and self.mine and self.random.random() < 0.7:
            largest = max(self.mine.values(), key=lambda one: len(one.seats))
            return self.mine.pop(largest.booking_id)
        return self.random.choice(fit if fit and self.random.random() < 0.9 else known) if known else None

    def _sell(self, show_id: int, action: str) -> Request:
        show = self.shows[show_id]
        which: dict[str, Any] = {}
        if action == "for_customer":
            which = {"customer_id": CUSTOMER_ID, "lift_limit": self.random.random() < 0.5}
        kind: Kind = "hold" if action == "hold" or self.random.random() < 0.3 else "book"
        if kind not in self.crowd.kinds:
            kind = "hold"
        if kind == "hold":
            which["hold_s"] = self.random.choice((HOLD_S, 1_790, *_LONG_HOLDS_S))
        large = len(show.seats) > 100 and self.random.random() < 0.05
        count = self.random.randint(20, 100) if large else self.random.choice((1, 2, 3, 4))
        if self.random.random() < 0.3:
            which |= {"quantity": count, "apart": large}
        else:
            which["seats"] = self.run(show, count)
        return self.request(show_id, kind, note=self._note(), paid=self.random.choice(_PAID), **which)

    def _note(self) -> str | None:
        """A note that no other request has, or none."""
        note = self.random.choice(_NOTES)
        return note and f"{note} ({self.user_id}/{self.made})"

    def _block(self, show: ShowPlan) -> Request:
        """Rather seats that a booking has just lost than any: those are likely to be taken."""
        ended = [one for one in self.board.all(show.show_id) if one.status in ("cancelled", "released")]
        if ended and self.random.random() < 0.7:
            seats = self.random.choice(ended).seats
        else:
            seats = self.run(show, self.random.choice((1, 1, 2, 4)))
        release_s = None
        if self.random.random() < 0.7:
            release_s = round(time.time() + self.random.uniform(*_RELEASE_S), 3)
        code = f"c{self.user_id}-{self.made}"
        blocked = self.request(
            show.show_id, "block", seats=seats, code=code, release_s=release_s, note=self._note()
        )
        self._blocked.append(blocked)
        return blocked

    def _unblock(self, show: ShowPlan) -> Request:
        if self._blocked and self.random.random() < 0.8:
            blocked = self._blocked.popleft()
            return self.request(blocked.show_id, "unblock", seats=blocked.seats)
        return self.request(show.show_id, "unblock", seats=self.run(show, self.random.choice((1, 2, 6))))


_KINDS: dict[str, Kind] = {
    "extend": "extend",
    "confirm": "confirm",
    "cancel": "cancel",
}
"""Action → kind of request, for those that are called alike."""

"""Users who buy seats at the start of a sale, and users who cancel."""

from __future__ import annotations

import time
from datetime import datetime

import msgspec
from locust import task

from loadtest.locust.base_user import BaseUser
from loadtest.locust.seat_choice import choose
from loadtest.locust.visits import Ending, Visit, draw
from schemas.api import BookingBody
from schemas.api_catalogue import ShowBody

LATE_PAYMENT_S = 1.0
"""Delay of a late payment after the end of its hold; the clock of the service may differ a little."""
RELOAD_S = 5.0
"""Longest time between two reads of a show before its sale."""
_FINAL_REFUSALS = frozenset(
    {"limit_exceeded", "show_closed", "show_cancelled", "show_started", "not_on_sale"}
)


class BuyingUser(BaseUser):
    """Base of users who buy seats."""

    abstract = True

    def buy(self, show_id: int, visit: Visit) -> BookingBody | None:
        """Selects seats and books or holds them, again after a refusal. Returns the booking or None."""
        for number in range(visit.tries):
            self.pause(visit.thinks_s if number == 0 else visit.thinks_s / 3)
            seat_map = self.seats(show_id)
            seats = seat_map and choose(seat_map.hall, seat_map.states, visit.size, visit.row)
            if not seats:
                self.count("no seats left")
                return None
            outcome = self.book(show_id, seats, visit)
            if outcome.booking is not None:
                self.count(f"{'held' if visit.holds else 'booked'} seats")
                return outcome.booking
            self.count(outcome.code or "no response")
            if not outcome.code or outcome.code in _FINAL_REFUSALS:
                return None
        self.count("gave up")
        return None


class RushUser(BuyingUser):
    """Buys at the start of the sale. Some hold seats and leave, some pay too late."""

    weight = 50

    @task
    def buy_at_sale_start(self) -> None:
        visit = draw(self.shared_state.rng)
        show_id = self.shared_state.some_show()
        if self._wait_for_sale(show_id):
            booking = self.buy(show_id, visit)
            if booking is not None and visit.holds:
                self._end(booking, visit)
            elif booking is not None:
                self._view(booking)
        self.pause(visit.rests_s)

    def _wait_for_sale(self, show_id: int) -> bool:
        while True:
            response = self.get(f"/api/shows/{show_id}", "/api/shows/:id")
            if response.status != 200:
                return False
            show = msgspec.json.decode(response.body, type=ShowBody)
            if show.status not in ("opening", "scheduled"):
                return show.status == "on_sale"
            left_s = 1.0 if show.sales_start_at is None else _seconds_until(show.sales_start_at)
            if left_s > RELOAD_S * 12:
                self.count("long before the sale")
                return False
            self.pause(min(max(left_s, 0.2), RELOAD_S))

    def _end(self, booking: BookingBody, visit: Visit) -> None:
        match visit.ending:
            case Ending.LEAVES:
                self.count("left a hold")
                return
            case Ending.GIVES_BACK:
                self.pause(visit.pays_after_s)
                outcome = self.change(booking, "cancel")
                self.count("released a hold" if outcome.booking else outcome.code or "no response")
                return
            case Ending.PAYS:
                self.pause(visit.pays_after_s)
            case Ending.PAYS_LATE:
                assert booking.expires_at is not None, "a hold expires"
                self.pause(max(0.0, _seconds_until(booking.expires_at)) + LATE_PAYMENT_S)
        outcome = self.change(booking, "confirm")
        if outcome.booking is not None:
            self.count("paid")
            self._view(outcome.booking)
        else:
            self.count(f"payment refused: {outcome.code}" if outcome.code else "no response")

    def _view(self, booking: BookingBody) -> None:
        """Reads the list of bookings in half of all cases, and the ticket in a tenth."""
        curious = self.shared_state.rng.random()
        if curious < 0.5:
            self.get("/api/me/bookings", "/api/me/bookings")
        if curious < 0.1:
            self.get(f"/api/bookings/{booking.id}/ticket.pdf", "/api/bookings/:id/ticket.pdf")


class CancellingUser(BuyingUser):
    """Books and cancels; some cancel twice."""

    weight = 10

    @task
    def book_and_cancel(self) -> None:
        visit = draw(self.shared_state.rng)
        booking = self.buy(self.shared_state.some_show(), msgspec.structs.replace(visit, holds=False))
        if booking is not None:
            self.pause(visit.pays_after_s)
            outcome = self.change(booking, "cancel")
            self.count("cancelled" if outcome.booking else outcome.code or "no response")
            if visit.impatient:
                self.count(f"cancelled again: {self.change(booking, 'cancel').code}")
        self.pause(visit.rests_s)


def _seconds_until(at: str) -> float:
    return datetime.fromisoformat(at).timestamp() - time.time()

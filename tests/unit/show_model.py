"""A simple model of a show: a list of bookings, searched from end to end for every question.

Written from the contract with clients, not from the writer's code, so that the two can be compared. Slow, and
nothing is kept that could be worked out anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schemas.api import MAX_SEATS_PER_REQUEST
from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    HoldSeats,
    OpenShow,
    ReopenShow,
    UnblockSeats,
)
from tests.unit.seats_model import SeatsModel


class BookingModel(msgspec.Struct):
    """A booking in any status."""

    booking_id: UUID
    owner: int
    seats: list[str]
    status: str
    total: int
    created_ms: int
    expires_ms: int | None
    checked_in: dict[str, int]


class Answer(NamedTuple):
    """The answer to a command, and its events as (type, booking or seats)."""

    reason: str | None = None
    seats: tuple[str, ...] = ()
    limit: int | None = None
    booking: dict[str, Any] | None = None
    events: tuple[tuple[str, Any], ...] = ()


class Refused(Exception):
    """Ends a command with the reason of its refusal."""

    def __init__(self, reason: str, seats: Iterable[str] = (), limit: int | None = None) -> None:
        self.answer = Answer(reason, tuple(seats), limit)


def refuse_if(wrong: object, reason: str, seats: Iterable[str] = (), limit: int | None = None) -> None:
    if wrong:
        raise Refused(reason, seats, limit)


class ShowModel:
    """The model. `page`: bookings that one command cancels when the show is cancelled.

    `choose` is asked which seats a request for a number of them gets; whether the choice is right is checked.
    """

    def __init__(
        self, seats: SeatsModel, page: int, choose: Callable[[BookSeats | HoldSeats], tuple[str, ...]]
    ) -> None:
        self.seats = seats
        self.page = page
        self.choose = choose
        self.status: str | None = None
        self.starts_ms = 0
        self.limit = 0
        self.sales_start_ms: int | None = None
        self.sales_end_ms: int | None = None
        self.blocked: set[str] = set()
        self.bookings: list[BookingModel] = []

    def live(self) -> list[BookingModel]:
        return [booking for booking in self.bookings if booking.status in ("held", "confirmed")]

    def state(self, label: str) -> str:
        """The state of a seat: a, h, s or b."""
        for booking in self.live():
            if label in booking.seats:
                return "h" if booking.status == "held" else "s"
        return "b" if label in self.blocked else "a"

    def states(self) -> str:
        return "".join(self.state(label) for label in self.seats.labels)

    def seats_of(self, customer: int) -> int:
        return sum(len(booking.seats) for booking in self.live() if booking.owner == customer)

    def next_expiry_ms(self) -> int | None:
        return min((b.expires_ms for b in self.live() if b.expires_ms is not None), default=None)

    def ask(self, command: Command, now_ms: int) -> Answer:
        """Decides and applies a command whose id is new."""
        expired = self._expire(now_ms)
        try:
            answer = self._decide(command, now_ms)
        except Refused as refused:
            answer = refused.answer
        return answer._replace(events=(*expired, *answer.events))

    def _expire(self, now_ms: int) -> list[tuple[str, Any]]:
        out = [b for b in self.live() if b.expires_ms is not None and b.expires_ms <= now_ms]
        out.sort(key=lambda booking: (booking.expires_ms, booking.booking_id))
        return [self._move(booking, "expired", "HoldExpired") for booking in out]

    def _move(self, booking: BookingModel, status: str, event: str) -> tuple[str, Any]:
        booking.status, booking.expires_ms = status, None
        return event, facts(booking)

    def _decide(self, command: Command, now_ms: int) -> Answer:
        if isinstance(command, OpenShow):
            refuse_if(self.status is not None, "already_open")
            self.status, self.starts_ms, self.limit = "open", command.starts_ms, command.seats_per_customer
            self.sales_start_ms = command.sales_start_ms or None
            self.sales_end_ms = command.sales_end_ms or None
            return Answer(events=(("ShowOpened", "open"),))
        refuse_if(self.status is None, "not_found")
        match command:
            case BookSeats() | HoldSeats():
                return self._take(command, now_ms)
            case ConfirmBooking() | CancelBooking():
                return self._confirm_or_cancel(command, now_ms)
            case CheckIn():
                return self._check_in(command, now_ms)
            case ExpireHolds():
                return Answer()
        refuse_if(not command.staff, "not_yours")
        match command:
            case BlockSeats() | UnblockSeats():
                return self._block(command)
            case CancelShow():
                return self._cancel_show(by_timer=command.user_id == 0)
        refuse_if(self.status == "cancelled", "show_cancelled")
        match command:
            case CloseShow():
                self.status = "closed"
                return Answer(events=(("ShowClosed", "closed"),))
            case ReopenShow():
                self.status = "open"
                return Answer(events=(("ShowReopened", "open"),))
        assert isinstance(command, ChangeShow)
        if command.starts_ms is not None:
            self.starts_ms = command.starts_ms
        if command.seats_per_customer is not None:
            self.limit = command.seats_per_customer
        if command.sales_start_ms is not None:
            self.sales_start_ms = command.sales_start_ms or None
        if command.sales_end_ms is not None:
            self.sales_end_ms = command.sales_end_ms or None
        return Answer(events=(("ShowChanged", self.status),))

    def _take(self, command: BookSeats | HoldSeats, now_ms: int) -> Answer:
        refuse_if(self.status == "cancelled", "show_cancelled")
        refuse_if(self.status == "closed", "show_closed")
        early = self.sales_start_ms is not None and now_ms < self.sales_start_ms
        refuse_if(early, "not_on_sale", limit=self.sales_start_ms)
        refuse_if(self.sales_end_ms is not None and now_ms >= self.sales_end_ms, "show_closed")
        refuse_if(now_ms >= self.starts_ms, "show_started")
        if command.quantity:
            self._refuse_best(command)
            count = command.quantity
        else:
            seats = self._available(command.seats)
            count = len(seats)
        owner = command.customer_id if command.staff and command.customer_id else command.user_id
        refuse_if(self.seats_of(owner) + count > self.limit, "limit_exceeded", limit=self.limit)
        refuse_if(self._find(command.booking_id), "validation")
        if command.quantity:
            seats = list(self.choose(command))
            self.seats.check_choice(self.states(), count, command.section, seats)
        held = isinstance(command, HoldSeats)
        booking = BookingModel(
            booking_id=command.booking_id,
            owner=owner,
            seats=seats,
            status="held" if held else "confirmed",
            total=sum(self.seats.price[label] for label in seats),
            created_ms=now_ms,
            expires_ms=now_ms + command.hold_ms if isinstance(command, HoldSeats) else None,
            checked_in={},
        )
        self.bookings.append(booking)
        event = "BookingHeld" if held else "BookingConfirmed"
        return Answer(booking=facts(booking), events=((event, facts(booking)),))

    def _refuse_best(self, command: BookSeats | HoldSeats) -> None:
        refuse_if(command.seats, "validation")
        refuse_if(command.quantity > MAX_SEATS_PER_REQUEST, "too_many_seats")
        refuse_if(command.section not in (None, *self.seats.sections), "seat_unknown")
        enough = self.seats.enough(self.states(), command.quantity, command.section, command.adjacent)
        refuse_if(not enough, "not_enough_seats")

    def _available(self, labels: tuple[str, ...]) -> list[str]:
        refuse_if(not labels or len(set(labels)) < len(labels), "validation")
        refuse_if(len(labels) > MAX_SEATS_PER_REQUEST, "too_many_seats")
        seats = self._known(labels)
        taken = [label for label in seats if self.state(label) in "hs"]
        refuse_if(taken, "seat_taken", taken)
        blocked = [label for label in seats if self.state(label) == "b"]
        refuse_if(blocked, "seat_blocked", blocked)
        return seats

    def _known(self, labels: tuple[str, ...]) -> list[str]:
        unknown = sorted(label for label in labels if label not in self.seats.labels)
        refuse_if(unknown, "seat_unknown", unknown)
        return [label for label in self.seats.labels if label in labels]

    def _find(self, booking_id: UUID) -> BookingModel | None:
        return next((booking for booking in self.bookings if booking.booking_id == booking_id), None)

    def _confirm_or_cancel(self, command: ConfirmBooking | CancelBooking, now_ms: int) -> Answer:
        booking = self._find(command.booking_id)
        if booking is None:
            raise Refused("not_found")
        refuse_if(booking.owner != command.user_id and not command.staff, "not_yours")
        confirm = isinstance(command, ConfirmBooking)
        refuse_if(confirm and booking.status == "confirmed", "already_confirmed")
        self._refuse_ended(booking)
        refuse_if(confirm and self.status == "cancelled", "show_cancelled")
        if not confirm:
            refuse_if(not command.staff and now_ms >= self.starts_ms, "show_started")
            refuse_if(not command.staff and booking.checked_in, "checked_in")
            event = self._end_booking(booking)
            return Answer(booking=facts(booking), events=(event,))
        event = self._move(booking, "confirmed", "BookingConfirmed")
        return Answer(booking=facts(booking), events=(event,))

    def _refuse_ended(self, booking: BookingModel) -> None:
        refuse_if(booking.status in ("cancelled", "released"), "already_cancelled")
        refuse_if(booking.status == "expired", "hold_expired")

    def _end_booking(self, booking: BookingModel) -> tuple[str, Any]:
        if booking.status == "held":
            return self._move(booking, "released", "HoldReleased")
        return self._move(booking, "cancelled", "BookingCancelled")

    def _check_in(self, command: CheckIn, now_ms: int) -> Answer:
        refuse_if(not command.staff, "not_yours")
        booking = self._find(command.booking_id)
        if booking is None:
            raise Refused("not_found")
        self._refuse_ended(booking)
        refuse_if(booking.status == "held", "not_confirmed")
        refuse_if(self.status == "cancelled", "show_cancelled")
        refuse_if(command.seat not in booking.seats, "seat_unknown", [command.seat])
        used_ms = booking.checked_in.get(command.seat)
        if used_ms is not None:
            return Answer("already_used", (command.seat,), used_ms, facts(booking))
        booking.checked_in[command.seat] = now_ms
        return Answer(booking=facts(booking), events=(("TicketCheckedIn", facts(booking)),))

    def _block(self, command: BlockSeats | UnblockSeats) -> Answer:
        refuse_if(not command.seats or len(set(command.seats)) < len(command.seats), "validation")
        seats = self._known(command.seats)
        taken = [label for label in seats if self.state(label) in "hs"]
        refuse_if(taken, "seat_taken", taken)
        block = isinstance(command, BlockSeats)
        changed = tuple(label for label in seats if (label in self.blocked) != block)
        self.blocked.symmetric_difference_update(changed)
        event = "SeatsBlocked" if block else "SeatsUnblocked"
        return Answer(events=((event, changed),) if changed else ())

    def _cancel_show(self, by_timer: bool) -> Answer:
        refuse_if(self.status == "cancelled" and not by_timer, "show_cancelled")
        events: list[tuple[str, Any]] = []
        if self.status != "cancelled":
            self.status = "cancelled"
            events.append(("ShowCancelled", "cancelled"))
        page = sorted(self.live(), key=lambda booking: booking.booking_id)[: self.page]
        return Answer(events=(*events, *(self._end_booking(booking) for booking in page)))


def facts(booking: BookingModel) -> dict[str, Any]:
    """The fields of a booking that answers and events have."""
    fields = msgspec.structs.asdict(booking)
    return fields | {"seats": tuple(booking.seats), "checked_in": dict(booking.checked_in)}

"""A simple model of a show: a list of bookings, searched from end to end for every question.

Written from the contract with clients, not from the writer's code, so that the two can be compared. Slow, and
nothing is kept that could be worked out anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeSeats,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    ExtendHold,
    HoldSeats,
    OpenShow,
    ReopenShow,
    ScanTicket,
    SwapSeats,
    UnblockSeats,
    UndoCheckIn,
)
from tests.unit.door_model import at_the_door
from tests.unit.model_bookings import Answer, BookingModel, Refused, facts, refuse_if
from tests.unit.seats_model import SeatsModel


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
        self.payment = "none"
        self.blocked: dict[str, tuple[str | None, int | None]] = {}
        """Blocked seat → code and release time."""
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
        holds = [b.expires_ms for b in self.live() if b.expires_ms is not None]
        blocks = [release_ms for _, release_ms in self.blocked.values() if release_ms is not None]
        return min(holds + blocks, default=None)

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
        events = [self._move(booking, "expired", "HoldExpired") for booking in out]
        released = tuple(
            label
            for label in self.seats.labels
            if (release_ms := self.blocked.get(label, (None, None))[1]) is not None and release_ms <= now_ms
        )
        for label in released:
            del self.blocked[label]
        return [*events, ("SeatsUnblocked", released)] if released else events

    def _move(self, booking: BookingModel, status: str, event: str) -> tuple[str, Any]:
        booking.status, booking.expires_ms = status, None
        return event, facts(booking)

    def _decide(self, command: Command, now_ms: int) -> Answer:
        if isinstance(command, OpenShow):
            refuse_if(self.status is not None, "already_open")
            self.status, self.starts_ms, self.limit = "open", command.starts_ms, command.seats_per_customer
            self.sales_start_ms = command.sales_start_ms or None
            self.sales_end_ms = command.sales_end_ms or None
            self.payment = command.payment
            return Answer(events=(("ShowOpened", "open"),))
        refuse_if(self.status is None, "not_found")
        match command:
            case BookSeats() | HoldSeats():
                return self._take(command, now_ms)
            case ConfirmBooking() | CancelBooking():
                return self._confirm_or_cancel(command, now_ms)
            case ExtendHold():
                return self._extend(command, now_ms)
            case ChangeSeats():
                return self._change_seats(command, now_ms)
            case SwapSeats():
                return self._swap_seats(command)
            case CheckIn():
                return self._check_in(command, now_ms)
            case ScanTicket() | UndoCheckIn():
                refuse_if(not command.staff, "not_yours")
                return at_the_door(self, command, now_ms)
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

    def _refuse_unless_on_sale(self, now_ms: int) -> None:
        refuse_if(self.status == "cancelled", "show_cancelled")
        refuse_if(self.status == "closed", "show_closed")
        early = self.sales_start_ms is not None and now_ms < self.sales_start_ms
        refuse_if(early, "not_on_sale", limit=self.sales_start_ms)
        refuse_if(self.sales_end_ms is not None and now_ms >= self.sales_end_ms, "show_closed")
        refuse_if(now_ms >= self.starts_ms, "show_started")

    def _take(self, command: BookSeats | HoldSeats, now_ms: int) -> Answer:
        self._refuse_unless_on_sale(now_ms)
        owner = command.user_id
        if command.staff:
            owner = 0 if command.walk_in else command.customer_id or command.user_id
        if command.quantity:
            self._refuse_best(command)
            count = command.quantity
        else:
            seats = self._available(command, owner, own=())
            if not command.staff:
                self._refuse_lone_companions(seats, owner, now_ms)
            count = len(seats)
        if owner != 0 and not (command.staff and command.lift_limit):
            mine = self._of(owner) if command.yours else []
            refuse_if(
                self.seats_of(owner) + count > self.limit, "limit_exceeded", limit=self.limit, yours=mine
            )
        if command.quantity:
            seats = list(self.choose(command))
        total = sum(self.seats.price[label] for label in seats)
        if isinstance(command, BookSeats) and not command.staff and (total or not seats):
            refuse_if(self.payment == "required", "payment_required")
        refuse_if(self._find(command.booking_id), "validation")
        if command.quantity:
            self.seats.check_choice(self.states(), count, command.section, seats, self._wish(command))
        held = isinstance(command, HoldSeats)
        booking = BookingModel(
            booking_id=command.booking_id,
            owner=owner,
            seats=seats,
            status="held" if held else "confirmed",
            total=total,
            created_ms=now_ms,
            expires_ms=now_ms + command.hold_ms if isinstance(command, HoldSeats) else None,
            checked_in={},
            paid=command.staff and command.paid,
        )
        self.bookings.append(booking)
        event = "BookingHeld" if held else "BookingConfirmed"
        return Answer(booking=facts(booking), events=((event, facts(booking)),))

    def _wish(self, command: BookSeats | HoldSeats) -> tuple[str | None, int | None]:
        """The kind and the highest price of a request for a number of seats."""
        return command.kind, None if command.max_price is None else command.max_price.amount

    def _refuse_best(self, command: BookSeats | HoldSeats) -> None:
        refuse_if(command.seats, "validation")
        other_currency = command.max_price is not None and command.max_price.currency != "EUR"
        refuse_if(other_currency, "validation")
        limit = None if command.max_seats == 10 else command.max_seats
        refuse_if(command.quantity > command.max_seats, "too_many_seats", limit=limit)
        refuse_if(command.section not in (None, *self.seats.sections), "seat_unknown")
        enough = self.seats.enough(
            self.states(), command.quantity, command.section, command.adjacent, self._wish(command)
        )
        refuse_if(not enough, "not_enough_seats")

    def _available(
        self, command: BookSeats | HoldSeats | ChangeSeats, owner: int, own: Iterable[str]
    ) -> list[str]:
        """The requested seats, which are available or among `own`."""
        labels = command.seats
        refuse_if(not labels or len(set(labels)) < len(labels), "validation")
        limit = None if command.max_seats == 10 else command.max_seats
        refuse_if(len(labels) > command.max_seats, "too_many_seats", limit=limit)
        seats = self._known(labels)
        wanted = [label for label in seats if label not in own]
        taken = [label for label in wanted if self.state(label) in "hs"]
        named = isinstance(command, ChangeSeats) or command.yours
        mine = [b for b in self._of(owner) if named and set(b.seats) & set(taken)]
        sharing = () if isinstance(command, ChangeSeats) or not command.yours else command.sharing
        unshared = tuple(
            customer for customer in sharing if any(set(b.seats) & set(taken) for b in self._of(customer))
        )
        refuse_if(taken, "seat_taken", taken, yours=mine, unshared=unshared)
        blocked = [label for label in wanted if self.state(label) == "b"]
        refuse_if(blocked, "seat_blocked", blocked)
        return seats

    def _of(self, owner: int) -> list[BookingModel]:
        """The live bookings of a customer, by id."""
        mine = [booking for booking in self.live() if owner and booking.owner == owner]
        return sorted(mine, key=lambda booking: booking.booking_id)

    def _refuse_lone_companions(
        self, seats: list[str], owner: int, now_ms: int, leaving: BookingModel | None = None
    ) -> None:
        """Companion seats go to those who sit beside an accessible seat, until a day before the start."""
        if now_ms >= self.starts_ms - 86_400_000:
            return
        mine = set(seats)
        for booking in self._of(owner):
            if booking is not leaving:
                mine.update(booking.seats)
        alone = [
            label
            for label in seats
            if label in self.seats.companions
            and not any(one in self.seats.accessible and one in mine for one in self.seats.beside(label))
        ]
        refuse_if(alone, "companion_only", alone)

    def _extend(self, command: ExtendHold, now_ms: int) -> Answer:
        booking = self._mine(command.booking_id, command)
        refuse_if(booking.status == "confirmed", "already_confirmed")
        refuse_if(self.status == "cancelled", "show_cancelled")
        assert booking.expires_ms is not None
        length = booking.hold_ms or booking.expires_ms - booking.created_ms
        until = min(now_ms + length, booking.created_ms + 30 * 60_000)
        refuse_if(until <= booking.expires_ms, "hold_limit")
        booking.expires_ms, booking.hold_ms = until, length
        return Answer(booking=facts(booking), events=(("HoldExtended", facts(booking)),))

    def _change_seats(self, command: ChangeSeats, now_ms: int) -> Answer:
        booking = self._mine(command.booking_id, command)
        self._refuse_unless_on_sale(now_ms)
        as_many = len(command.seats) == len(booking.seats)
        refuse_if(not command.staff and not as_many, "validation", limit=len(booking.seats))
        seats = self._available(command, booking.owner, own=booking.seats)
        left = [label for label in booking.seats if label in booking.checked_in and label not in seats]
        refuse_if(left, "checked_in", left)
        total = sum(self.seats.price[label] for label in seats)
        if not command.staff:
            self._refuse_lone_companions(seats, booking.owner, now_ms, leaving=booking)
            settled = booking.status == "confirmed" and booking.paid
            refuse_if(settled and total != booking.total, "price_differs")
        before = tuple(booking.seats), booking.total
        booking.seats, booking.total = seats, total
        return Answer(booking=facts(booking), events=(("BookingChanged", (facts(booking), *before)),))

    def _swap_seats(self, command: SwapSeats) -> Answer:
        refuse_if(not command.staff, "not_yours")
        one = self._mine(command.booking_id, command)
        other = self._mine(command.with_booking_id, command)
        refuse_if(one is other, "validation")
        refuse_if(self.status == "cancelled", "show_cancelled")
        used = {**one.checked_in, **other.checked_in}
        refuse_if(used, "checked_in", [label for label in self.seats.labels if label in used])
        one.seats, other.seats = other.seats, one.seats
        one.total, other.total = other.total, one.total
        return Answer(booking=facts(one), events=(("SeatsSwapped", (facts(one), facts(other))),))

    def _mine(self, booking_id: UUID, command: Command) -> BookingModel:
        """A live booking that the sender may change."""
        booking = self._find(booking_id)
        if booking is None:
            raise Refused("not_found")
        refuse_if(booking.owner != command.user_id and not command.staff, "not_yours")
        self._refuse_ended(booking)
        return booking

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
        unpaid = self.payment == "required" and booking.total and not booking.paid
        refuse_if(confirm and not command.staff and unpaid, "payment_required")
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
        if isinstance(command, UnblockSeats):
            changed = tuple(label for label in seats if self.blocked.pop(label, None))
            return Answer(events=(("SeatsUnblocked", changed),) if changed else ())
        wanted = command.code, command.release_ms
        again = tuple(
            label
            for label in seats
            if label in self.blocked and self.blocked[label] != wanted != (None, None)
        )
        changed = tuple(label for label in seats if label in again or label not in self.blocked)
        self.blocked.update(dict.fromkeys(changed, wanted))
        events: list[tuple[str, Any]] = [("SeatsUnblocked", again)] if again else []
        if changed:
            events.append(("SeatsBlocked", (changed, *wanted)))
        return Answer(events=tuple(events))

    def _cancel_show(self, by_timer: bool) -> Answer:
        refuse_if(self.status == "cancelled" and not by_timer, "show_cancelled")
        events: list[tuple[str, Any]] = []
        if self.status != "cancelled":
            self.status = "cancelled"
            events.append(("ShowCancelled", "cancelled"))
        page = sorted(self.live(), key=lambda booking: booking.booking_id)[: self.page]
        return Answer(events=(*events, *(self._end_booking(booking) for booking in page)))

"""The commands of a recording that came with the rules of release 2: holds, seats and bookings that change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from schemas.commands import (
    MAX_SEATS_OF_STAFF,
    BlockSeats,
    BookSeats,
    ChangeSeats,
    Command,
    ConfirmBooking,
    ExtendHold,
    HoldSeats,
    SwapSeats,
)
from tests.recorded.recorded_catalogue import HOUR_MS, SHOWS, STAFF, Planned

if TYPE_CHECKING:
    from tests.recorded.crowd import Crowd, ToAppend


class Changes:
    """Makes such commands, about the bookings of a crowd."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._dice = crowd.dice

    def kinds(self) -> list[tuple[float, Callable[[Planned], Command]]]:
        """The kinds of commands, with their weights."""
        return [(8, self._extend), (12, self._change_seats), (6, self._swap), (4, self._block)]

    def more_of(self, show: Planned, quantity: int) -> dict[str, Any]:
        """Further fields of a booking: of staff, of the best seats, of requests that share an answer."""
        crowd, dice = self._crowd, self._dice
        fields: dict[str, Any] = {"yours": dice.random() < 0.5}
        if dice.random() < 0.1:
            fields["sharing"] = tuple(crowd.user() for _ in range(3))
        if quantity and dice.random() < 0.3:
            fields["kind"] = "accessible"
        if quantity and dice.random() < 0.2:
            fields["max_price"] = dice.choice([section.price for section in show.layout.sections])
        if dice.random() < 0.2:
            staff: list[dict[str, Any]] = [
                {"walk_in": True},
                {"customer_id": crowd.user()},
                {"customer_id": crowd.user()},
            ]
            fields |= {"staff": True, "max_seats": MAX_SEATS_OF_STAFF, **dice.choice(staff)}
            fields |= {name: True for name in ("lift_limit", "paid", "noted") if dice.random() < 0.3}
        return fields

    def paid(self) -> list[ToAppend]:
        """Bookings of the show that is paid for, with companion seats, and what is refused there."""
        show = SHOWS[10]

        def taken(command: type[Any], /, *seats: str, **fields: Any) -> Any:
            return self._crowd.seats(command, show, seats, user_id=5, **fields)

        by_staff: dict[str, Any] = {"staff": True, "customer_id": 5, "paid": True}
        paid = taken(BookSeats, "A3", "A4", **by_staff)
        kept = taken(HoldSeats, "B3", hold_ms=900_000)
        asked = [
            paid,
            kept,
            taken(BookSeats, "A5"),
            taken(HoldSeats, "A6", "B4", hold_ms=900_000),
            taken(HoldSeats, "A7", "A8", hold_ms=900_000),
            taken(BookSeats, "A3", yours=True),
            taken(HoldSeats, quantity=2, kind="accessible", hold_ms=900_000),
            taken(HoldSeats, quantity=3, max_price=show.layout.sections[0].price, hold_ms=900_000),
            self._about(ChangeSeats, paid, seats=("A3", "L1")),
            self._about(ChangeSeats, paid, seats=("A3", "A9")),
            self._about(ConfirmBooking, kept),
            self._about(ExtendHold, kept),
        ]
        return [self._crowd.record(show, command) for command in asked]

    def _about(self, kind: type[Any], booked: Any, **fields: Any) -> Any:
        ids = self._crowd.ids(SHOWS[booked.show_id - 1], booked.owner_id)
        return kind(**ids, booking_id=booked.booking_id, **fields)

    def _sender(self, show: Planned, owner_id: int) -> dict[str, Any]:
        """The owner, staff, or now and then another customer."""
        dice = self._dice.random()
        if dice < 0.3 or not owner_id:
            return self._crowd.ids(show, STAFF) | {"staff": True}
        return self._crowd.ids(show, owner_id if dice < 0.95 else self._crowd.user())

    def _extend(self, show: Planned) -> Command:
        crowd = self._crowd
        if crowd.held and self._dice.random() < 0.8:
            show_id, booking_id, owner_id, _ = self._dice.choice(crowd.held)
            show = SHOWS[show_id - 1]
        else:
            show, booking_id, owner_id, _ = crowd.one_booking(show)
        return ExtendHold(**self._sender(show, owner_id), booking_id=booking_id)

    def _change_seats(self, show: Planned) -> Command:
        show, booking_id, owner_id, seats = self._crowd.one_booking(show)
        kept = [seat for seat in seats if self._dice.random() < 0.5]
        new = self._crowd.labels(show, len(seats) - len(kept) + (self._dice.random() < 0.1))
        fields = self._sender(show, owner_id)
        if fields.get("staff"):
            fields["max_seats"] = MAX_SEATS_OF_STAFF
        return ChangeSeats(**fields, booking_id=booking_id, seats=(*kept, *new))

    def _swap(self, show: Planned) -> Command:
        show, booking_id, _, _ = self._crowd.one_booking(show)
        others = [live[1] for live in self._crowd.live if live[0] == show.show_id]
        other_id = self._dice.choice(others) if others else booking_id
        staff = self._dice.random() < 0.95
        return SwapSeats(
            **self._crowd.ids(show, STAFF if staff else self._crowd.user()),
            staff=staff,
            booking_id=booking_id,
            with_booking_id=other_id,
        )

    def _block(self, show: Planned) -> Command:
        release_ms = self._crowd.now_ms + self._dice.choice((1, HOUR_MS // 4, HOUR_MS, 9 * HOUR_MS))
        return BlockSeats(
            **self._crowd.ids(show, STAFF),
            staff=True,
            seats=self._crowd.labels(show, self._dice.choice((1, 2, 5))),
            code=self._dice.choice((None, "press", "Technik_2")),
            release_ms=self._dice.choice((None, release_ms, release_ms)),
        )

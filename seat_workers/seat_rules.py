"""The rules of seats: which seats a command may have. Pure. Each function returns seats, or the refusal."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from schemas.commands import MAX_SEATS_PER_REQUEST, BookSeats, ChangeSeats, HoldSeats
from schemas.events import Booking, Decision, Reason, ShowStatus
from schemas.seating import ACCESSIBLE, COMPANION
from seat_workers.best_seats import best_seats
from seat_workers.show_state import AVAILABLE, BLOCKED, HELD, SOLD, Show

COMPANIONS_UNTIL_MS = 24 * 3600 * 1000
"""How long before the start companion seats are kept for those who sit beside accessible ones."""
MAX_YOURS = 10
"""The most bookings of its owner that a refusal names."""


def not_open(show: Show) -> Decision:
    """The refusal of a command that a closed or cancelled show does not take."""
    cancelled = show.status is ShowStatus.CANCELLED
    return Decision(Reason.SHOW_CANCELLED if cancelled else Reason.SHOW_CLOSED)


def not_on_sale(show: Show, now_ms: int) -> Decision | None:
    """The refusal of a command that takes seats, while there are none to be had; None while there are."""
    terms = show.terms
    if show.status is not ShowStatus.OPEN:
        return not_open(show)
    if terms.sales_start_ms is not None and now_ms < terms.sales_start_ms:
        return Decision(Reason.NOT_ON_SALE, limit=terms.sales_start_ms)
    if terms.sales_end_ms is not None and now_ms >= terms.sales_end_ms:
        return Decision(Reason.SHOW_CLOSED)
    if now_ms >= terms.starts_ms:
        return Decision(Reason.SHOW_STARTED)
    return None


def requested_seats(
    show: Show, command: BookSeats | HoldSeats | ChangeSeats, owner: int, own: Collection[int] = ()
) -> list[int] | Decision:
    """The indexes of the seats that a command names. `own`: seats that count as available.

    `owner`: the customer of the booking, whose bookings a refusal names; 0 for none.
    """
    labels = command.seats
    count = len(labels)
    if count != 1 and (not labels or len(set(labels)) != count):
        return Decision(Reason.VALIDATION)
    if count > command.max_seats:
        return Decision(Reason.TOO_MANY_SEATS, limit=_named_limit(command))
    find, states = show.seating.find, show.states
    seats = sorted([find(label) for label in labels])
    if seats[0] < 0:
        return unknown_seats(show, labels)
    for seat in seats:
        if states[seat] != AVAILABLE and seat not in own:
            return _unavailable_seats(show, command, owner, [seat for seat in seats if seat not in own])
    return seats


def chosen_seats(show: Show, command: BookSeats | HoldSeats) -> list[int] | Decision:
    """The indexes of the best available seats, for a command with a quantity."""
    seating, max_price = show.seating, command.max_price
    if command.seats or (max_price is not None and max_price.currency != seating.currency):
        return Decision(Reason.VALIDATION)
    if command.quantity > command.max_seats:
        return Decision(Reason.TOO_MANY_SEATS, limit=_named_limit(command))
    if command.section is not None and command.section not in seating.sections:
        return Decision(Reason.SEAT_UNKNOWN)
    seats = best_seats(
        show.states,
        seating,
        command.quantity,
        command.section,
        command.adjacent,
        kind=command.kind,
        max_price=None if max_price is None else max_price.amount,
    )
    return Decision(Reason.NOT_ENOUGH_SEATS) if seats is None else seats


def unknown_seats(show: Show, labels: tuple[str, ...]) -> Decision:
    """The refusal for labels that are not all seats of the show."""
    return Decision(Reason.SEAT_UNKNOWN, tuple(sorted({one for one in labels if show.seating.find(one) < 0})))


def lone_companions(
    show: Show, seats: list[int], owner: int, except_booking: Booking | None = None
) -> list[int]:
    """The companion seats among `seats` without an accessible seat beside them that is one of `seats` or the owner's.

    `except_booking`: a booking of the owner that is about to lose its seats.
    """
    kinds = show.seating.kinds
    if kinds is None:
        return []
    companions = [seat for seat in seats if kinds[seat] == COMPANION]
    alone = [seat for seat in companions if not _beside_accessible(show, kinds, seat, seats)]
    if not alone or not show.seats_of_customer.of(owner):
        return alone
    owned = {
        seat
        for booking in show.bookings_of(owner)
        if except_booking is None or booking.booking_id != except_booking.booking_id
        for seat in show.indexes(booking.seats)
    }
    return [seat for seat in alone if not _beside_accessible(show, kinds, seat, owned)]


def _beside_accessible(show: Show, kinds: bytes, seat: int, among: Collection[int]) -> bool:
    return any(kinds[one] == ACCESSIBLE and one in among for one in show.seating.neighbours(seat))


def companions_kept(show: Show, now_ms: int) -> bool:
    """Whether companion seats are still kept for those who sit beside accessible ones."""
    return show.seating.kinds is not None and now_ms < show.terms.starts_ms - COMPANIONS_UNTIL_MS


def labels_of(show: Show, seats: list[int]) -> tuple[str, ...]:
    """The labels of seats, in the order given."""
    label = show.seating.label
    return tuple([label(seat) for seat in seats])


def _unavailable_seats(
    show: Show, command: BookSeats | HoldSeats | ChangeSeats, owner: int, seats: list[int]
) -> Decision:
    """The refusal for seats that are not all available: names the taken ones, or else the blocked ones."""
    states, bookings = show.states, show.bookings
    taken = [seat for seat in seats if states[seat] in (HELD, SOLD)]
    if not taken:
        blocked = [seat for seat in seats if states[seat] == BLOCKED]
        return Decision(Reason.SEAT_BLOCKED, labels_of(show, blocked))
    yours: list[UUID] = []
    unshared: tuple[int, ...] = ()
    if isinstance(command, ChangeSeats) or command.yours:
        owners = {bookings.owner_at(seat) for seat in taken}
        if owner and owner in owners:
            yours = sorted({bookings.id_at(seat) for seat in taken if bookings.owner_at(seat) == owner})
        if not isinstance(command, ChangeSeats) and command.sharing:
            unshared = tuple([user_id for user_id in command.sharing if user_id in owners])
    return Decision(
        Reason.SEAT_TAKEN,
        labels_of(show, taken),
        yours=tuple([bookings[booking_id] for booking_id in yours[:MAX_YOURS]]),
        unshared=unshared,
    )


def _named_limit(command: BookSeats | HoldSeats | ChangeSeats) -> int | None:
    """The bound of a request, where it is not the one that all requests had before."""
    return command.max_seats if command.max_seats != MAX_SEATS_PER_REQUEST else None

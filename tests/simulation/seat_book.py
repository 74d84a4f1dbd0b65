"""The owners of seats, from stored events alone, in plain dicts. It reports what no decision may do.

It shares no code with the writer: prices, kinds and neighbours of seats are read from the layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from schemas.commands import BlockSeats, Command, UnblockSeats
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    CheckInUndone,
    Decision,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    Reason,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowOpened,
    Terms,
    TicketCheckedIn,
)
from schemas.ids import Position
from seat_workers.fold import Claim
from tests.simulation.halls import Hall

STATES = {BookingStatus.HELD: "h", BookingStatus.CONFIRMED: "s"}


class SeatBook:
    """All claims and bookings of some shows that have one layout."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.claims: dict[tuple[int, str], Claim] = {}
        self.bookings: dict[UUID, tuple[Booking, Position]] = {}
        self.terms: dict[int, Terms] = {}
        self.cancelled: set[int] = set()

    def states(self, show_id: int) -> dict[str, str]:
        """Seat → its state, for the seats of a show."""
        claims = {label: self.claims.get((show_id, label)) for label in self.hall.labels}
        return {label: "a" if claim is None else claim.state for label, claim in claims.items()}

    def live_bookings_of(self, show_id: int, owner: int) -> list[Booking]:
        """The live bookings of a customer in a show, by id; none for 0."""
        mine = [
            booking
            for booking, _ in self.bookings.values()
            if owner and booking.user_id == owner and booking.show_id == show_id and booking.status.live
        ]
        return sorted(mine, key=lambda booking: booking.booking_id)

    def take(
        self, position: Position, command: Command | None, decision: Decision, now_ms: int
    ) -> Iterator[str]:
        """Applies the events of one decision."""
        if command is not None and decided_anew(decision):
            yield from self._check_releases(position, command, decision, now_ms)
        for event in decision.events:
            match event:
                case BookingConfirmed(booking) | BookingHeld(booking):
                    held = self.bookings.get(booking.booking_id)
                    if held is not None and (held[0].status.value, held[0].seats) != ("held", booking.seats):
                        yield f"1. one claim: {position} confirms {booking}, which was not held so"
                    yield from self._claim(position, booking)
                case BookingCancelled(booking) | HoldReleased(booking) | HoldExpired(booking):
                    before = self.bookings.get(booking.booking_id)
                    if isinstance(event, HoldExpired) and (
                        before is None or before[0].expires_ms is None or before[0].expires_ms > now_ms
                    ):
                        yield f"8. one rule for expiry: {position} at {now_ms} releases a hold too early"
                    yield from self._free(position, booking.show_id, booking.seats, booking.booking_id)
                case BookingChanged(booking, old_seats, old_total):
                    yield from self._check_before(position, booking, old_seats, old_total)
                    yield from self._free(position, booking.show_id, old_seats, booking.booking_id)
                    yield from self._claim(position, booking)
                case SeatsSwapped(booking, other):
                    yield from self._check_before(position, booking, other.seats, other.total)
                    yield from self._check_before(position, other, booking.seats, booking.total)
                    yield from self._free(position, booking.show_id, other.seats, booking.booking_id)
                    yield from self._free(position, other.show_id, booking.seats, other.booking_id)
                    yield from self._claim(position, booking)
                    yield from self._claim(position, other)
                    yield from self._put(position, other)
                case HoldExtended(booking):
                    yield from self._check_extension(position, booking, now_ms)
                case TicketCheckedIn(booking, seat):
                    yield from self._check_check_in(position, booking, seat, now_ms)
                case CheckInUndone(booking, seat):
                    used = self.bookings[booking.booking_id][0].checked_in
                    if used != {**booking.checked_in, seat: used.get(seat)} or seat in booking.checked_in:
                        yield f"rules: {position} undoes the check-in of {seat}, which was none"
                case SeatsBlocked(show_id, seats, code, release_ms):
                    for label in seats:
                        if (show_id, label) in self.claims:
                            yield f"1. one claim: {position} blocks {label}, which is taken"
                        self.claims[show_id, label] = Claim("b", None, code, release_ms)
                    continue
                case SeatsUnblocked(show_id, seats):
                    yield from self._free(position, show_id, seats, None)
                    continue
                case _:
                    self._take_terms(event)
                    continue
            yield from self._put(position, booking)

    def _take_terms(self, event: object) -> None:
        match event:
            case ShowOpened(show_id, _, terms) | ShowChanged(show_id, _, terms):
                self.terms[show_id] = terms
            case ShowCancelled(show_id):
                self.cancelled.add(show_id)

    def _claim(self, position: Position, booking: Booking) -> Iterator[str]:
        """Gives a booking its seats. A held booking that is confirmed has them already."""
        if booking.show_id in self.cancelled:
            yield f"1. one claim: {position} sells seats of a cancelled show"
        for label in booking.seats:
            claim = self.claims.get((booking.show_id, label))
            if claim is not None and (claim.state, claim.booking_id) != ("h", booking.booking_id):
                yield f"1. one claim: {position} gives {label} to a second booking"
            self.claims[booking.show_id, label] = Claim(STATES[booking.status], booking.booking_id)

    def _free(
        self, position: Position, show_id: int, labels: Iterable[str], booking_id: UUID | None
    ) -> Iterator[str]:
        """Frees the seats of a booking, or blocked ones."""
        for label in labels:
            claim = self.claims.pop((show_id, label), None)
            if claim is None or claim.booking_id != booking_id:
                owner = "blocked" if booking_id is None else "the booking's"
                yield f"1. one claim: {position} frees {label}, which was not {owner}"

    def _put(self, position: Position, booking: Booking) -> Iterator[str]:
        """Notes a booking, whose claims must be those of its seats, and whose total their price."""
        claimed = {
            label
            for (show_id, label), claim in self.claims.items()
            if show_id == booking.show_id and claim.booking_id == booking.booking_id
        }
        if claimed != set(booking.seats if booking.status.live else ()):
            yield f"1. one claim: {position} leaves a booking with {sorted(claimed)} that says {booking.seats}"
        if booking.total != self.hall.total(booking.seats):
            yield f"1. one claim: {position} charges {booking.total} for {booking.seats}"
        if not booking.checked_in.keys() <= set(booking.seats):
            yield f"1. one claim: {position} leaves check-ins of seats that the booking does not have"
        self.bookings[booking.booking_id] = (booking, position)

    def _check_check_in(self, position: Position, booking: Booking, seat: str, now_ms: int) -> Iterator[str]:
        """A seat of a confirmed booking is checked in once, at a time that is not after log time."""
        before = self.bookings[booking.booking_id][0].checked_in
        if booking.status is not BookingStatus.CONFIRMED or seat in before:
            yield f"rules: {position} checks in {seat}, which it may not"
        if booking.checked_in != {**before, seat: booking.checked_in[seat]}:
            yield f"rules: {position} checks in more than {seat}"
        if not booking.created_ms <= booking.checked_in[seat] <= now_ms:
            yield f"rules: {position} at {now_ms} checks in at {booking.checked_in[seat]}"

    def _check_before(
        self, position: Position, booking: Booking, seats: tuple[str, ...], total: int
    ) -> Iterator[str]:
        """Checks what an event says that a booking had before it."""
        before = self.bookings.get(booking.booking_id)
        if (
            before is None
            or not before[0].status.live
            or (before[0].seats, before[0].total) != (seats, total)
        ):
            yield f"1. one claim: {position} moves a booking from {seats}, which it did not have"
        elif _apart_from_seats(before[0]) != _apart_from_seats(booking):
            yield f"1. one claim: {position} changes more than the seats of a booking"

    def _check_extension(self, position: Position, booking: Booking, now_ms: int) -> Iterator[str]:
        """A hold is extended by its own length, up to 30 minutes after it was made, and never shortened."""
        before = self.bookings.get(booking.booking_id)
        if before is None or before[0].expires_ms is None or booking.expires_ms is None:
            yield f"8. one rule for expiry: {position} extends a booking that is not held"
            return
        length_ms = before[0].hold_ms or before[0].expires_ms - before[0].created_ms
        until_ms = min(now_ms + length_ms, booking.created_ms + 30 * 60 * 1000)
        if booking.expires_ms != until_ms or until_ms <= before[0].expires_ms or booking.hold_ms != length_ms:
            yield (
                f"8. one rule for expiry: {position} at {now_ms} extends a hold from {before[0].expires_ms} to"
                f" {booking.expires_ms}, should be {until_ms}"
            )

    def _check_releases(
        self, position: Position, command: Command, decision: Decision, now_ms: int
    ) -> Iterator[str]:
        """Blocks are released together, once, by log time; other seats are unblocked only by a command about them."""
        due = tuple(label for label in self.hall.labels if self._is_due(command.show_id, label, now_ms))
        unblocked = [event.seats for event in decision.events if isinstance(event, SeatsUnblocked)]
        if due and unblocked[:1] != [due]:
            yield f"8. one rule for expiry: {position} at {now_ms} does not release {due}"
        named = set(command.seats) if isinstance(command, BlockSeats | UnblockSeats) else set()
        for seats in unblocked[1 if due else 0 :]:
            if not named.issuperset(seats):
                yield f"8. one rule for expiry: {position} at {now_ms} unblocks {seats}, which nobody asked for"

    def _is_due(self, show_id: int, label: str, now_ms: int) -> bool:
        claim = self.claims.get((show_id, label))
        return claim is not None and claim.release_ms is not None and claim.release_ms <= now_ms

    def overdue(self, show_id: int, now_ms: int) -> list[UUID]:
        """Holds of a show that should have expired by `now_ms`."""
        return [
            booking.booking_id
            for booking, _ in self.bookings.values()
            if booking.show_id == show_id
            and booking.status is BookingStatus.HELD
            and booking.expires_ms is not None
            and booking.expires_ms <= now_ms
        ]


def decided_anew(decision: Decision) -> bool:
    """Whether the rules made this decision: no repeat, no reused key, no malformed record, no error."""
    return decision.repeats is None and decision.reason not in (
        Reason.KEY_REUSED,
        Reason.MALFORMED,
        Reason.INTERNAL_ERROR,
    )


def _apart_from_seats(booking: Booking) -> tuple[object, ...]:
    return (
        booking.booking_id,
        booking.show_id,
        booking.user_id,
        booking.status,
        booking.created_ms,
        booking.expires_ms,
        booking.checked_in,
        booking.hold_ms,
        booking.paid,
    )

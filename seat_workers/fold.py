"""Folds the decisions of a batch into net changes: one row per seat, per booking and per show. Pure.

A seat that is sold, freed and sold again within a batch becomes one claim of its last owner. A booking that is made
and cancelled within a batch becomes one cancelled row and no claim. Rows are sorted by id, so that two writers that
touch the same rows lock them in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from schemas.commands import Command, ConfirmBooking, ScanTicket
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
    ShowClosed,
    ShowOpened,
    ShowReopened,
    TicketCheckedIn,
)
from schemas.ids import Position
from schemas.seat_states import BLOCKED, HELD, SOLD
from schemas.seating import Seating
from schemas.wire import decode_command, decode_decision


class DecidedRecord(msgspec.Struct, frozen=True):
    """One record of the log with its decision, which is also kept in stored form."""

    position: Position
    at_ms: int
    body: bytes
    command: Command | None
    """None for a record that is not a command."""
    decision: Decision
    answer: bytes
    first: bool
    """Whether this is the first use of the command's id: not so for a repeat or a malformed record."""

    @classmethod
    def stored(cls, partition: int, offset: int, at_ms: int, body: bytes, answer: bytes) -> DecidedRecord:
        """Decodes a row of `decisions`."""
        try:
            command = decode_command(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            command = None
        decision = decode_decision(answer)
        first = command is not None and decision.repeats is None and decision.reason is not Reason.KEY_REUSED
        return cls(Position(partition, offset), at_ms, body, command, decision, answer, first)


class Claim(msgspec.Struct, frozen=True):
    """A seat's row after the batch: its state, and its booking unless it is blocked."""

    state: str
    booking_id: UUID | None
    code: str | None = None
    """What a blocked seat is blocked for."""
    release_ms: int | None = None
    """Log time at which a blocked seat becomes available by itself, Unix milliseconds."""


class DoorScan(msgspec.Struct, frozen=True):
    """A row of `check_ins`: a scan that checked a seat in, or a late one in conflict with it."""

    position: Position
    decided_ms: int
    show_id: int
    booking_id: UUID
    seat: str
    at_ms: int
    """When the ticket was scanned: log time, or that of the device for a late scan. Never after `decided_ms`."""
    gate: str | None = None
    used_ms: int | None = None
    """Of a conflict: the time of the check-in before it."""


class NetChanges(msgspec.Struct):
    """The rows that a batch writes besides its decisions. Seats are (show, index in layout order)."""

    freed: list[tuple[int, int]]
    """Seats that lose the claim they had before the batch, whether or not they get a new one."""
    claims: list[tuple[int, int, Claim]]
    new_bookings: list[tuple[Booking, Position]]
    changed_bookings: list[tuple[Booking, Position]]
    moved: set[int]
    """Bookings whose seats the batch changes, by the numbers of their ids."""
    opened: set[int]
    """Shows that the batch opens: their row is new."""
    terms_changed: set[int]
    """Shows whose status or terms the batch changes."""
    scans: list[DoorScan]
    """In log order per partition."""

    def ended(self) -> list[tuple[Booking, Position]]:
        """The bookings that are not live after the batch."""
        return [row for row in (*self.new_bookings, *self.changed_bookings) if not row[0].status.live]


def fold(batch: Iterable[DecidedRecord], seatings: Mapping[int, Seating]) -> NetChanges:
    """The net changes of decisions, given in log order per show. `seatings`: show → seating, for every show."""
    seats_now: dict[tuple[int, int], Claim | None] = {}
    had_claim: set[tuple[int, int]] = set()
    bookings: dict[int, tuple[Booking, Position]] = {}
    """Keys are the ids' numbers, which hash and sort faster."""
    new: set[int] = set()
    moved: set[int] = set()
    opened: set[int] = set()
    terms_changed: set[int] = set()
    scans: list[DoorScan] = []

    def set_claims(show_id: int, labels: Iterable[str], claim: Claim | None, *, before: bool) -> None:
        """Notes the claim of seats after an event. `before`: they had one until then."""
        index = seatings[show_id].index
        for label in labels:
            seat = show_id, index(label)
            if before and seat not in seats_now:
                had_claim.add(seat)
            seats_now[seat] = claim

    for decided in batch:
        for event in decided.decision.events:
            match event:
                case BookingConfirmed(booking) | BookingHeld(booking):
                    state = SOLD if isinstance(event, BookingConfirmed) else HELD
                    before = isinstance(decided.command, ConfirmBooking)
                    set_claims(
                        booking.show_id, booking.seats, Claim(state, booking.booking_id), before=before
                    )
                    number = booking.booking_id.int
                    if not before:
                        new.add(number)
                    bookings[number] = (booking, decided.position)
                case BookingCancelled(booking) | HoldReleased(booking) | HoldExpired(booking):
                    set_claims(booking.show_id, booking.seats, None, before=True)
                    bookings[booking.booking_id.int] = (booking, decided.position)
                case TicketCheckedIn(booking, seat, gate):
                    bookings[booking.booking_id.int] = (booking, decided.position)
                    scans.append(
                        _scan(decided, booking, seat, booking.checked_in.get(seat, decided.at_ms), gate)
                    )
                case CheckInUndone(booking) | HoldExtended(booking):
                    bookings[booking.booking_id.int] = (booking, decided.position)
                case BookingChanged(booking, old_seats):
                    kept = set(booking.seats).intersection(old_seats)
                    freed = [label for label in old_seats if label not in kept]
                    taken = [label for label in booking.seats if label not in kept]
                    set_claims(booking.show_id, freed, None, before=True)
                    set_claims(booking.show_id, taken, _claim_of(booking), before=False)
                    moved.add(booking.booking_id.int)
                    bookings[booking.booking_id.int] = (booking, decided.position)
                case SeatsSwapped(one, other):
                    for booking in (one, other):
                        set_claims(booking.show_id, booking.seats, _claim_of(booking), before=True)
                        moved.add(booking.booking_id.int)
                        bookings[booking.booking_id.int] = (booking, decided.position)
                case SeatsBlocked(show_id, seats, code, release_ms):
                    set_claims(show_id, seats, Claim(BLOCKED, None, code, release_ms), before=False)
                case SeatsUnblocked(show_id, seats):
                    set_claims(show_id, seats, None, before=True)
                case ShowOpened(show_id):
                    opened.add(show_id)
                case (
                    ShowChanged(show_id)
                    | ShowClosed(show_id)
                    | ShowReopened(show_id)
                    | ShowCancelled(show_id)
                ):
                    terms_changed.add(show_id)
        if (conflict := _conflict(decided)) is not None:
            scans.append(conflict)

    rows = [(number in new, bookings[number]) for number in sorted(bookings)]
    return NetChanges(
        freed=sorted(had_claim),
        claims=[(*seat, claim) for seat in sorted(seats_now) if (claim := seats_now[seat]) is not None],
        new_bookings=[row for is_new, row in rows if is_new],
        changed_bookings=[row for is_new, row in rows if not is_new],
        moved=moved,
        opened=opened,
        terms_changed=terms_changed,
        scans=scans,
    )


def _claim_of(booking: Booking) -> Claim:
    """The claim of a live booking on each of its seats."""
    return Claim(HELD if booking.status is BookingStatus.HELD else SOLD, booking.booking_id)


def _scan(
    decided: DecidedRecord,
    booking: Booking,
    seat: str,
    at_ms: int,
    gate: str | None,
    used_ms: int | None = None,
) -> DoorScan:
    return DoorScan(
        decided.position, decided.at_ms, booking.show_id, booking.booking_id, seat, at_ms, gate, used_ms
    )


def _conflict(decided: DecidedRecord) -> DoorScan | None:
    """The conflict of a late scan whose seat was checked in before: two people may have been let in with one ticket."""
    command, decision = decided.command, decided.decision
    if decision.reason is not Reason.ALREADY_USED or not decided.first or decision.booking is None:
        return None
    if not isinstance(command, ScanTicket) or command.at_ms is None:
        return None
    at_ms = min(command.at_ms, decided.at_ms)
    return _scan(decided, decision.booking, decision.seats[0], at_ms, command.gate, decision.limit)

"""Folds the decisions of a batch into net changes: one row per seat, per booking and per show. Pure.

A seat that is sold, freed and sold again within a batch becomes one claim of its last owner. A booking that is made
and cancelled within a batch becomes one cancelled row and no claim. Rows are sorted by id, so that two writers that
touch the same rows lock them in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from schemas.commands import Command, ConfirmBooking
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    Decision,
    HoldExpired,
    HoldReleased,
    Reason,
    SeatsBlocked,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    TicketCheckedIn,
)
from schemas.ids import Position
from schemas.layout import Seating
from schemas.seat_states import BLOCKED, HELD, SOLD
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


class NetChanges(msgspec.Struct):
    """The rows that a batch writes besides its decisions. Seats are (show, index in layout order)."""

    freed: list[tuple[int, int]]
    """Seats that lose the claim they had before the batch, whether or not they get a new one."""
    claims: list[tuple[int, int, Claim]]
    new_bookings: list[tuple[Booking, Position]]
    changed_bookings: list[tuple[Booking, Position]]
    opened: set[int]
    """Shows that the batch opens: their row is new."""
    terms_changed: set[int]
    """Shows whose status or terms the batch changes."""

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
    opened: set[int] = set()
    terms_changed: set[int] = set()

    for decided in batch:
        for event in decided.decision.events:
            match event:
                case BookingConfirmed(booking) | BookingHeld(booking):
                    state = SOLD if isinstance(event, BookingConfirmed) else HELD
                    claim: Claim | None = Claim(state, booking.booking_id)
                    before = isinstance(decided.command, ConfirmBooking)
                case BookingCancelled(booking) | HoldReleased(booking) | HoldExpired(booking):
                    claim, before = None, True
                case SeatsBlocked(show_id, seats) | SeatsUnblocked(show_id, seats):
                    before = isinstance(event, SeatsUnblocked)
                    index = seatings[show_id].index
                    for label in seats:
                        seat = show_id, index(label)
                        if before and seat not in seats_now:
                            had_claim.add(seat)
                        seats_now[seat] = None if before else Claim(BLOCKED, None)
                    continue
                case ShowOpened(show_id):
                    opened.add(show_id)
                    continue
                case (
                    ShowChanged(show_id)
                    | ShowClosed(show_id)
                    | ShowReopened(show_id)
                    | ShowCancelled(show_id)
                ):
                    terms_changed.add(show_id)
                    continue
                case TicketCheckedIn(booking):
                    bookings[booking.booking_id.int] = (booking, decided.position)
                    continue
            index = seatings[booking.show_id].index
            for label in booking.seats:
                seat = booking.show_id, index(label)
                if before and seat not in seats_now:
                    had_claim.add(seat)
                seats_now[seat] = claim
            number = booking.booking_id.int
            if not before:
                new.add(number)
            bookings[number] = (booking, decided.position)

    rows = [(number in new, bookings[number]) for number in sorted(bookings)]
    return NetChanges(
        freed=sorted(had_claim),
        claims=[(*seat, claim) for seat in sorted(seats_now) if (claim := seats_now[seat]) is not None],
        new_bookings=[row for is_new, row in rows if is_new],
        changed_bookings=[row for is_new, row in rows if not is_new],
        opened=opened,
        terms_changed=terms_changed,
    )

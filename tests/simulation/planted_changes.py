"""Planted bugs of changes, swaps, extensions, blocks with a release time, kinds of seats, and shared refusals."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from gateway.commands.coalescing import SHARED_REASONS, RequestCoalescer
from gateway.commands.outcomes import StoredDecision
from schemas.commands import CancelBooking, ChangeSeats, CheckIn, Command, ConfirmBooking, ScanTicket
from schemas.events import (
    Booking,
    BookingChanged,
    BookingStatus,
    Decision,
    Event,
    Reason,
    SeatsSwapped,
    SeatsUnblocked,
    TicketCheckedIn,
)
from schemas.seating import Seating
from seat_workers import booking_rules, check_in_rules, decider, publisher, seat_rules, show_cache
from seat_workers import show as rules
from seat_workers.compact.live_bookings import LiveBookings
from seat_workers.fold import DecidedRecord, NetChanges
from seat_workers.seat_rules import labels_of
from seat_workers.show_state import AVAILABLE, Show
from seat_workers.timers import Timers
from tests.simulation.planted_bug import Patches, PlantedBug


def _frees_and_does_not_take() -> Patches:
    def change_seats(self: Show, booking: Booking, old_seats: Iterable[str]) -> None:
        freed = self.indexes(old_seats)
        for seat in freed:
            self.states[seat] = AVAILABLE
        self.available += len(freed) - len(booking.seats)
        self.bookings.move(booking.booking_id, self.indexes(booking.seats))

    yield Show, "change_seats", change_seats


def _extends_for_two_hours() -> Patches:
    yield booking_rules, "EXTENDED_AT_MOST_MS", 2 * 3600 * 1000


def _expires_at_the_old_time() -> Patches:
    def holds_until(self: Show, booking_id: UUID, expires_ms: int) -> bool:
        return self.bookings.held_until(booking_id) is not None

    yield Show, "holds_until", holds_until


def _keeps_the_old_total() -> Patches:
    real = booking_rules.change_seats

    def change_seats(*given: Any) -> Decision:
        decision = real(*given)
        if not decision.events:
            return decision
        changed: Any = decision.events[0]
        booking = msgspec.structs.replace(changed.booking, total=changed.old_total)
        return msgspec.structs.replace(decision, events=(msgspec.structs.replace(changed, booking=booking),))

    yield rules, "change_seats", change_seats


def _chooses_companion_seats_alone() -> Patches:
    real: Callable[..., list[int] | None] = vars(seat_rules)["best_seats"]

    def best_seats(states: bytearray, seating: Seating, *given: Any, **wanted: Any) -> list[int] | None:
        if wanted.get("kind") is None:
            plain = msgspec.structs.replace(seating.layout, accessible=(), companions=())
            seating = Seating(plain)
        return real(states, seating, *given, **wanted)

    yield seat_rules, "best_seats", best_seats


def _counts_seats_that_are_given_up() -> Patches:
    real: Callable[..., list[int]] = vars(booking_rules)["lone_companions"]

    def lone_companions(*given: Any, except_booking: Booking | None = None) -> list[int]:
        return real(*given)

    yield booking_rules, "lone_companions", lone_companions


def _lets_paid_bookings_change_their_price() -> Patches:
    real = booking_rules.change_seats

    def change_seats(show: Show, command: ChangeSeats, now_ms: int) -> Decision:
        decision = real(show, command, now_ms)
        if decision.reason is Reason.PRICE_DIFFERS:
            return real(show, msgspec.structs.replace(command, staff=True), now_ms)
        return decision

    yield rules, "change_seats", change_seats


Correct = Callable[[NetChanges, list[DecidedRecord], Mapping[int, Seating]], None]
"""Changes the net changes of a batch, given its decisions and the seatings of its shows."""


def _folds_and_then(change: Correct) -> Patches:
    real: Callable[..., NetChanges] = vars(decider)["fold"]

    def fold(batch: Iterable[DecidedRecord], seatings: Mapping[int, Seating]) -> NetChanges:
        decided = list(batch)
        net = real(decided, seatings)
        change(net, decided, seatings)
        return net

    yield decider, "fold", fold


def _loses_a_seat_of_a_swap() -> Patches:
    def lose(net: NetChanges, decided: list[DecidedRecord], seatings: Mapping[int, Seating]) -> None:
        for one in decided:
            for event in one.decision.events:
                if isinstance(event, SeatsSwapped):
                    show_id = event.other.show_id
                    seat = seatings[show_id].index(event.other.seats[0])
                    net.claims = [row for row in net.claims if row[:2] != (show_id, seat)]

    return _folds_and_then(lose)


def _keeps_the_claim_of_a_changed_and_cancelled_booking() -> Patches:
    def keep(net: NetChanges, decided: list[DecidedRecord], seatings: Mapping[int, Seating]) -> None:
        changed: dict[UUID, BookingChanged] = {}
        for one in decided:
            for event in one.decision.events:
                if isinstance(event, BookingChanged):
                    changed.setdefault(event.booking.booking_id, event)
        claimed = {row[:2] for row in net.claims}
        for booking, _ in net.changed_bookings:
            if booking.booking_id in changed and not booking.status.live:
                index = seatings[booking.show_id].index
                kept = {
                    (booking.show_id, index(label)) for label in changed[booking.booking_id].old_seats
                } - claimed
                net.freed = [seat for seat in net.freed if seat not in kept]

    return _folds_and_then(keep)


def _publishes_a_swap_without_a_seat() -> Patches:
    real = publisher._states_after_move

    def states_after_move(event: BookingChanged | SeatsSwapped) -> dict[str, str]:
        states = real(event)
        if isinstance(event, SeatsSwapped):
            states.pop(event.booking.seats[0])
        return states

    yield publisher, "_states_after_move", states_after_move


def _publishes_new_seats_of_a_change_only() -> Patches:
    real = publisher._states_after_move

    def states_after_move(event: BookingChanged | SeatsSwapped) -> dict[str, str]:
        states = real(event)
        return {label: state for label, state in states.items() if state != "a"}

    yield publisher, "_states_after_move", states_after_move


def _releases_blocks_too_early() -> Patches:
    real = rules.expire

    def expire(show: Show, now_ms: int) -> tuple[Event, ...]:
        events = real(show, now_ms)
        early = [
            seat
            for seat, (_, release_ms) in sorted(show.blocks.items())
            if release_ms is not None and now_ms < release_ms <= now_ms + 1_000
        ]
        return (*events, SeatsUnblocked(show.show_id, labels_of(show, early))) if early else events

    yield rules, "expire", expire


def _releases_blocks_twice() -> Patches:
    yield Show, "blocks_until", lambda self, seat, release_ms: True


def _sets_no_timers_for_blocks() -> Patches:
    real = Timers.update

    def update(self: Timers, partition: int, show: Show) -> None:
        releases, show.releases = show.releases, []
        real(self, partition, show)
        show.releases = releases

    yield Timers, "update", update


def _names_bookings_of_others() -> Patches:
    def bookings_of(self: Show, user_id: int) -> list[Booking]:
        return [self.bookings[booking_id] for booking_id in sorted(self.bookings)]

    yield Show, "bookings_of", bookings_of


def _does_not_load_ended_bookings() -> Patches:
    real = show_cache._named_bookings

    def named_bookings(command: Command) -> tuple[UUID, ...]:
        return real(command) if isinstance(command, ConfirmBooking | CancelBooking | CheckIn) else ()

    yield show_cache, "_named_bookings", named_bookings


def _shares_refusals_with_everybody() -> Patches:
    real = RequestCoalescer._on_first_outcome

    def on_first_outcome(
        self: RequestCoalescer, first: Any, others: deque[Any], deadline_s: float, outcome: Any
    ) -> None:
        if isinstance(outcome, StoredDecision) and outcome.decision.reason in SHARED_REASONS:
            real(self, first, deque(), deadline_s, outcome)
            for request in others:
                self._commands.dismiss(request.command)
                request.on_outcome(outcome)
        else:
            real(self, first, others, deadline_s, outcome)

    yield RequestCoalescer, "_on_first_outcome", on_first_outcome


def _swaps_without_confirmation() -> Patches:
    """A held booking that is swapped with a confirmed one becomes confirmed as well."""
    real = booking_rules.swap_seats

    def swap_seats(*given: Any) -> Decision:
        decision = real(*given)
        if not decision.events:
            return decision
        swapped: Any = decision.events[0]
        one = msgspec.structs.replace(swapped.booking, status=swapped.other.status)
        if one.status is BookingStatus.CONFIRMED:
            one = msgspec.structs.replace(one, expires_ms=None)
        return msgspec.structs.replace(decision, events=(msgspec.structs.replace(swapped, booking=one),))

    yield rules, "swap_seats", swap_seats


def _checks_in_by_the_clock_of_the_device() -> Patches:
    """A late scan from a device whose clock is ahead gets a time that has not come yet."""
    real = check_in_rules.scan_ticket

    def scan_ticket(show: Show, command: ScanTicket, now_ms: int) -> Decision:
        decision = real(show, command, now_ms)
        event = decision.events[0] if decision.events else None
        if command.at_ms is None or not isinstance(event, TicketCheckedIn):
            return decision
        checked_in = {**event.booking.checked_in, event.seat: command.at_ms}
        booking = msgspec.structs.replace(event.booking, checked_in=checked_in)
        return msgspec.structs.replace(decision, events=(msgspec.structs.replace(event, booking=booking),))

    yield rules, "scan_ticket", scan_ticket


def _forgets_check_ins() -> Patches:
    """A check-in that is in memory is not noted, so that the next scan of the same ticket wins, too."""

    def put(self: LiveBookings, booking: Booking, seats: list[int]) -> bool:
        return real(self, msgspec.structs.replace(booking, checked_in={}), seats)

    real = LiveBookings.put
    yield LiveBookings, "put", put


BUGS_OF_CHANGES = (
    PlantedBug("a change that frees and does not take", ("1.",), patches=_frees_and_does_not_take),
    PlantedBug("an extension past 30 minutes", ("8.",), patches=_extends_for_two_hours),
    PlantedBug("an extended hold expires at its old time", ("8.",), patches=_expires_at_the_old_time),
    PlantedBug("a change that keeps the old total", ("1.",), patches=_keeps_the_old_total),
    PlantedBug("a paid booking of another price", ("rules",), patches=_lets_paid_bookings_change_their_price),
    PlantedBug("a companion seat chosen alone", ("rules",), patches=_chooses_companion_seats_alone),
    PlantedBug("a companion seat kept alone", ("rules",), patches=_counts_seats_that_are_given_up),
    PlantedBug("a swap that loses a seat in a fold", ("1.",), patches=_loses_a_seat_of_a_swap),
    PlantedBug(
        "a claim of a changed and cancelled booking kept in a fold",
        ("1.",),
        patches=_keeps_the_claim_of_a_changed_and_cancelled_booking,
    ),
    PlantedBug("a swap published without a seat", ("9.",), patches=_publishes_a_swap_without_a_seat),
    PlantedBug(
        "a change published without its old seats", ("9.",), patches=_publishes_new_seats_of_a_change_only
    ),
    PlantedBug("a swap that confirms a hold", ("1.",), patches=_swaps_without_confirmation),
    PlantedBug("a block released too early", ("8.",), patches=_releases_blocks_too_early),
    PlantedBug("a block released twice", ("1.", "8."), patches=_releases_blocks_twice),
    PlantedBug("no timer for a block", ("8.",), patches=_sets_no_timers_for_blocks),
    PlantedBug("bookings of others named", ("client view",), patches=_names_bookings_of_others),
    PlantedBug("ended bookings unknown to new commands", ("7.",), patches=_does_not_load_ended_bookings),
    PlantedBug("a ticket scanned before its time", ("rules",), patches=_checks_in_by_the_clock_of_the_device),
    PlantedBug("a ticket that is valid twice", ("rules",), patches=_forgets_check_ins),
    PlantedBug("a refusal shared with everybody", ("client view",), patches=_shares_refusals_with_everybody),
)

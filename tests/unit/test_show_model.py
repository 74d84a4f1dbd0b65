"""A comparison of the rules with a simple model: both give the same answers to random commands.

Hypothesis generates sequences of commands for a small hall and shrinks a failing one; its steps and answers read like a
log. `pytest --hypothesis-profile=thorough` runs many more, `quick` fewer.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import hypothesis
import msgspec
import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeSeats,
    ChangeShow,
    CheckIn,
    CloseShow,
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
from seat_workers import show_rules as rules
from seat_workers.command_ids import ID_LIFETIME_MS
from tests.unit.model_hall import (
    DAY_MS,
    SHOW,
    USERS,
    by,
    counter_extras,
    door_scans,
    door_staff,
    few_seats,
    hold_s,
    labels,
    moments,
    odd_seats,
    special_seats,
    wishes,
    yours,
)
from tests.unit.show_comparison import PAGE, ShowComparison


class RandomCommands(ShowComparison):
    """Random commands for the rules and the model."""

    bookings = Bundle("bookings")

    # --- what can happen ---

    @initialize(
        target=bookings,
        starts_ms=st.sampled_from([3 * DAY_MS, 60_000]),
        limit=st.sampled_from([10, 3]),
        sales_start_ms=st.sampled_from([None, None, 2_000]),
        sales_end_ms=st.sampled_from([None, DAY_MS]),
        payment=st.sampled_from(["none", "none", "required"]),
        sold=st.lists(st.tuples(by, st.none() | hold_s), max_size=5),
    )
    def open(self, sold: list[tuple[str, int | None]], limit: int, **terms: Any) -> Any:
        layout = {"layout_id": 1, "layout_digest": "0" * 64}
        self.send(OpenShow, "staff", seats_per_customer=limit, **layout, **terms)
        taken = [self._take(who, hold_s, quantity=1 + n % 2) for n, (who, hold_s) in enumerate(sold)]
        return multiple(*(one for one in taken if isinstance(one, UUID)))

    @rule(target=bookings, by=by, seats=few_seats | special_seats, yours=yours)
    def book(self, by: str, seats: list[str], yours: bool) -> Any:
        return self._take(by, None, seats=tuple(seats), yours=yours)

    @rule(target=bookings, by=by, seats=few_seats | special_seats, hold_s=hold_s, yours=yours)
    def hold(self, by: str, seats: list[str], hold_s: int, yours: bool) -> Any:
        return self._take(by, hold_s, seats=tuple(seats), yours=yours)

    @rule(target=bookings, seats=few_seats, sharing=st.lists(st.sampled_from([1, 2, 9]), max_size=3))
    def book_for_equal_requests(self, seats: list[str], sharing: list[int]) -> Any:
        return self._take("ann", None, seats=tuple(seats), yours=True, sharing=tuple(sharing))

    @rule(
        target=bookings,
        seats=few_seats | special_seats,
        hold_s=st.none() | hold_s,
        owner=st.sampled_from(["a walk-in", "a walk-in", "ben"]),
        more=counter_extras,
    )
    def sell_at_the_counter(self, seats: list[str], hold_s: int | None, owner: str, more: Any) -> Any:
        sold_to = {"walk_in": True} if owner == "a walk-in" else {"customer_id": USERS[owner]}
        return self._take("staff", hold_s, seats=tuple(seats), max_seats=100, yours=True, **sold_to, **more)

    @rule(by=st.sampled_from(["ann", "ben"]), seats=few_seats)
    def claim_the_rights_of_staff(self, by: str, seats: list[str]) -> None:
        self._take(by, None, seats=tuple(seats), walk_in=True, lift_limit=True, paid=True, customer_id=3)

    @rule(
        target=bookings,
        by=by,
        n=st.integers(1, 6),
        section=st.sampled_from([None, "Circle", "Stalls"]),
        adjacent=st.booleans(),
        hold_s=st.none() | hold_s,
        wish=wishes,
    )
    def take_best(
        self, by: str, n: int, section: str | None, adjacent: bool, hold_s: int | None, wish: Any
    ) -> Any:
        return self._take(by, hold_s, quantity=n, section=section, adjacent=adjacent, **wish)

    @rule(
        target=bookings,
        by=by,
        seats=odd_seats,
        n=st.sampled_from([0, 2, 11]),
        section=st.sampled_from([None, "Balcony"]),
        owner=st.sampled_from([0, 1, 2]),
        again=st.booleans(),
    )
    def take_with_odd_arguments(
        self, by: str, seats: list[str], n: int, section: str | None, owner: int, again: bool
    ) -> Any:
        customer_id = owner if by == "staff" else 0
        asked = {"seats": tuple(seats), "quantity": n, "section": section, "customer_id": customer_id}
        if again and self.model.bookings:
            asked["booking_id"] = self.model.bookings[0].booking_id
        return self._take(by, None, **asked)

    def _take(self, by: str, hold_s: int | None, **asked: Any) -> Any:
        asked = {"booking_id": self.next_id()} | asked
        if hold_s is None:
            decision = self.send(BookSeats, by, **asked)
        else:
            decision = self.send(HoldSeats, by, hold_ms=hold_s * 1_000, **asked)
        return decision.booking.booking_id if decision.booking else multiple()

    @rule(by=by, booking=bookings)
    def confirm(self, by: str, booking: UUID) -> None:
        self.send(ConfirmBooking, by, booking_id=booking)

    @rule(by=by, booking=bookings)
    def cancel(self, by: str, booking: UUID) -> None:
        self.send(CancelBooking, by, booking_id=booking)

    @rule(by=by, booking=bookings)
    def extend(self, by: str, booking: UUID) -> None:
        self.send(ExtendHold, by, booking_id=booking)

    @rule(
        by=by, booking=bookings, seats=few_seats | special_seats | odd_seats, limit=st.sampled_from([10, 2])
    )
    def change_seats(self, by: str, booking: UUID, seats: list[str], limit: int) -> None:
        self.send(ChangeSeats, by, booking_id=booking, seats=tuple(seats), max_seats=limit)

    @rule(by=by, booking=bookings, nth=st.integers(0, 2), seat=labels)
    def change_one_seat(self, by: str, booking: UUID, nth: int, seat: str) -> None:
        seats = list(next(one.seats for one in self.model.bookings if one.booking_id == booking))
        seats[nth % len(seats)] = seat
        self.send(ChangeSeats, by, booking_id=booking, seats=tuple(seats))

    @rule(by=st.sampled_from(["staff", "staff", "staff", "ann"]), one=bookings, other=bookings)
    def swap_seats(self, by: str, one: UUID, other: UUID) -> None:
        self.send(SwapSeats, by, booking_id=one, with_booking_id=other)

    @rule(booking=bookings, nth=st.integers(0, 2), checked_in_by=st.sampled_from(["staff", "staff", "ann"]))
    def check_in(self, booking: UUID, nth: int, checked_in_by: str) -> None:
        seats = next(one.seats for one in self.model.bookings if one.booking_id == booking)
        seat = seats[nth] if nth < len(seats) else "X9"
        self.send(CheckIn, checked_in_by, booking_id=booking, seat=seat)

    @rule(booking=bookings, nth=st.integers(0, 3), by=door_staff, scan=door_scans)
    def scan_ticket(self, booking: UUID, nth: int, by: str, scan: dict[str, Any]) -> None:
        late_ms = scan.get("late_ms")
        at_ms = None if late_ms is None else max(0, self.now_ms - late_ms)
        scanned = {name: value for name, value in scan.items() if name != "late_ms"}
        self.send(
            ScanTicket, by, booking_id=booking, seat_index=self._seat_of(booking, nth), at_ms=at_ms, **scanned
        )

    @rule(booking=bookings, nth=st.integers(0, 3), by=door_staff)
    def undo_check_in(self, booking: UUID, nth: int, by: str) -> None:
        self.send(UndoCheckIn, by, booking_id=booking, seat_index=self._seat_of(booking, nth))

    def _seat_of(self, booking: UUID, nth: int) -> int:
        """The index of a seat of the booking, now and then of another one or of none."""
        seats = next(one.seats for one in self.model.bookings if one.booking_id == booking)
        return self.model.seats.labels.index(seats[nth]) if nth < len(seats) else 99 * (nth // 3)

    @rule(by=st.sampled_from(["staff", "staff", "ann"]), seats=few_seats | odd_seats, block=st.booleans())
    def block_or_unblock(self, by: str, seats: list[str], block: bool) -> None:
        self.send(BlockSeats if block else UnblockSeats, by, seats=tuple(seats))

    @rule(
        seats=few_seats,
        code=st.sampled_from([None, "press", "house"]),
        release_in_ms=st.sampled_from([None, 0, 700, 300_000]),
    )
    def block_for_something(self, seats: list[str], code: str | None, release_in_ms: int | None) -> None:
        release_ms = None if release_in_ms is None else self.now_ms + release_in_ms
        self.send(BlockSeats, "staff", seats=tuple(seats), code=code, release_ms=release_ms)

    @rule(
        by=st.sampled_from(["staff", "staff", "ben"]),
        terms=st.sampled_from(["starts_ms", "sales_start_ms", "sales_end_ms", "any time", "any time"]),
        in_ms=st.sampled_from([-1, 0, 1, 1_000, DAY_MS]),
    )
    def change_times(self, by: str, terms: str, in_ms: int) -> None:
        if terms == "any time":
            self.send(ChangeShow, by, sales_start_ms=0, sales_end_ms=0, starts_ms=self.now_ms + DAY_MS)
        else:
            self.send(ChangeShow, by, **{terms: self.now_ms + in_ms})

    @rule(limit=st.sampled_from([0, 2, 10, 20]))
    def change_limit(self, limit: int) -> None:
        self.send(ChangeShow, "staff", seats_per_customer=limit)

    @rule(
        kind=st.sampled_from([ReopenShow, ReopenShow, CloseShow]),
        by=st.sampled_from(["staff", "staff", "ben"]),
    )
    def open_or_close(self, kind: type[Any], by: str) -> None:
        self.send(kind, by)

    @precondition(lambda self: len(self.model.live()) > 2 or self.model.status == "cancelled")
    @rule(by=st.sampled_from(["ann", "staff"]))
    def cancel_show(self, by: str) -> None:
        self.send(CancelShow, by)

    @precondition(lambda self: self.model.status == "cancelled")
    @rule()
    def cancel_next_page(self) -> None:
        self.put(CancelShow(command_id=self.next_id(), show_id=SHOW, staff=True))

    @rule(until=moments)
    def wait(self, until: str) -> None:
        model = self.model
        due = model.next_expiry_ms() or 0
        times = {
            "soon": self.now_ms + 700,
            "just before": due - 1,
            "the next hold": due,
            "sales": model.sales_start_ms or 0,
            "their end": model.sales_end_ms or 0,
            "the start": model.starts_ms if model.starts_ms < DAY_MS else 0,
            "2 days": self.now_ms + ID_LIFETIME_MS + self.now_ms % 2,
        }
        self.now_ms = max(self.now_ms, times[until])

    @rule(what=st.sampled_from(["holds expired", "clock set back", "garbage", "unknown booking"]))
    def odd_command(self, what: str) -> None:
        match what:
            case "holds expired":
                self.put(ExpireHolds(command_id=self.next_id(), show_id=SHOW, staff=True))
            case "clock set back":
                self.put(CloseShow(command_id=self.next_id(), show_id=SHOW), clock_ms=self.now_ms // 2)
            case "garbage":
                self.put(None)
            case _:
                unknown = UUID(int=2**100)
                for kind in (ConfirmBooking, CancelBooking, ExtendHold):
                    self.send(kind, "staff", booking_id=unknown)
                self.send(ChangeSeats, "staff", booking_id=unknown, seats=("A1",))
                self.send(SwapSeats, "staff", booking_id=unknown, with_booking_id=unknown)

    @rule(nth=st.integers(0, 10))
    def repeat(self, nth: int) -> None:
        self.put(self.commands[-1 - nth % len(self.commands)])

    @rule(nth=st.integers(0, 10), by=by)
    def reuse_an_id(self, nth: int, by: str) -> None:
        before = self.commands[-1 - nth % len(self.commands)]
        self.put(msgspec.structs.replace(before, user_id=USERS[by]))

    @rule()
    def commit(self) -> None:
        self.tables.write(self.unwritten)
        self.unwritten.clear()
        self.tables.assert_equal_to(self.cache.show)

    @rule()
    def restart_worker(self) -> None:
        self.commit()
        show = self.cache.show
        assert show.status is not None
        self.cache.show = self.tables.load(show.status, show.terms, show.version)
        self.start_decider()

    # --- what must be the same after each step ---

    @invariant()
    def same_state(self) -> None:
        note(self.description)
        self.description = ""
        show, model = self.cache.show, self.model
        assert show.states.decode() == model.states()
        assert show.available == model.states().count("a")
        assert show.seats_of_customer == {n: model.seats_of(n) for n in USERS.values() if model.seats_of(n)}
        assert show.next_expiry_ms() == model.next_expiry_ms()
        assert (show.status and show.status.value) == model.status


def test_the_rules_agree_with_a_simple_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CANCELLED_PER_COMMAND", PAGE)
    examples = hypothesis.settings().max_examples
    run_state_machine_as_test(
        RandomCommands,
        settings=hypothesis.settings(
            max_examples=700 if examples == 100 else examples,
            stateful_step_count=60 if examples > 100 else 40,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )

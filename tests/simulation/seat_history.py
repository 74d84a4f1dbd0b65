"""The states and owners of seats after each decision, from stored events alone."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

from schemas.ids import Position
from schemas.wire import decode_decision
from tests.simulation.database import Database
from tests.simulation.halls import Hall
from tests.simulation.replay import command_of
from tests.simulation.seat_book import SeatBook


class SeatHistory:
    """The history of all shows of a run."""

    def __init__(self, database: Database, hall: Hall) -> None:
        self._offsets: dict[int, list[int]] = defaultdict(list)
        """Show → the offsets of the decisions that changed it."""
        self._states: dict[int, list[dict[str, str]]] = defaultdict(list)
        self._owners: dict[int, list[dict[str, int]]] = defaultdict(list)
        self._untouched = dict.fromkeys(hall.labels, "a")
        book = SeatBook(hall)
        for position, row in sorted(database.decisions.items()):
            command, decision = command_of(row.command), decode_decision(row.answer)
            for _ in book.take(position, command, decision, row.at_ms):
                pass  # replay.py reports the violations
            if command is None or not decision.events:
                continue
            show_id = command.show_id
            self._offsets[show_id].append(position.offset)
            self._states[show_id].append(book.states(show_id))
            self._owners[show_id].append(
                {
                    label: booking.user_id
                    for booking, _ in book.bookings.values()
                    if booking.show_id == show_id and booking.status.live
                    for label in booking.seats
                }
            )

    def states(self, show_id: int, offset: int) -> dict[str, str]:
        """Seat → its state after the decision at this offset."""
        at = bisect_right(self._offsets[show_id], offset)
        return self._states[show_id][at - 1] if at else self._untouched

    def owners(self, show_id: int, position: Position, seats: Iterable[str]) -> set[int | None]:
        """The customers who have some of these seats after the decision at this position."""
        at = bisect_right(self._offsets[show_id], position.offset)
        owner_of = self._owners[show_id][at - 1] if at else {}
        return {owner_of.get(label) for label in seats}

"""Check of the tables after a commit: a change or swap that is half done is never seen in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from uuid import UUID

from tests.simulation.database import Database
from tests.simulation.seat_book import STATES


def torn_tables(database: Database, show_ids: Collection[int]) -> Iterator[str]:
    """What does not fit together in the claims, bookings and counts of these shows."""
    claimed: dict[UUID, set[tuple[int, str, str]]] = defaultdict(set)
    counts: dict[int, int] = defaultdict(int)
    for (show_id, seat), claim in database.claims.items():
        if show_id not in show_ids:
            continue
        counts[show_id] += 1
        if claim.booking_id is not None:
            seating = database.layouts[database.show_states[show_id].terms.layout_digest]
            claimed[claim.booking_id].add((show_id, seating.label(seat), claim.state))
    for booking_id, (booking, _) in database.bookings.items():
        if booking.show_id not in show_ids:
            continue
        wanted = set()
        if booking.status.live:
            wanted = {(booking.show_id, label, STATES[booking.status]) for label in booking.seats}
        found = claimed.pop(booking_id, set())
        if found != wanted:
            yield f"1. one claim: booking {booking_id} has {sorted(found)}, should have {sorted(wanted)}"
    if claimed:
        yield f"1. one claim: seats are claimed for bookings that do not exist: {sorted(claimed)}"
    for show_id in show_ids:
        row = database.show_states[show_id]
        seats = len(database.layouts[row.terms.layout_digest])
        if row.available != seats - counts[show_id]:
            yield f"1. one claim: show {show_id} has {counts[show_id]} claims and {row.available} of {seats} seats left"

"""The rows of a show that follow from its decisions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ops.audit.carried import carried_to
from ops.audit.show_history import changes_of
from runtime.process import CannotStart
from schemas.events import (
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    ShowStatus,
    Terms,
    is_from_later_release,
)
from schemas.layout import decode_layout
from schemas.seating import Seating
from schemas.wire import encode
from seat_workers.fold import DecidedRecord, fold

TABLES = ("show_states", "claims", "bookings")

_LAYOUT = "SELECT body FROM layouts WHERE digest = $1"

_STATE_COLUMNS = (
    *("show_id", "partition", "status", "version", "available", "layout_id", "layout_digest", "starts_ms"),
    *("seats_per_customer", "sales_start_ms", "sales_end_ms", "payment"),
)
_CLAIM_COLUMNS = ("show_id", "seat", "state", "booking_id", "code", "release_ms")
_BOOKING_COLUMNS = (
    *("booking_id", "show_id", "user_id", "status", "seats", "total", "currency", "created_ms", "expires_ms"),
    *("checked_in", "partition", "log_offset", "hold_ms", "paid"),
)


class RebuiltShow:
    """A show and those of its decisions that have been read."""

    def __init__(self, show_id: int, partition: int) -> None:
        self.show_id = show_id
        self.partition = partition
        self.next_offset = 0
        """Offset after the last decision that has been read."""
        self.seating: Seating | None = None
        self._changes: list[DecidedRecord] = []

    def take(self, change: DecidedRecord) -> None:
        """Adds a decision that changed the show, in log order. Raises CannotStart for one of a later release."""
        if any(is_from_later_release(event) for event in change.decision.events):
            raise CannotStart(
                f"{change.position} has an event of a later release: rebuild the show with that one"
            )
        self._changes.append(change)

    def opening(self) -> Terms | None:
        """Returns the terms of the opening; None when that decision is not among those read."""
        events = self._changes[0].decision.events if self._changes else ()
        return next((event.terms for event in events if isinstance(event, ShowOpened)), None)

    def rows(self) -> dict[str, tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]]:
        """Returns columns and rows of each table."""
        assert self.seating is not None
        net = fold(self._changes, {self.show_id: self.seating})
        assert not net.freed, "a show has no claims before its opening"
        status, terms = self._last_terms()
        state = (self.show_id, self.partition, status.value, self._changes[-1].position.offset)
        sold = (len(self.seating) - len(net.claims), terms.layout_id, terms.layout_digest, terms.starts_ms)
        limits = (terms.seats_per_customer, terms.sales_start_ms, terms.sales_end_ms, terms.payment)
        claims = [
            (show_id, seat, c.state.encode(), c.booking_id, c.code, c.release_ms)
            for show_id, seat, c in net.claims
        ]
        bookings = [
            (
                *(b.booking_id, b.show_id, b.user_id, b.status.value, list(b.seats), b.total, b.currency),
                *(b.created_ms, b.expires_ms, encode(b.checked_in).decode() if b.checked_in else None),
                *(at.partition, at.offset, b.hold_ms, b.paid),
            )
            for b, at in net.new_bookings
        ]
        return {
            "show_states": (_STATE_COLUMNS, [(*state, *sold, *limits)]),
            "claims": (_CLAIM_COLUMNS, claims),
            "bookings": (_BOOKING_COLUMNS, bookings),
        }

    def _last_terms(self) -> tuple[ShowStatus, Terms]:
        return next(
            (event.status, event.terms)
            for change in reversed(self._changes)
            for event in reversed(change.decision.events)
            if isinstance(event, ShowOpened | ShowChanged | ShowClosed | ShowReopened | ShowCancelled)
        )


async def read_show(database: Any, show: RebuiltShow, end: int) -> None:
    """Reads further decisions of the show, up to `end` (exclusive). Raises CannotStart when the first are missing."""
    if show.next_offset == 0:
        carried = await carried_to(database, show.partition, show.show_id)
        for record in carried.records:
            show.take(record)
        show.next_offset = carried.next_offset
    async for change in changes_of(database, show.partition, show.show_id, show.next_offset, end):
        show.take(change)
    show.next_offset = end
    terms = show.opening()
    if terms is None:
        raise CannotStart(
            f"the decision that opened show {show.show_id} is not stored on partition {show.partition}: it was not"
            " opened, or its first decisions have been dropped, and then it cannot be rebuilt from them"
        )
    if show.seating is None:
        body = await database.fetchval(_LAYOUT, terms.layout_digest)
        if body is None:
            raise CannotStart(f"layout {terms.layout_id} of show {show.show_id} is not stored any more")
        show.seating = Seating(decode_layout(body))

"""Checks of bookings: the responses to clients, in log order, must lead to the stored state. Pure.

Several requests may concern one booking, also at the same moment: see booking_replay.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.chaos.booking_replay import CLOCKS_S, LIVE, BookingTrace, ShowReplay, State
from tests.chaos.history import History, Request
from tests.chaos.response_checks import describe
from tests.chaos.stored_state import StoredBooking, StoredState

REFUSED_IN = {
    "already_confirmed": {"confirmed"},
    "already_cancelled": {"cancelled", "released"},
    "hold_expired": {"expired"},
    "hold_limit": {"held"},
    "seat_taken": LIVE,
    "seat_blocked": LIVE,
    "companion_only": LIVE,
    "price_differs": {"confirmed"},
    "validation": LIVE,
}
"""The statuses in which a refusal is correct."""


def replays(history: History, stored: StoredState) -> dict[int, ShowReplay]:
    """Returns the replay of each show."""
    acknowledged = {
        request.accepted["id"]
        for request in history.requests
        if request.makes and request.accepted is not None
    }
    shows = {}
    for plan in history.shows:
        requests = [one for one in history.requests if one.show_id == plan.show_id]
        rows = [row for row in stored.bookings.values() if row.show_id == plan.show_id]
        others = [seat for row in rows if row.booking_id not in acknowledged for seat in row.seats]
        shows[plan.show_id] = ShowReplay(plan, requests, history.clock_s, frozenset(others))
    return shows


def wrong_bookings(history: History, stored: StoredState, shows: dict[int, ShowReplay]) -> Iterator[str]:
    """Yields acknowledged bookings that are not stored as acknowledged, refused requests with an effect, and
    unexplained bookings."""
    unexplained = dict(stored.bookings)
    for show in shows.values():
        yield from show.wrong
        for booking_id, trace in show.bookings.items():
            row = unexplained.pop(booking_id, None)
            if row is None:
                yield f"{describe(trace.made)}: booking {booking_id} was acknowledged, and is lost or another user's"
                continue
            for wrong in _wrong_booking(show, trace, row, stored.read_at_s):
                yield f"{describe(trace.made)}: {booking_id}: {wrong}"
    yield from _unexplained(history.requests, unexplained.values())


def _wrong_booking(
    show: ShowReplay, trace: BookingTrace, row: StoredBooking, read_at_s: float
) -> Iterator[str]:
    if (row.show_id, row.user_id or None) != (trace.made.show_id, trace.made.owner_id):
        yield f"stored as {row}"
    last = trace.closed(read_at_s)
    for request in trace.moves:
        if request.refused is not None and request.booking_id == row.booking_id:
            yield from _wrong_refusal(show, trace, request)
    if row.status == "held" and row.expires_s is not None and row.expires_s < read_at_s:
        yield "its time is up, and it is still held"
    same = [state for state in last if state.status == row.status]
    if not same:
        before = sorted({state.status for state in trace.now})
        yield f"it was acknowledged as {' or '.join(before)}, and is {row.status}"
    elif all(state.seats != row.seats for state in same):
        yield f"it was acknowledged with the seats of {same}, and is stored as {row}"
    elif row.status == "held" and all(state.expires_s != row.expires_s for state in same):
        yield f"it was acknowledged to expire as in {same}, and is stored as {row}"
    if row.total != show.plan.total(row.seats):
        yield f"its seats cost {show.plan.total(row.seats)}, and it is stored as {row}"


def _wrong_refusal(show: ShowReplay, trace: BookingTrace, request: Request) -> Iterator[str]:
    refused = request.refused
    assert refused is not None
    code = refused.body["code"]
    seen = met = trace.seen(request.first_sent, refused.at)
    if request.kind == "swap" and request.with_id in show.bookings:
        met |= show.bookings[request.with_id].seen(request.first_sent, refused.at)
    statuses = {state.status for state in met}
    if not REFUSED_IN.get(code, statuses) & statuses:
        yield f"{request.kind} was refused with {code}, and it was only {sorted(statuses)}"
    if code == "hold_limit":
        yield from _wrong_limit(show, trace, request, seen)
    if code == "validation" and all(len(state.seats) == len(request.seats) for state in seen):
        yield f"a change to as many seats as before was refused: {request.seats}"


def _wrong_limit(
    show: ShowReplay, trace: BookingTrace, request: Request, seen: frozenset[State]
) -> Iterator[str]:
    earliest, _ = show.extended(trace, request, request.known_at)
    expiries = [state.expires_s for state in seen if state.status == "held"]
    if all(expires_s < earliest - CLOCKS_S for expires_s in expiries):
        yield f"it could be extended to {earliest}, was to expire at {expiries}, and was refused with hold_limit"


def _unexplained(requests: list[Request], rows: Iterable[StoredBooking]) -> Iterator[str]:
    """Yields stored bookings without an acknowledgement that no request without a key explains."""
    doubtful = Counter(
        (request.owner_id, request.show_id, frozenset(request.seats) or request.quantity)
        for request in requests
        for attempt in request.attempts
        if request.makes and request.key is None and attempt.status in (0, 503)
    )
    for row in rows:
        owner_id = row.user_id or None
        wanted = ((owner_id, row.show_id, which) for which in (frozenset(row.seats), len(row.seats)))
        which = next((one for one in wanted if doubtful[one] > 0), None)
        if which is None:
            yield f"stored without a request, twice, or although refused: {row}"
        else:
            doubtful[which] -= 1

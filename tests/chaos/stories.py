"""What became of each booking: the answers of its clients, told in log order, have to end in what is stored. Pure.

Several wishes may be about one booking, at the same moment too. What was accepted names its position, so the
story is told in that order; what nobody knows the outcome of may have happened anywhere in it, or not at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from tests.chaos.answers import named
from tests.chaos.facts import Stored, StoredBooking
from tests.chaos.history import History, Wish

MOVES = {
    ("held", "confirm"): "confirmed",
    ("held", "cancel"): "released",
    ("held", "time"): "expired",
    ("confirmed", "cancel"): "cancelled",
}
"""status, what is asked → status. Everything else is refused, and changes nothing."""

REFUSED_IN = {
    "already_confirmed": {"confirmed"},
    "already_cancelled": {"cancelled", "released"},
    "hold_expired": {"expired"},
}
"""In which status a booking has to have been for a refusal to be true."""


def wrong_stories(history: History, stored: Stored) -> Iterator[str]:
    """What was acknowledged is stored, as it was acknowledged; what was refused has changed nothing and has
    no seats; and nothing else is there."""
    moves: dict[str, list[Wish]] = defaultdict(list)
    for wish in history.wishes:
        if not wish.makes:
            moves[wish.booking_id].append(wish)
    unexplained = dict(stored.bookings)
    for wish in history.wishes:
        if wish.makes and wish.accepted is not None:
            booking_id = wish.accepted["id"]
            row = unexplained.pop(booking_id, None)
            if row is None:
                yield f"{named(wish)}: booking {booking_id} was acknowledged, and is lost or somebody else's"
                continue
            if (row.show_id, row.user_id, row.seats) != (
                wish.show_id,
                wish.user_id,
                tuple(wish.accepted["seats"]),
            ):
                yield f"{named(wish)}: stored as {row}"
            if wrong := _wrong_story(wish, moves[booking_id], row, history.clock_s, stored.read_at_s):
                yield f"{named(wish)}: {booking_id}: {wrong}"
    yield from _unasked(history.wishes, unexplained.values())


def _wrong_story(made: Wish, moves: list[Wish], row: StoredBooking, clock_s: float, read_at_s: float) -> str:
    statuses = {made.accepted["status"]}
    ever = set(statuses)
    doubtful = {wish.kind for wish in moves if wish.in_doubt}
    expires_s = _seconds(made.accepted["expires_at"])

    def closed(now_s: float) -> set[str]:
        """The statuses that can have been reached by then without anybody knowing."""
        kinds = doubtful | ({"time"} if expires_s <= now_s else set())
        reached = set(statuses)
        while more := {MOVES[s, k] for s in reached for k in kinds if (s, k) in MOVES} - reached:
            reached |= more
        return reached

    accepted = [
        (wish.accepted["decided"]["offset"], n, wish) for n, wish in enumerate(moves) if wish.accepted
    ]
    for _, _, wish in sorted(accepted):
        at_s = min(outcome.at for outcome in wish.outcomes) + clock_s
        can_be = {MOVES.get((status, wish.kind)) for status in closed(at_s)}
        told = wish.accepted["status"]
        if told not in can_be:
            return f"{wish.kind} made it {told}, which it cannot have become from {sorted(closed(at_s))}"
        ever |= closed(at_s) | {told}
        statuses = {told}
    for wish in moves:
        if wish.refused is not None:
            seen = ever | closed(wish.refused.at + clock_s)
            if not REFUSED_IN.get(wish.refused.body["code"], seen) & seen:
                return f"{wish.kind} was refused with {wish.refused.body['code']}, and it was only {sorted(seen)}"
    if row.status == "held" and expires_s < read_at_s:
        return "its time is up, and it is still held"
    if row.status not in closed(read_at_s):
        return f"it was acknowledged as {' or '.join(sorted(closed(0)))}, and is {row.status}"
    return ""


def _seconds(at: str | None) -> float:
    return float("inf") if at is None else datetime.fromisoformat(at).timestamp()


def _unasked(wishes: list[Wish], rows: Iterable[StoredBooking]) -> Iterator[str]:
    """What is stored and was acknowledged to nobody has to be what became of a wish without a key."""
    doubtful = Counter(
        (wish.user_id, wish.show_id, frozenset(wish.seats) or wish.quantity)
        for wish in wishes
        for attempt in wish.attempts
        if wish.makes and wish.key is None and attempt.status in (0, 503)
    )
    for row in rows:
        wanted = ((row.user_id, row.show_id, which) for which in (frozenset(row.seats), len(row.seats)))
        which = next((one for one in wanted if doubtful[one] > 0), None)
        if which is None:
            yield f"stored without having been asked for, twice, or though it was refused: {row}"
        else:
            doubtful[which] -= 1

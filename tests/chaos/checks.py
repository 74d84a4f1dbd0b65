"""What must hold of a storm: the clients' history against what is stored. Pure, and told in sentences.

Nothing acknowledged is lost and nothing else is there; no seat has two owners; an Idempotency-Key counts
once; whoever asked after an answer stands behind it in the log; every 202 was decided and every event
published; and clients saw only answers that the contract knows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.chaos.history import Attempt, Fault, History, Wish

REFUSALS = frozenset({"seat_taken"})
"""Of these clients: they cancel only what they have, once, and have no limit."""
UNAVAILABLE = frozenset({"log_unavailable", "database_unavailable", "overloaded"})

_FRONT = ("gateway", "supervisor")
_GRACE_S = 1.0


class StoredBooking(msgspec.Struct, frozen=True):
    """A row of `bookings`."""

    booking_id: str
    show_id: int
    user_id: int
    status: str
    seats: tuple[str, ...]


class Stored(msgspec.Struct, kw_only=True):
    """What PostgreSQL and the log have of the shows of a storm."""

    bookings: dict[str, StoredBooking]
    claims: dict[int, dict[str, str]]
    """show → seat label → booking, of claims for sale."""
    maps: dict[int, dict[str, str]]
    """show → seat label → letter, as the API shows it."""
    decided_events: set[str]
    """The ids of all events of all stored decisions."""
    published_events: set[str]


def complaints(history: History, stored: Stored) -> list[str]:
    """Everything that is wrong."""
    return [
        *_answers(history),
        *_keys(history.wishes),
        *_bookings(history.wishes, stored),
        *_seats(stored),
        *_order(history.wishes),
        *_events(stored),
    ]


def _answers(history: History) -> Iterator[str]:
    """Each answer is one that the contract allows; no answer at all only while a gateway was dead."""
    for wish in history.wishes:
        for attempt in wish.attempts:
            wrong = _wrong_answer(wish, attempt, history.faults)
            if wrong:
                yield f"{_named(wish)}: {wrong}"


def _wrong_answer(wish: Wish, attempt: Attempt, faults: list[Fault]) -> str:
    match attempt.status:
        case 0:
            if not any(_explains(fault, attempt) for fault in faults):
                return f"no answer ({attempt.error}) while every gateway ran, sent at {attempt.sent:.2f}"
        case 201 if wish.books:
            if set(attempt.body["seats"]) != set(wish.seats) or attempt.body["status"] != "confirmed":
                return f"201 with {attempt.body}"
        case 200 if not wish.books:
            if attempt.body["id"] != wish.booking_id or attempt.body["status"] != "cancelled":
                return f"200 with {attempt.body}"
        case 202:
            if not (attempt.location.startswith("/api/commands/") and attempt.retry_after):
                return "202 without Location and Retry-After"
            if attempt.fate is None or attempt.fate.get("status") not in ("accepted", "refused"):
                return f"202 for {attempt.location}, which was never decided: {attempt.fate}"
        case 409:
            if not wish.books or attempt.code not in REFUSALS:
                return f"409 {attempt.code}"
        case 503:
            if attempt.code not in UNAVAILABLE or not attempt.retry_after:
                return f"503 {attempt.body}, Retry-After: {attempt.retry_after!r}"
        case _:
            return f"{attempt.status} {attempt.body}"
    return ""


def _explains(fault: Fault, attempt: Attempt) -> bool:
    during = fault.began - _GRACE_S <= attempt.ended and attempt.sent <= fault.over + _GRACE_S
    return during and fault.part.startswith(_FRONT)


def _keys(wishes: list[Wish]) -> Iterator[str]:
    """All certain answers to one wish are one answer."""
    for wish in wishes:
        if wish.key is not None and not wish.outcomes:
            yield f"{_named(wish)}: no certain answer, however often it was sent"
        answers = {(status, msgspec.json.encode(body, order="sorted")) for _, status, body in wish.outcomes}
        if len(answers) > 1 and wish.key is not None:
            yield f"{_named(wish)}: different answers to the same key: {sorted(answers)}"


def _bookings(wishes: list[Wish], stored: Stored) -> Iterator[str]:
    """What was acknowledged is stored, as it was acknowledged; and nothing else is."""
    cancels: dict[str, list[Wish]] = defaultdict(list)
    for wish in wishes:
        if not wish.books:
            cancels[wish.booking_id].append(wish)
    unexplained = dict(stored.bookings)
    for wish in wishes:
        if wish.books and wish.accepted is not None:
            booking_id = wish.accepted["id"]
            row = unexplained.pop(booking_id, None)
            if row is None:
                yield f"{_named(wish)}: booking {booking_id} was acknowledged, and is lost or somebody else's"
                continue
            if (row.show_id, row.user_id, set(row.seats)) != (wish.show_id, wish.user_id, set(wish.seats)):
                yield f"{_named(wish)}: stored as {row}"
            if (wrong := _wrong_status(row, cancels[booking_id])) is not None:
                yield f"{_named(wish)}: {wrong}"
    doubtful = Counter(
        (wish.user_id, wish.show_id, frozenset(wish.seats))
        for wish in wishes
        for attempt in wish.attempts
        if wish.books and wish.key is None and attempt.status in (0, 503)
    )
    for row in unexplained.values():
        kind = (row.user_id, row.show_id, frozenset(row.seats))
        doubtful[kind] -= 1
        if doubtful[kind] < 0:
            yield f"stored without having been asked for, or twice: {row}"


def _wrong_status(row: StoredBooking, cancels: list[Wish]) -> str | None:
    certain = any(wish.accepted is not None for wish in cancels)
    possible = any(not wish.outcomes for wish in cancels)
    if certain and row.status != "cancelled":
        return f"{row.booking_id} was acknowledged as cancelled, and is {row.status}"
    if not certain and not possible and row.status != "confirmed":
        return f"{row.booking_id} was never cancelled, and is {row.status}"
    return None


def _seats(stored: Stored) -> Iterator[str]:
    """A seat has the claim of exactly its one live booking, and the seat map says so."""
    owners: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row in stored.bookings.values():
        if row.status == "confirmed":
            for seat in row.seats:
                owners[row.show_id, seat].append(row.booking_id)
    for (show_id, seat), booking_ids in owners.items():
        if len(booking_ids) > 1:
            yield f"seat {seat} of show {show_id} is sold {len(booking_ids)} times: {booking_ids}"
        if stored.claims[show_id].get(seat) not in booking_ids:
            yield f"seat {seat} of show {show_id} is sold to {booking_ids} and not claimed for it"
    for show_id, claims in stored.claims.items():
        for seat in claims:
            if (show_id, seat) not in owners:
                yield f"seat {seat} of show {show_id} is claimed, and nobody has booked it"
    for show_id, letters in stored.maps.items():
        for seat, letter in letters.items():
            if letter != ("s" if (show_id, seat) in owners else "a"):
                yield f"seat {seat} of show {show_id} is shown as {letter!r}"


def _order(wishes: list[Wish]) -> Iterator[str]:
    """If A was answered before B was sent, A stands before B in their partition."""
    answered: list[tuple[float, int, int]] = []
    sent: list[tuple[float, int, int, Wish]] = []
    for wish in wishes:
        for attempt in wish.attempts:
            place = _place(attempt)
            if place is not None:
                answered.append((attempt.ended, *place))
                if not attempt.replayed:
                    sent.append((attempt.sent, *place, wish))
    answered.sort()
    sent.sort(key=lambda one: one[0])
    last: dict[int, int] = {}
    told = 0
    for at, partition, offset, wish in sent:
        while told < len(answered) and answered[told][0] < at:
            _, its_partition, its_offset = answered[told]
            last[its_partition] = max(last.get(its_partition, -1), its_offset)
            told += 1
        if offset <= last.get(partition, -1):
            yield (
                f"{_named(wish)}: asked after {partition}-{last[partition]} was answered, and decided before it"
                f" at {partition}-{offset}"
            )


def _place(attempt: Attempt) -> tuple[int, int] | None:
    """Partition and offset that an answer names: its own, or with a repeat those of the first."""
    body: Any = attempt.body
    if attempt.status in (200, 201):
        return body["decided"]["partition"], body["decided"]["offset"]
    if attempt.status == 202:
        partition, _, offset = body["command"].partition("-")
        return int(partition), int(offset)
    return None


def _events(stored: Stored) -> Iterator[str]:
    missing = stored.decided_events - stored.published_events
    if missing:
        yield f"{len(missing)} events of stored decisions were never published, {min(missing)} among them"
    made_up = stored.published_events - stored.decided_events
    if made_up:
        yield f"{len(made_up)} events were published that no decision has, {min(made_up)} among them"


def _named(wish: Wish) -> str:
    what = f"book {','.join(wish.seats)}" if wish.books else f"cancel {wish.booking_id}"
    return f"user {wish.user_id}, key {wish.key}, show {wish.show_id}, {what}"

"""What must hold of a storm: the clients' history against what is stored. Pure, and told in sentences.

Nothing acknowledged is lost and nothing else is there; no seat has two owners; an Idempotency-Key counts
once; whoever asked after an answer stands behind it in the log; every 202 was decided and every event
published; and clients saw only answers that the contract knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.answers import named, wrong_answers, wrong_keys
from tests.chaos.facts import Stored
from tests.chaos.history import Attempt, History, Wish
from tests.chaos.stories import wrong_stories

LETTERS = {"held": "h", "confirmed": "s"}
"""How the seats of a live booking are shown."""


def complaints(history: History, stored: Stored) -> list[str]:
    """Everything that is wrong."""
    return [
        *wrong_answers(history),
        *wrong_keys(history.wishes),
        *wrong_stories(history, stored),
        *_seats(stored),
        *_order(history.wishes),
        *_events(stored),
    ]


def _seats(stored: Stored) -> Iterator[str]:
    """A seat has the claim of exactly its one live booking, and the seat map says so."""
    owners: dict[tuple[int, str], list[tuple[str, str]]] = defaultdict(list)
    for row in stored.bookings.values():
        if row.status in LETTERS:
            for seat in row.seats:
                owners[row.show_id, seat].append((row.booking_id, LETTERS[row.status]))
    for (show_id, seat), live in owners.items():
        if len(live) > 1:
            yield f"seat {seat} of show {show_id} is sold {len(live)} times: {live}"
        claim = stored.claims[show_id].get(seat)
        if claim is None or (claim.booking_id, claim.letter) not in live:
            yield f"seat {seat} of show {show_id} is {live}'s and not claimed for it, but {claim}"
    for show_id, claims in stored.claims.items():
        for seat in claims:
            if (show_id, seat) not in owners:
                yield f"seat {seat} of show {show_id} is claimed, and nobody has it"
    for show_id, letters in stored.maps.items():
        for seat, letter in letters.items():
            if letter not in {shown for _, shown in owners.get((show_id, seat), [("", "a")])}:
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
                f"{named(wish)}: asked after {partition}-{last[partition]} was answered, and decided before it"
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

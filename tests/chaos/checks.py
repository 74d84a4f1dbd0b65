"""Checks of a storm: the clients' history against the stored state. Pure; each violation is a sentence.

No acknowledged booking is lost and no other one exists; no seat has two owners; a booking has the seats, the total and
the expiry that its requests lead to; a refused request changes nothing; an Idempotency-Key counts once; a request sent
after a response has a later position in the log; every 202 was decided and every event published; blocked seats are not
sold, and released in time; what staff note is theirs alone; and clients received only responses of the contract.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.block_checks import wrong_blocks
from tests.chaos.booking_checks import replays, wrong_bookings
from tests.chaos.history import Attempt, History, Request
from tests.chaos.own_booking_checks import wrong_yours
from tests.chaos.remark_checks import wrong_remarks
from tests.chaos.response_checks import describe, wrong_keys, wrong_responses
from tests.chaos.seat_checks import wrong_seats
from tests.chaos.stored_state import StoredState

LETTERS = {"held": "h", "confirmed": "s"}
"""Booking status → seat state in the seat map."""


def violations(history: History, stored: StoredState) -> list[str]:
    """Returns all violations."""
    shows = replays(history, stored)
    return [
        *wrong_responses(history),
        *wrong_keys(history.requests),
        *wrong_bookings(history, stored, shows),
        *wrong_seats(history, stored, shows),
        *wrong_yours(history, stored, shows),
        *wrong_remarks(history, stored),
        *wrong_blocks(history, stored),
        *_seats(stored),
        *_order(history.requests),
        *_events(stored),
    ]


def _seats(stored: StoredState) -> Iterator[str]:
    """Yields seats whose claim or state in the seat map differs from their single live booking."""
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
                yield f"seat {seat} of show {show_id} is claimed without a booking"
    for show_id, letters in stored.maps.items():
        for seat, letter in letters.items():
            free = "b" if seat in stored.blocks[show_id] else "a"
            if letter not in {shown for _, shown in owners.get((show_id, seat), [("", free)])}:
                yield f"seat {seat} of show {show_id} is shown as {letter!r}"


def _order(requests: list[Request]) -> Iterator[str]:
    """Yields requests sent after a response whose position is not after its position in the partition."""
    answered: list[tuple[float, int, int]] = []
    sent: list[tuple[float, int, int, Request]] = []
    for request in requests:
        for attempt in request.attempts:
            place = _place(attempt)
            if place is not None:
                answered.append((attempt.ended, *place))
                if not attempt.replayed:
                    sent.append((attempt.sent, *place, request))
    answered.sort()
    sent.sort(key=lambda one: one[0])
    last: dict[int, int] = {}
    index = 0
    for at, partition, offset, request in sent:
        while index < len(answered) and answered[index][0] < at:
            _, its_partition, its_offset = answered[index]
            last[its_partition] = max(last.get(its_partition, -1), its_offset)
            index += 1
        if offset <= last.get(partition, -1):
            yield (
                f"{describe(request)}: sent after {partition}-{last[partition]} was answered, and decided before it"
                f" at {partition}-{offset}"
            )


def _place(attempt: Attempt) -> tuple[int, int] | None:
    """Returns partition and offset in a response: of the command, or for a repeat of the first one."""
    body: Any = attempt.body
    if attempt.status in (200, 201) and "decided" in body:
        return body["decided"]["partition"], body["decided"]["offset"]
    if attempt.status == 202:
        partition, _, offset = body["command"].partition("-")
        return int(partition), int(offset)
    return None


def _events(stored: StoredState) -> Iterator[str]:
    missing = stored.decided_events - stored.published_events
    if missing:
        yield f"{len(missing)} events of stored decisions were never published, {min(missing)} among them"
    made_up = stored.published_events - stored.decided_events
    if made_up:
        yield f"{len(made_up)} events were published that no decision has, {min(made_up)} among them"

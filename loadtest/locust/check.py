"""Check of the users' observations against the service: nothing is lost, and no seat is sold twice. PURE.

The evidence has two independent sources: bookings as they were acknowledged during the run, and bookings and seat maps
as the service returns them after the run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from loadtest.locust.observations import LIVE, Observation, UnknownOutcome

FOREVER = 2**63
_SEAT_STATES = {"held": "h", "confirmed": "s"}
_POSSIBLE_STATUSES = {
    ("held", "confirm"): {"confirmed"},
    ("held", "cancel"): {"released"},
    ("confirmed", "cancel"): {"cancelled"},
}
"""Statuses that a booking may have reached by a request without a response."""


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """State of the service after the run."""

    found: dict[str, Observation]
    """All bookings of all users of the run, by id."""
    seat_states: dict[int, dict[str, str]] = {}
    """State of each seat of shows that did not change while they were read."""
    alone: frozenset[int] = frozenset()
    """Shows without other buyers, in which each seat must be explained."""


class _Span(msgspec.Struct, frozen=True):
    """Interval of decisions in which a booking had its seats."""

    begin: int
    end: int
    booking: Observation


def find_errors(
    observed: Iterable[Observation], unknown: Sequence[UnknownOutcome], state: ServiceState
) -> list[str]:
    """Returns all errors, one sentence each; empty when the check passes."""
    acknowledged: defaultdict[str, list[Observation]] = defaultdict(list)
    for one in observed:
        acknowledged[one.booking_id].append(one)
    for history in acknowledged.values():
        history.sort(key=lambda one: one.offset)
    unknown_actions: defaultdict[str, set[str]] = defaultdict(set)
    for unknown_outcome in unknown:
        unknown_actions[unknown_outcome.booking_id].add(unknown_outcome.action)
    errors: list[str] = []
    for booking_id, history in acknowledged.items():
        errors += _check_booking(history, state.found.get(booking_id), unknown_actions[booking_id])
    errors += _sold_twice(acknowledged, state.found)
    errors += _check_seat_maps(state)
    errors += _unacknowledged(acknowledged, unknown, state)
    return errors


def _check_booking(history: list[Observation], found: Observation | None, unknown: set[str]) -> Iterator[str]:
    last = history[-1]
    name = f"booking {last.booking_id} of customer {last.user_id} in show {last.show_id}"
    same = {(one.show_id, one.user_id, one.seats) for one in (*history, *([found] if found else []))}
    if len(same) > 1:
        yield f"{name} had different seats, customers or shows: {sorted(same)}"
    for one, other in pairwise(history):
        if one.offset == other.offset and one.status != other.status:
            yield f"{name} was {one.status} and {other.status} at {one.position}"
    if found is None:
        yield f"{name}, acknowledged as {last.status} at {last.position}, is missing"
    elif found.offset < last.offset:
        yield f"{name} is in its state of {found.position}, but {last.position} was acknowledged"
    elif found.status != last.status and not _may_have_become(last, found, unknown):
        yield (
            f"{name}, acknowledged as {last.status} at {last.position}, "
            f"is {found.status} since {found.position}, without a request for it"
        )


def _may_have_become(last: Observation, found: Observation, unknown: set[str]) -> bool:
    if found.offset == last.offset:
        return False
    may = {"expired"} if last.status == "held" else set()
    for action in unknown:
        may |= _POSSIBLE_STATUSES.get((last.status, action), set())
    if last.status == "held" and unknown >= {"confirm", "cancel"}:
        may.add("cancelled")
    return found.status in may


def _sold_twice(
    acknowledged: Mapping[str, list[Observation]], found: Mapping[str, Observation]
) -> Iterator[str]:
    """Compares ownership intervals: all decisions of a show are in one partition, so their offsets are ordered."""
    spans: defaultdict[tuple[int, str], list[_Span]] = defaultdict(list)
    for booking_id in acknowledged.keys() | found.keys():
        history = acknowledged.get(booking_id, [])
        known = [*history, *([found[booking_id]] if booking_id in found else [])]
        last = max(known, key=lambda one: one.offset)
        live = [one.offset for one in known if one.status in LIVE]
        if not live:
            continue  # made and ended without an acknowledgement: its start is unknown
        span = _Span(min(live), FOREVER if last.status in LIVE else last.offset, last)
        for seat in last.seats:
            spans[last.show_id, seat].append(span)
    for (show_id, seat), seat_spans in spans.items():
        seat_spans.sort(key=lambda span: (span.begin, span.end))
        for one, other in pairwise(seat_spans):
            if other.begin < one.end:
                yield (
                    f"seat {seat} of show {show_id} was sold twice: to customer {one.booking.user_id} "
                    f"(booking {one.booking.booking_id}, {one.booking.status}) and to customer "
                    f"{other.booking.user_id} (booking {other.booking.booking_id}, {other.booking.status})"
                )


def _check_seat_maps(state: ServiceState) -> Iterator[str]:
    owners: defaultdict[tuple[int, str], list[Observation]] = defaultdict(list)
    for booking in state.found.values():
        if booking.status in LIVE:
            for seat in booking.seats:
                owners[booking.show_id, seat].append(booking)
    for (show_id, seat), bookings in owners.items():
        seat_state = state.seat_states.get(show_id, {}).get(seat, _SEAT_STATES[bookings[0].status])
        if seat_state != _SEAT_STATES[bookings[0].status]:
            yield (
                f"seat {seat} of show {show_id} is {bookings[0].status} by booking {bookings[0].booking_id}, "
                f"but {seat_state!r} on the seat map"
            )
    for show_id in state.alone & state.seat_states.keys():
        for seat, seat_state in state.seat_states[show_id].items():
            if seat_state in "hs" and (show_id, seat) not in owners:
                yield f"seat {seat} of show {show_id} is {seat_state!r} on the seat map, but without a booking"


def _unacknowledged(
    acknowledged: Collection[str], unknown: Sequence[UnknownOutcome], state: ServiceState
) -> Iterator[str]:
    """Bookings of shows without other buyers that were never acknowledged."""
    unexplained = Counter(
        (unknown_outcome.customer, unknown_outcome.show_id)
        for unknown_outcome in unknown
        if not unknown_outcome.booking_id
    )
    for booking in state.found.values():
        if booking.show_id in state.alone and booking.booking_id not in acknowledged:
            whose = (booking.customer, booking.show_id)
            if unexplained[whose] == 0:
                yield (
                    f"booking {booking.booking_id} of customer {booking.user_id} in show {booking.show_id} is "
                    f"{booking.status} since {booking.position}, but was not acknowledged"
                )
            unexplained[whose] -= unexplained[whose] > 0

"""Whether what people saw is what the service says afterwards, and no seat was ever two people's. PURE.

Two kinds of evidence, independent of each other: the bookings as they were acknowledged while it went on, and
the bookings and seat maps as the service shows them once everybody has gone home.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from loadtest.locust.observations import LIVE, Doubt, Sighting

FOREVER = 2**63
_LETTERS = {"held": "h", "confirmed": "s"}
_BY_DOUBT = {
    ("held", "confirm"): {"confirmed"},
    ("held", "cancel"): {"released"},
    ("confirmed", "cancel"): {"cancelled"},
}
"""What else a booking may have become by a request that was not answered."""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What the service said after everybody had gone home."""

    found: dict[str, Sighting]
    """Every booking of everybody who took part, by its id."""
    letters: dict[int, dict[str, str]] = {}
    """Of the seats of shows that did not change while they were looked at."""
    alone: frozenset[int] = frozenset()
    """Shows of which nobody else was sold a seat, so that every letter has to be explained."""


class _Span(msgspec.Struct, frozen=True):
    """From which decision to which a booking had its seats."""

    begin: int
    end: int
    booking: Sighting


def wrongs(seen: Iterable[Sighting], doubts: Sequence[Doubt], looked: Looked) -> list[str]:
    """Everything that should not be, a sentence each; empty when all is well."""
    acknowledged: defaultdict[str, list[Sighting]] = defaultdict(list)
    for one in seen:
        acknowledged[one.booking_id].append(one)
    for several in acknowledged.values():
        several.sort(key=lambda one: one.offset)
    open_ends: defaultdict[str, set[str]] = defaultdict(set)
    for doubt in doubts:
        open_ends[doubt.booking_id].add(doubt.action)
    told: list[str] = []
    for booking_id, several in acknowledged.items():
        told += _of_one(several, looked.found.get(booking_id), open_ends[booking_id])
    told += _sold_twice(acknowledged, looked.found)
    told += _on_the_maps(looked)
    told += _untold(acknowledged, doubts, looked)
    return told


def _of_one(several: list[Sighting], found: Sighting | None, doubts: set[str]) -> Iterator[str]:
    last = several[-1]
    name = f"booking {last.booking_id} of customer {last.user_id} in show {last.show_id}"
    same = {(one.show_id, one.user_id, one.seats) for one in (*several, *([found] if found else []))}
    if len(same) > 1:
        yield f"{name} has not always had the same seats, customer and show: {sorted(same)}"
    for one, other in pairwise(several):
        if one.offset == other.offset and one.status != other.status:
            yield f"{name} was {one.status} and {other.status} at {one.position}"
    if found is None:
        yield f"{name}, acknowledged as {last.status} at {last.position}, is not there"
    elif found.offset < last.offset:
        yield f"{name} is as it was at {found.position}, but {last.position} was acknowledged"
    elif found.status != last.status and not _may_have_become(last, found, doubts):
        yield (
            f"{name}, acknowledged as {last.status} at {last.position}, "
            f"is {found.status} since {found.position}, and nobody asked for that"
        )


def _may_have_become(last: Sighting, found: Sighting, doubts: set[str]) -> bool:
    if found.offset == last.offset:
        return False
    may = {"expired"} if last.status == "held" else set()
    for action in doubts:
        may |= _BY_DOUBT.get((last.status, action), set())
    if last.status == "held" and doubts >= {"confirm", "cancel"}:
        may.add("cancelled")
    return found.status in may


def _sold_twice(acknowledged: Mapping[str, list[Sighting]], found: Mapping[str, Sighting]) -> Iterator[str]:
    """A show's decisions stand in one partition, so its positions tell who had a seat from when to when."""
    spans: defaultdict[tuple[int, str], list[_Span]] = defaultdict(list)
    for booking_id in acknowledged.keys() | found.keys():
        several = acknowledged.get(booking_id, [])
        known = [*several, *([found[booking_id]] if booking_id in found else [])]
        last = max(known, key=lambda one: one.offset)
        live = [one.offset for one in known if one.status in LIVE]
        if not live:
            continue  # made and gone, and nobody was told when it was made
        span = _Span(min(live), FOREVER if last.status in LIVE else last.offset, last)
        for seat in last.seats:
            spans[last.show_id, seat].append(span)
    for (show_id, seat), several_spans in spans.items():
        several_spans.sort(key=lambda span: (span.begin, span.end))
        for one, other in pairwise(several_spans):
            if other.begin < one.end:
                yield (
                    f"seat {seat} of show {show_id} was sold twice: to customer {one.booking.user_id} "
                    f"(booking {one.booking.booking_id}, {one.booking.status}) and to customer "
                    f"{other.booking.user_id} (booking {other.booking.booking_id}, {other.booking.status})"
                )


def _on_the_maps(looked: Looked) -> Iterator[str]:
    owners: defaultdict[tuple[int, str], list[Sighting]] = defaultdict(list)
    for booking in looked.found.values():
        if booking.status in LIVE:
            for seat in booking.seats:
                owners[booking.show_id, seat].append(booking)
    for (show_id, seat), bookings in owners.items():
        letter = looked.letters.get(show_id, {}).get(seat, _LETTERS[bookings[0].status])
        if letter != _LETTERS[bookings[0].status]:
            yield (
                f"seat {seat} of show {show_id} is {bookings[0].status} by booking {bookings[0].booking_id}, "
                f"but {letter!r} on the seat map"
            )
    for show_id in looked.alone & looked.letters.keys():
        for seat, letter in looked.letters[show_id].items():
            if letter in "hs" and (show_id, seat) not in owners:
                yield f"seat {seat} of show {show_id} is {letter!r} on the seat map, but nobody's"


def _untold(acknowledged: Collection[str], doubts: Sequence[Doubt], looked: Looked) -> Iterator[str]:
    """Bookings of our own shows that nobody was told of."""
    unanswered = Counter((doubt.customer, doubt.show_id) for doubt in doubts if not doubt.booking_id)
    for booking in looked.found.values():
        if booking.show_id in looked.alone and booking.booking_id not in acknowledged:
            whose = (booking.customer, booking.show_id)
            if unanswered[whose] == 0:
                yield (
                    f"booking {booking.booking_id} of customer {booking.user_id} in show {booking.show_id} is "
                    f"{booking.status} since {booking.position}, but nobody was told of it"
                )
            unanswered[whose] -= unanswered[whose] > 0

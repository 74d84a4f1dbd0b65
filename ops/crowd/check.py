"""The check at the end: no seat was sold twice, and nobody lost what they were told they have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

_LETTERS = {"held": "h", "confirmed": "s"}
LIVE = tuple(_LETTERS)


class Booking(msgspec.Struct, frozen=True):
    """A booking, as the API returns it."""

    id: str
    show_id: int
    status: str
    seats: tuple[str, ...]


def find_violations(
    promised: Mapping[str, Booking],
    bookings: Iterable[Booking],
    letters: Mapping[str, str],
    stored: Sequence[tuple[str, int, int]] | None = None,
) -> list[str]:
    """Returns what is wrong, a sentence each; nothing when all is well.

    `promised`: bookings that customers were told are confirmed, and have not cancelled. `bookings`: those that the API
    lists for all of them. `letters`: the seat map by label. `stored`: seats of the show in the database, each with
    the number of its live claims and of the live bookings that name it.
    """
    found: list[str] = []
    known = {one.id: one for one in bookings}
    owners: dict[str, Booking] = {}
    for one in known.values():
        if one.status not in LIVE:
            continue
        for seat in one.seats:
            if (other := owners.setdefault(seat, one)) is not one:
                found.append(f"seat {seat} was sold twice: in bookings {other.id} and {one.id}")
            if letters.get(seat) != _LETTERS[one.status]:
                found.append(
                    f"seat {seat} is {one.status} in booking {one.id}, but {letters.get(seat)!r} on the map"
                )
    for booking_id, one in promised.items():
        now = known.get(booking_id)
        if now is None or now.status != "confirmed" or set(now.seats) != set(one.seats):
            status = "not listed" if now is None else f"{now.status} with {', '.join(now.seats)}"
            found.append(f"booking {booking_id} of {', '.join(one.seats)} was confirmed, and is {status}")
    for seat, claims, live in stored or ():
        if claims > 1 or live > 1:
            found.append(f"seat {seat} has {claims} claims and {live} live bookings in the database")
        elif claims != live and letters.get(seat) != "b":
            found.append(f"seat {seat} has {claims} claims, but {live} live bookings in the database")
    return found

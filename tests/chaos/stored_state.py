"""State of PostgreSQL, the log and the seat maps after a storm."""

from __future__ import annotations

import msgspec


class StoredBooking(msgspec.Struct, frozen=True):
    """A row of `bookings`."""

    booking_id: str
    show_id: int
    user_id: int
    status: str
    seats: tuple[str, ...]


class Claim(msgspec.Struct, frozen=True):
    """A row of `claims`."""

    booking_id: str
    letter: str
    """`h` held, `s` sold."""


class StoredState(msgspec.Struct, kw_only=True):
    """The stored state of the shows of a storm."""

    bookings: dict[str, StoredBooking]
    claims: dict[int, dict[str, Claim]]
    """show → seat label → claim."""
    maps: dict[int, dict[str, str]]
    """show → seat label → letter, as the API shows it."""
    decided_events: set[str]
    """The ids of all events of all stored decisions."""
    published_events: set[str]
    read_at_s: float
    """When all this was read, in Unix seconds."""

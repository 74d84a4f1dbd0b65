"""State of PostgreSQL, the log and the seat maps after a storm."""

from __future__ import annotations

import msgspec


class StoredBooking(msgspec.Struct, frozen=True):
    """A row of `bookings`."""

    booking_id: str
    show_id: int
    user_id: int
    """0: a walk-in."""
    status: str
    seats: tuple[str, ...]
    total: int = 0
    """In minor units."""
    expires_s: float | None = None
    """In Unix seconds."""


class Claim(msgspec.Struct, frozen=True):
    """A row of `claims`."""

    booking_id: str
    letter: str
    """`h` held, `s` sold."""


class StoredBlock(msgspec.Struct, frozen=True):
    """A row of `claims` of a blocked seat."""

    code: str | None
    release_s: float | None
    """In Unix seconds."""


class Remark(msgspec.Struct, frozen=True):
    """A note of staff and how they were paid: a row of `booking_remarks`, or what a response has of it."""

    note: str | None
    paid: str | None
    staff_id: int | None = None
    """None in a response."""


class StoredState(msgspec.Struct, kw_only=True):
    """The stored state of the shows of a storm."""

    bookings: dict[str, StoredBooking]
    claims: dict[int, dict[str, Claim]]
    """show → seat label → claim."""
    blocks: dict[int, dict[str, StoredBlock]]
    """show → seat label → block."""
    remarks: dict[str, Remark]
    """booking → remark."""
    shown_to_staff: dict[str, Remark]
    """booking → remark, as the API shows it to staff."""
    shown_to_owner: dict[str, Remark]
    """booking → remark, as the API shows it to the owner, for bookings that have one."""
    kinds: dict[int, str | None]
    """show → kinds of its seats, as the seat map has them."""
    maps: dict[int, dict[str, str]]
    """show → seat label → letter, as the API shows it."""
    decided_events: set[str]
    """The ids of all events of all stored decisions."""
    published_events: set[str]
    read_at_s: float
    """When all this was read, in Unix seconds."""

"""Crowds: which shows there are, who asks, and what they do with their bookings."""

from __future__ import annotations

from typing import get_args

import msgspec

from tests.chaos.history import Kind
from tests.chaos.show_plans import Seat, Terms, hall, numbered, one_row

Moves = dict[str, dict[tuple[Kind, ...], int]]
"""Status → concurrent requests for a booking in this status, with their weights."""

_ENDED: dict[tuple[Kind, ...], int] = {
    ("cancel",): 1,
    ("confirm",): 1,
    ("extend",): 1,
    ("seats",): 1,
    (): 8,
}


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """The clients of a storm and the shows they book."""

    shows: tuple[tuple[Terms, tuple[Seat, ...]], ...]
    customers: int
    staff: int
    moves: Moves
    """What customers do with their bookings."""
    staff_actions: dict[str, int]
    """What staff do, with weights: see staff_requests.py."""
    moving: float = 0.2
    """Probability that customers with a booking change one instead of making another; more with each booking."""
    makes: tuple[Kind, ...] = ("book", "hold")
    """How customers make bookings."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    """The kinds of requests there are."""
    min_accepted: int = 20
    """Number of accepted requests of each kind before a storm may end, also on a busy machine."""


EVERYTHING = Crowd(
    shows=(numbered(300), numbered(300), hall(limit=6), hall(limit=10_000)),
    customers=12,
    staff=4,
    moves={
        "held": {
            ("confirm",): 9,
            ("cancel",): 4,
            ("extend",): 4,
            ("seats",): 4,
            ("confirm", "cancel"): 2,
            ("confirm", "confirm"): 1,
            ("extend", "cancel"): 1,
            ("seats", "confirm"): 1,
            ("seats", "seats"): 1,
            (): 1,
        },
        "confirmed": {
            ("cancel",): 9,
            ("seats",): 4,
            ("confirm",): 1,
            ("extend",): 1,
            ("cancel", "cancel"): 1,
            ("seats", "cancel"): 1,
        },
        "cancelled": _ENDED,
        "released": _ENDED,
    },
    staff_actions={
        "book": 14,
        "hold": 8,
        "for_customer": 6,
        "seats": 12,
        "swap": 20,
        "extend": 6,
        "confirm": 5,
        "cancel": 16,
        "block": 20,
        "unblock": 16,
    },
)
"""All calls on several shows."""

ONE_ROW = Crowd(
    shows=(one_row(60),),
    customers=5,
    staff=4,
    moving=0.88,
    makes=("hold",),
    moves={
        "held": {
            ("seats",): 8,
            ("extend",): 6,
            ("seats", "seats"): 3,
            ("seats", "extend"): 3,
            ("seats", "cancel"): 2,
            ("cancel",): 3,
        },
        "confirmed": {("seats",): 8, ("seats", "seats"): 2, ("cancel",): 1},
        "cancelled": {("seats",): 1, ("extend",): 1},
        "released": {("seats",): 1, ("extend",): 1},
    },
    staff_actions={
        "book": 10,
        "hold": 6,
        "seats": 10,
        "swap": 20,
        "extend": 6,
        "cancel": 16,
        "block": 16,
        "unblock": 12,
    },
    min_accepted=10,
    kinds=("book", "hold", "cancel", "extend", "seats", "swap", "block", "unblock"),
)
"""Hardly anything but changes of bookings and blocks, on the few seats of one row."""

CROWDS = {"everything": EVERYTHING, "row": ONE_ROW}

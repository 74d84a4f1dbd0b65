"""The hall of the model of a show: its layout for the rules and for the model, and what commands ask for."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas.layout import Layout, Money, Row, SeatPrice, Section
from schemas.seating import Seating
from seat_workers.show_state import Show

SHOW = 7
DAY_MS = 86_400_000
USERS = {"ann": 1, "ben": 2, "staff": 3}
SEATING = Seating(
    Layout(
        (
            Section("Stalls", Money(1000, "EUR"), (Row("A", 5, aisles_after=(2,)), Row("B", 4))),
            Section(
                "Circle",
                Money(500, "EUR"),
                (
                    Row("C", 6, prices=(SeatPrice(("C6",), Money(700, "EUR")),)),
                    Row("D", 4, aisles_after=(3,)),
                ),
            ),
        ),
        accessible=("D2", "D4"),
        companions=("D1", "D3"),
        restricted_view=("B1",),
    )
)
MODEL_LAYOUT = {
    "Stalls": (1000, [["A1", "A2", "|", "A3", "A4", "A5"], ["B1", "B2", "B3", "B4"]]),
    "Circle": (500, [["C1", "C2", "C3", "C4", "C5", "C6"], ["D1", "D2", "D3", "|", "D4"]]),
}
KINDS = {"accessible": frozenset({"D2", "D4"}), "companions": frozenset({"D1", "D3"})}

by = st.sampled_from(list(USERS))
labels = st.sampled_from([*SEATING.labels, "X9"])
few_seats = st.lists(labels, min_size=1, max_size=3, unique=True)
special_seats = st.lists(st.sampled_from(["D1", "D2", "D3", "D4", "C6"]), min_size=1, max_size=3, unique=True)
odd_seats = st.lists(labels, max_size=12)
hold_s = st.sampled_from([1, 30, 300])
yours = st.booleans()
wishes: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"kind": "accessible"},
        {"max_price": Money(500, "EUR")},
        {"max_price": Money(499, "EUR")},
        {"max_price": Money(900, "CHF")},
        {"kind": "accessible", "max_price": Money(500, "EUR")},
    ]
)
"""What goes with a quantity."""
counter_extras: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"paid": True}, {"lift_limit": True}, {"paid": True, "noted": True}]
)
"""What staff add to a sale."""
moments = st.sampled_from(
    ["soon", "just before", "the next hold", "sales", "their end", "the start", "2 days"]
)
"""Times to wait for."""


class OneShowCache:
    """A show cache with one show, as the decider needs it."""

    def __init__(self, show: Show) -> None:
        self.show = show

    def find(self, partition: int, show_id: int) -> Show | None:
        return self.show if (partition, show_id) == (0, SHOW) else None

    def drop_borrowed(self) -> None:
        """Keeps them: this cache has all bookings in memory."""


door_staff = st.sampled_from(["staff", "staff", "staff", "ann"])
door_scans = st.fixed_dictionaries(
    {"runs_ms": st.sampled_from([0, 2 * 3_600_000, 50 * 3_600_000])},
    optional={
        "late_ms": st.sampled_from([-900, 0, 400, 10**9]),
        "wanted_show_id": st.sampled_from([SHOW, SHOW + 1]),
        "unsigned_until_ms": st.sampled_from([1_500, 10**9]),
        "gate": st.just("north"),
    },
)

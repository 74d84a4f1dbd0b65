"""Labels in requests: NFC is sent as it is, anything else is compared with the layout first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unicodedata import is_normalized, normalize
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.problems import Problem
from gateway.seat_maps.cache import SeatMapCache
from gateway.seat_maps.labels import SeatLabels, check_labels, in_nfc, resolved_labels
from schemas.commands import BlockSeats, BookSeats, ChangeSeats
from schemas.layout import Layout, Money, Row, Section
from schemas.seating import Seating

OLD = Seating(
    Layout((Section("", Money(1, "EUR"), (Row("", ("A1", "E\u03011", "É2", "A\u00a02", "\u202e6")),)),))
)
"""A layout of the first release: labels in any form."""
ID = UUID(int=1)


class Maps:
    """Seat maps that count how often they are asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def get(self, show_id: int) -> Any:
        self.asked.append(show_id)
        return SimpleNamespace(layout=SimpleNamespace(seating=OLD))


def labels_of(maps: Maps) -> SeatLabels:
    return SeatLabels(cast(SeatMapCache, maps))


def errors_of(problem: pytest.ExceptionInfo[Problem]) -> list[tuple[str, str]]:
    return [(error["field"], error["message"]) for error in problem.value.document()["errors"]]


@given(st.lists(st.text("AE\u0301É1\u0323", max_size=4), max_size=4))
def test_labels_in_nfc_are_told_from_others(labels: list[str]) -> None:
    assert in_nfc(labels) == all(is_normalized("NFC", label) for label in labels)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (("A1",), ("A1",)),
        (("E\u03011",), ("E\u03011",)),  # exactly as the layout has it
        (("E\u03012", "A1"), ("É2", "A1")),
        (("E\u03019",), ("É9",)),  # unknown in any form
        (("A\u00a02", "\u202e6", "E\u03011"), ("A\u00a02", "\u202e6", "E\u03011")),
    ],
)
async def test_the_exact_label_counts_else_its_nfc(asked: tuple[str, ...], sent: tuple[str, ...]) -> None:
    maps = Maps()
    for kind in (BookSeats, ChangeSeats):
        command = kind(command_id=ID, show_id=7, booking_id=ID, seats=asked)
        assert (await labels_of(maps).resolve(command)).seats == sent
    block = BlockSeats(command_id=ID, show_id=7, seats=asked)
    assert (await labels_of(maps).resolve(block)).seats == sent
    assert maps.asked == ([] if in_nfc(asked) else [7, 7, 7])


async def test_a_command_in_nfc_is_the_same_object_and_asks_nobody() -> None:
    maps = Maps()
    command = BookSeats(command_id=ID, show_id=7, booking_id=ID, seats=("A\u00a02", "É2", "\u202e6"))
    assert await labels_of(maps).resolve(command) is command
    assert maps.asked == []


async def test_two_ways_to_write_a_seat_name_it_twice() -> None:
    command = BookSeats(command_id=ID, show_id=7, booking_id=ID, seats=("É2", "E\u03012"))
    with pytest.raises(Problem) as problem:
        await labels_of(Maps()).resolve(command)
    assert errors_of(problem) == [("seats[1]", "named before")]


def test_seats_named_twice_and_labels_of_no_layout_are_refused_with_at_most_twenty_errors() -> None:
    with pytest.raises(Problem) as problem:
        check_labels(("A1", "B\0", "A1"))
    assert errors_of(problem) == [
        ("seats[1]", "a label has no control characters"),
        ("seats[2]", "named before"),
    ]
    with pytest.raises(Problem) as problem:
        check_labels(("A1",) * 100)
    assert len(errors_of(problem)) == 20
    check_labels(("A1", "A\u00a02", "\ufeff", "E\u0301" * 9))
    for label in ("A\n", "A\x7f", "x" * 17, "É" * 17):
        with pytest.raises(Problem):
            check_labels((label,))


@given(st.lists(st.sampled_from([*OLD.labels, "E\u03012", "É1", "x"]), max_size=5, unique=True))
def test_what_is_resolved_once_stays(asked: list[str]) -> None:
    try:
        once = resolved_labels(asked, OLD)
    except Problem:
        assert len({normalize("NFC", label) for label in asked}) < len(asked)
        return
    assert resolved_labels(once, OLD) == once
    assert [OLD.find(label) for label in once if label in asked] == [
        OLD.find(one) for one in asked if one in once
    ]

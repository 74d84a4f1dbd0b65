from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import (
    MAX_SHOW_ID,
    Position,
    fresh_command_id,
    keyed_command_id,
    new_booking_id,
    parse_position,
    show_of_booking,
)


@given(
    show_id=st.integers(1, MAX_SHOW_ID), now_ms=st.integers(0, 2**48 - 1), random=st.integers(0, 2**64 - 1)
)
def test_a_booking_id_carries_its_show_and_sorts_by_time(show_id: int, now_ms: int, random: int) -> None:
    booking_id = new_booking_id(show_id, now_ms, random)
    assert show_of_booking(booking_id) == show_id
    assert booking_id.version == 8
    assert booking_id.int >> 80 == now_ms


def test_other_uuids_are_not_booking_ids() -> None:
    for other in (uuid4(), UUID(int=0), UUID(int=2**128 - 1)):
        with pytest.raises(ValueError, match="not a booking's id"):
            show_of_booking(other)


def test_a_key_has_one_command_id_per_customer() -> None:
    assert keyed_command_id(1, "k") == keyed_command_id(1, "k")
    assert keyed_command_id(1, "k") != keyed_command_id(2, "k")
    assert keyed_command_id(1, "k") != keyed_command_id(1, "K")
    assert keyed_command_id(1, "k").version == 8
    assert fresh_command_id(1, 2).version == 7


@given(st.integers(0, 999_999), st.integers(0, 2**63 - 1))
def test_a_position_is_parsed_as_it_is_written(partition: int, offset: int) -> None:
    position = Position(partition, offset)
    assert parse_position(str(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "3-",
        "-1",
        "3--1",
        "a-1",
        "03-1",
        "3-01",
        " 3-1",
        "3-1 ",
        "3-١",
        "3-1-2",
        f"3-{2**63}",
        "1e3-1",
    ],
)
def test_other_texts_are_not_positions(text: str) -> None:
    with pytest.raises(ValueError, match=r"position|offset"):
        parse_position(text)

"""Integers in paths, queries and claims."""

from __future__ import annotations

import pytest

from gateway.http.integers import read_integer


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("100", 100), ("007", 7)])
def test_ascii_digits_within_the_range_are_read(text: str, number: int) -> None:
    assert read_integer(text, 100) == number


@pytest.mark.parametrize(
    "text", ["", "0", "101", "-1", "+1", " 1", "1_0", "1e1", "1.0", "٣", "²", "9" * 5_000]
)
def test_anything_else_is_none(text: str) -> None:
    assert read_integer(text, 100) is None


def test_the_number_of_digits_is_bounded_before_conversion() -> None:
    assert read_integer("0" * 15 + "1", 100) == 1
    assert read_integer("0" * 16 + "1", 100) is None
    assert read_integer("0020", 100, max_digits=3) is None


def test_zero_is_read_where_it_is_allowed() -> None:
    assert read_integer("0", 100, smallest=0) == 0

"""Counts of errors and reconnects of servers."""

from __future__ import annotations

from runtime import backends
from runtime.backends import Backend


def test_a_reconnect_is_counted_once_after_any_number_of_errors() -> None:
    key = ("redis", "of this test")
    one = Backend(*key)
    assert (backends.errors()[key], backends.reconnects()[key]) == (0, 0), (
        "series exist before the first error"
    )
    one.works()
    assert backends.reconnects()[key] == 0, "it was never lost"
    one.failed()
    one.failed()
    one.works()
    one.works()
    assert (backends.errors()[key], backends.reconnects()[key]) == (2, 1)


def test_a_part_that_is_opened_again_continues_the_totals_and_not_the_state() -> None:
    key = ("kafka", "of this test")
    Backend(*key).failed()
    again = Backend(*key)
    again.works()
    assert (backends.errors()[key], backends.reconnects()[key]) == (1, 0)
    again.failed()
    assert backends.errors()[key] == 2

"""Retention periods: days or hours with their unit, 48 hours at least."""

from __future__ import annotations

import pytest

from ops.retention.parts import DAY_MS, width_ms
from runtime.retention_period import DAY_S, read_retention, write_retention


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("90d", 90 * DAY_S, "90d"),
        (" 90D ", 90 * DAY_S, "90d"),
        ("48h", 2 * DAY_S, "2d"),
        ("50h", 50 * 3600, "50h"),
        ("36500d", 36_500 * DAY_S, "36500d"),
    ],
)
def test_a_period_is_read_and_written(text: str, seconds: int, shown: str) -> None:
    assert read_retention(text) == seconds
    assert write_retention(seconds) == shown


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(
            (text, "with its unit is wanted")
            for text in ("", "0", "90", "-1d", "1y", "d", "1.5d", "9d9h", "٩d", "soon")
        ),
        *((text, "at least 48h") for text in ("0d", "0h", "1d", "47h")),
        *((text, "at most 36500d") for text in ("36501d", "9999999d")),
        ("99999999d", "with its unit is wanted"),
    ],
)
def test_what_is_no_period_is_refused(text: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        read_retention(text)


@pytest.mark.parametrize(("days", "width"), [(2, 1), (11, 1), (24, 2), (90, 7), (365, 30), (3650, 30)])
def test_a_part_is_about_a_twelfth_of_the_period(days: int, width: int) -> None:
    assert width_ms(days * DAY_S) == width * DAY_MS

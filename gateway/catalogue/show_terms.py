"""What has to hold of a show's times, whether it is created or changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime


def term_errors(
    starts_at: datetime, sales_start_at: datetime | None, sales_end_at: datetime | None
) -> Iterator[tuple[str, str]]:
    """What is wrong, as (field, message)."""
    if sales_start_at and sales_start_at >= starts_at:
        yield "sales_start_at", "sales start before the show does"
    if sales_end_at and sales_start_at and sales_end_at <= sales_start_at:
        yield "sales_end_at", "sales end after they have started"


def past_errors(starts_at: datetime, now: datetime) -> Iterator[tuple[str, str]]:
    """What is wrong with a new start, as (field, message). `now`: the gateway's clock, without a tolerance.

    Between two clocks that differ, a start of this very moment may be refused or not; a show that starts now
    can be booked by nobody.
    """
    if starts_at <= now:
        yield "starts_at", "this is in the past; say past: true to take over old data"

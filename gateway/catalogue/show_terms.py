"""Validation of a show's times, for new and changed shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime


def term_errors(
    starts_at: datetime, sales_start_at: datetime | None, sales_end_at: datetime | None
) -> Iterator[tuple[str, str]]:
    """The errors as (field, message)."""
    if sales_start_at and sales_start_at >= starts_at:
        yield "sales_start_at", "must be before the start of the show"
    if sales_end_at and sales_start_at and sales_end_at <= sales_start_at:
        yield "sales_end_at", "must be after sales_start_at"


def past_errors(starts_at: datetime, now: datetime) -> Iterator[tuple[str, str]]:
    """The errors of a new start, as (field, message). `now` is the gateway's clock, without tolerance.

    With clocks that differ, a start at this moment may or may not be rejected; a show that starts now cannot be booked
    anyway.
    """
    if starts_at <= now:
        yield "starts_at", "is in the past; use past: true to import old data"

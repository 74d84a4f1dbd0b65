"""The status of a show that clients see: what its writer keeps, and the clock."""

from __future__ import annotations

from typing import Literal

ShownStatus = Literal["opening", "scheduled", "on_sale", "closed", "cancelled", "past"]


def shown_status(
    status: str | None, starts_ms: int, sales_start_ms: int | None, sales_end_ms: int | None, now_ms: float
) -> ShownStatus:
    """Returns the status at a time. `status` is the writer's, None until it has opened the show.

    The same rule as in gateway/catalogue/shows.py.
    """
    if status == "cancelled":
        return "cancelled"
    if starts_ms <= now_ms:
        return "past"
    if status is None:
        return "opening"
    if status == "closed":
        return "closed"
    if sales_start_ms is not None and sales_start_ms > now_ms:
        return "scheduled"
    if sales_end_ms is not None and sales_end_ms <= now_ms:
        return "closed"
    return "on_sale"

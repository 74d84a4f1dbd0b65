"""Bodies of the reports. All figures of a period are of what happened in it.

`bookings`, `seats` and `gross` are of the bookings confirmed in the period, `cancelled_bookings`,
`cancelled_seats` and `cancelled` of those given back in it, whenever they were confirmed; `net` and `net_seats`
are the difference. So a day's figures stay as they are once it is over. Days are those of each show's time
zone. Different currencies are never added up: each has rows of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.formats import Day, Timestamp

By = Literal["day", "movie", "show", "screen"]


class SumBody(msgspec.Struct, frozen=True):
    """A sum in minor units (cents) of an ISO 4217 currency. Below zero where more was given back than sold."""

    amount: int
    currency: str


class SalesFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was sold in a period, in one currency."""

    bookings: int
    """Confirmed in the period."""
    seats: int
    gross: SumBody
    cancelled_bookings: int
    """Given back in the period, whenever they were confirmed."""
    cancelled_seats: int
    cancelled: SumBody
    net_seats: int
    net: SumBody
    """`gross` less `cancelled`."""


class SalesRowBody(SalesFigures, frozen=True, kw_only=True):
    """What was sold of one movie, in one show, …"""

    day: Day | msgspec.UnsetType = msgspec.UNSET
    """With `by=day`: 2026-11-21."""
    movie_id: int | msgspec.UnsetType = msgspec.UNSET
    """With `by=movie` and `by=show`, as is `title`."""
    title: str | msgspec.UnsetType = msgspec.UNSET
    show_id: int | msgspec.UnsetType = msgspec.UNSET
    """With `by=show`, as is `starts_at`."""
    starts_at: Timestamp | msgspec.UnsetType = msgspec.UNSET
    screen_name: str | msgspec.UnsetType = msgspec.UNSET
    """With `by=screen` and `by=show`."""


class SalesPage(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    """Sales by day, movie, show or screen; `totals` are of the whole period, one for each currency."""

    by: By
    from_: Day | None
    to: Day | None
    totals: list[SalesFigures]
    items: list[SalesRowBody]
    next_cursor: str | None


class CancellationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was given back in a period, in one currency."""

    cancelled_bookings: int
    cancelled_seats: int
    cancelled: SumBody
    by_customer: int
    """Of the cancelled bookings: by their owners."""
    by_staff: int
    by_show: int
    """Because the show was called off."""
    bookings: int
    """Confirmed in the same period, for comparison."""
    rate: float | None
    """Cancelled bookings for 100 confirmed ones; null where none was confirmed."""


class CancellationRowBody(CancellationFigures, frozen=True, kw_only=True):
    """What was given back of one movie, in one show, …; grouped as in SalesRowBody."""

    day: Day | msgspec.UnsetType = msgspec.UNSET
    movie_id: int | msgspec.UnsetType = msgspec.UNSET
    title: str | msgspec.UnsetType = msgspec.UNSET
    show_id: int | msgspec.UnsetType = msgspec.UNSET
    starts_at: Timestamp | msgspec.UnsetType = msgspec.UNSET
    screen_name: str | msgspec.UnsetType = msgspec.UNSET


class CancellationsPage(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    """Cancellations by day, movie, show or screen: where there were any."""

    by: By
    from_: Day | None
    to: Day | None
    totals: list[CancellationFigures]
    items: list[CancellationRowBody]
    next_cursor: str | None


class OccupancyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How full. Every seat is one of sold, held, blocked and available."""

    total_seats: int
    sold: int
    held: int
    blocked: int
    available: int
    occupancy: float
    """Seats sold of 100."""


class OccupancyRowBody(OccupancyFigures, frozen=True, kw_only=True):
    """How full one show is."""

    show_id: int
    movie_id: int
    title: str
    screen_name: str
    starts_at: Timestamp
    cancelled: bool


class OccupancyPage(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    """Shows by the time they start, as they are now; `totals` are of all of them but cancelled ones."""

    from_: Day | None
    to: Day | None
    totals: OccupancyFigures
    items: list[OccupancyRowBody]
    next_cursor: str | None


class CustomerRowBody(SalesFigures, frozen=True, kw_only=True):
    """What one customer booked and gave back."""

    user_id: int
    username: str | None
    """Null when the account was forgotten."""
    first_day: Day
    """Of their first booking of all."""
    new: bool
    """Whether that is in the period."""


class CustomersPage(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    """Customers, those who brought in most first."""

    from_: Day | None
    to: Day | None
    customers: int
    """Who had a booking confirmed in the period."""
    new: int
    """Of these: for the first time."""
    returning: int
    """Of these: had booked before the period."""
    totals: list[SalesFigures]
    items: list[CustomerRowBody]
    next_cursor: str | None


class HoldFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Holds, and what became of them."""

    holds: int
    """Holds that were made."""
    held: int
    """Of these: not ended yet."""
    confirmed: int
    released: int
    """Given back, also because the show was called off."""
    expired: int
    refused: int
    """Requests that were refused because the customer had made too many holds in the show."""


class HoldRowBody(HoldFigures, frozen=True, kw_only=True):
    """The holds of one customer in a show."""

    user_id: int
    username: str | None
    """Null when the account was forgotten."""


class HoldsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Who held seats of a show, those with the most holds first; `totals` are of all of them."""

    show_id: int
    totals: HoldFigures
    items: list[HoldRowBody]
    next_cursor: str | None

"""Response bodies of the reports. All figures of a period are of events in that period.

`bookings`, `seats` and `gross` are of the bookings confirmed in the period, `cancelled_bookings`,
`cancelled_seats` and `cancelled` of those cancelled in it, whenever they were confirmed; `net` and `net_seats`
are the difference. Confirmed bookings that get other seats move `seats` and `gross` by the difference, on the
day of the change. So the figures of a day do not change once it is over. Days are those of each show's time
zone. Different currencies are never added up: each has rows of its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.formats import Day, Timestamp

By = Literal["day", "movie", "show", "screen"]


class SumBody(msgspec.Struct, frozen=True):
    """A sum in minor units (cents) of an ISO 4217 currency. Negative where cancellations exceed sales, or bookings
    got cheaper seats."""

    amount: int
    currency: str


class SalesFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Sales in a period, in one currency."""

    bookings: int
    """Confirmed in the period."""
    seats: int
    """Of the bookings confirmed in the period, and the differences of those that got other seats in it, as `gross`."""
    gross: SumBody
    cancelled_bookings: int
    """Cancelled in the period, whenever they were confirmed."""
    cancelled_seats: int
    cancelled: SumBody
    net_seats: int
    net: SumBody
    """`gross` less `cancelled`."""


class SalesRowBody(SalesFigures, frozen=True, kw_only=True):
    """Sales of one group: a day, movie, show or screen."""

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
    """Cancellations in a period, in one currency."""

    cancelled_bookings: int
    cancelled_seats: int
    cancelled: SumBody
    by_customer: int
    """Bookings cancelled by their owners."""
    by_staff: int
    by_show: int
    """Bookings cancelled because the show was cancelled."""
    bookings: int
    """Confirmed in the same period, for comparison."""
    rate: float | None
    """Cancelled bookings per 100 confirmed ones; null if none was confirmed."""


class CancellationRowBody(CancellationFigures, frozen=True, kw_only=True):
    """Cancellations of one group; grouped as in SalesRowBody."""

    day: Day | msgspec.UnsetType = msgspec.UNSET
    movie_id: int | msgspec.UnsetType = msgspec.UNSET
    title: str | msgspec.UnsetType = msgspec.UNSET
    show_id: int | msgspec.UnsetType = msgspec.UNSET
    starts_at: Timestamp | msgspec.UnsetType = msgspec.UNSET
    screen_name: str | msgspec.UnsetType = msgspec.UNSET


class CancellationsPage(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    """Cancellations by day, movie, show or screen; groups without any are left out."""

    by: By
    from_: Day | None
    to: Day | None
    totals: list[CancellationFigures]
    items: list[CancellationRowBody]
    next_cursor: str | None


class OccupancyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Occupancy. Every seat is sold, held, blocked or available."""

    total_seats: int
    sold: int
    held: int
    blocked: int
    available: int
    occupancy: float
    """Percentage of seats sold."""


class OccupancyRowBody(OccupancyFigures, frozen=True, kw_only=True):
    """Occupancy of one show."""

    show_id: int
    movie_id: int
    title: str
    screen_name: str
    starts_at: Timestamp
    cancelled: bool


class OccupancyPage(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    """Shows by start, in their current state; `totals` exclude cancelled shows."""

    from_: Day | None
    to: Day | None
    totals: OccupancyFigures
    items: list[OccupancyRowBody]
    next_cursor: str | None


class CustomerRowBody(SalesFigures, frozen=True, kw_only=True):
    """Sales to one customer, or to all walk-ins."""

    user_id: int | None
    """Null for walk-ins: one row for all that staff sold without a customer."""
    username: str | None
    """Null if the account was deleted, and for walk-ins."""
    first_day: Day
    """Day of their first booking ever."""
    new: bool
    """Whether `first_day` is in the period. False for walk-ins."""


class CustomersPage(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    """Customers by net sales, highest first."""

    from_: Day | None
    to: Day | None
    customers: int
    """Number of customers with a booking confirmed in the period. Walk-ins do not count."""
    new: int
    """Of these: with their first booking."""
    returning: int
    """Of these: with bookings before the period."""
    totals: list[SalesFigures]
    items: list[CustomerRowBody]
    next_cursor: str | None


class HoldFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Holds and their outcomes."""

    holds: int
    """Number of holds."""
    held: int
    """Of these: still held."""
    confirmed: int
    released: int
    """Released by the customer, or because the show was cancelled."""
    expired: int
    refused: int
    """Requests rejected because the customer had made too many holds in the show."""


class HoldRowBody(HoldFigures, frozen=True, kw_only=True):
    """The holds of one customer in a show, or those of staff for walk-ins."""

    user_id: int | None
    """Null for walk-ins."""
    username: str | None
    """Null if the account was deleted, and for walk-ins."""


class HoldsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Holds of a show by customer, most holds first; `totals` are of all customers."""

    show_id: int
    totals: HoldFigures
    items: list[HoldRowBody]
    next_cursor: str | None

"""Cases of the benchmark as columns of its table, and the meaning of their responses."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

ACCEPTED, DECIDED, CONFIRMED, REFUSED = "accepted/s", "decided/s", "confirmed/s", "refused/s"
REJECTED, ANSWERED = "turned away/s", "answers/s"
RATES = (ACCEPTED, DECIDED, CONFIRMED, REFUSED, REJECTED, ANSWERED)
"""In the order of the table."""
REJECTED_STATUSES = (503, 429)
"""Statuses of requests that were certainly not accepted."""

_ACCEPTED = frozenset({200, 201, 202, 409, 422})
_UNDECIDED = 202
_REFUSED = frozenset({409, 422})


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One case: a column of the table."""

    case: str
    """Name, such as `bookings-64`, in results and for `--only`."""
    title: str
    """Heading of the column."""
    confirms: tuple[int, ...] = ()
    """Statuses of a confirmed booking; none where nothing is booked."""

    @property
    def books(self) -> bool:
        return bool(self.confirms)


def rates(column: Column, statuses: Mapping[int, int], seconds: float) -> dict[str, float]:
    """Rates per second of the responses of a run.

    Accepted: appended to the log. Decided: of those, with the decision in the response. Refused: decided against,
    such as a seat that is taken. Turned away: rejected without a command, 503 or 429.
    """

    def per_second(*wanted: int) -> float:
        return sum(statuses.get(status, 0) for status in wanted) / seconds

    if not column.books:
        return {ANSWERED: sum(statuses.values()) / seconds}
    return {
        ACCEPTED: per_second(*_ACCEPTED),
        DECIDED: per_second(*_ACCEPTED - {_UNDECIDED}),
        CONFIRMED: per_second(*column.confirms),
        REFUSED: per_second(*_REFUSED),
        REJECTED: per_second(*REJECTED_STATUSES),
    }

"""What a case is called in tables and results, and what its answers mean."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

ACCEPTED, DECIDED, CONFIRMED, REFUSED = "accepted/s", "decided/s", "confirmed/s", "refused/s"
REJECTED, ANSWERED = "turned away/s", "answers/s"
RATES = (ACCEPTED, DECIDED, CONFIRMED, REFUSED, REJECTED, ANSWERED)
"""In the order in which they are shown."""
REJECTED_STATUSES = (503, 429)
"""The statuses of what was certainly not taken."""

_ACCEPTED = frozenset({200, 201, 202, 409, 422})
_UNDECIDED = 202
_REFUSED = frozenset({409, 422})


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One case: a column of the table."""

    case: str
    """Its name, such as `bookings-64`, for results and `--only`."""
    title: str
    """What stands over the column."""
    confirms: tuple[int, ...] = ()
    """The statuses that say that a booking is confirmed; none where nothing is booked."""

    @property
    def books(self) -> bool:
        return bool(self.confirms)


def rates(column: Column, statuses: Mapping[int, int], seconds: float) -> dict[str, float]:
    """What the answers of a run come to a second.

    Accepted: the log took it, whatever became of it. Decided: of those, answered with the decision. Refused: decided
    against, such as a seat that is taken. Turned away: not taken at all, 503 or 429.
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

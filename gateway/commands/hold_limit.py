"""Rate limit of holds, per customer and show: 30 at once, 30 more an hour, so that others can get seats.

A hold costs a token when it is sent. The token is refunded when the hold took no seats: the seat worker refused it
(in a rush most are refused), it was a repeat, or it certainly did not reach the log. So the tokens spent always stand
for holds that were accepted, or may still be. Staff have no such limit.

Rejections are recorded for staff, in one statement every few seconds; those for shows that do not exist are not.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from gateway.commands.outcomes import StoredDecision
from gateway.http.problems import Problem
from gateway.limits.rate_limits import RateLimit
from runtime.polling import poll
from schemas.commands import HoldSeats

_WRITE_EVERY_S = 2.0
_MAX_UNWRITTEN = 10_000

_REJECTIONS_SQL = """
INSERT INTO hold_refusals AS old (show_id, user_id, refused)
SELECT show_id, user_id, refused
  FROM unnest($1::int[], $2::bigint[], $3::bigint[]) n (show_id, user_id, refused) JOIN shows USING (show_id)
 ORDER BY show_id, user_id
    ON CONFLICT (show_id, user_id) DO UPDATE
   SET refused = old.refused + excluded.refused, refused_at = now()
"""


class HoldLimit:
    """The limit of holds over all gateways."""

    def __init__(self, limit: RateLimit, pool: Any) -> None:
        self._limit = limit
        self._pool = pool
        self._unwritten: Counter[tuple[int, int]] = Counter()
        """(show, user) → rejections that are not in the database yet."""

    def has_to_fetch(self, hold: HoldSeats) -> bool:
        """Whether the token for a hold has to be fetched first."""
        return not hold.staff and self._limit.has_to_fetch(_key(hold))

    async def fetch(self, hold: HoldSeats) -> None:
        """Fetches the token for a hold, which `try_spend` takes, from those that the gateways share."""
        await self._limit.fetch(_key(hold))

    def try_spend(self, hold: HoldSeats) -> bool:
        """Takes the token for a hold. Returns whether there was one."""
        return hold.staff or self._limit.try_spend(_key(hold))

    def overdraw(self, hold: HoldSeats) -> None:
        """Takes the token for a repeated hold even if there is none: it will be refunded."""
        if not hold.staff:
            self._limit.adjust(_key(hold), -1.0)

    def refund(self, hold: HoldSeats) -> None:
        """Returns the token of a hold that took no seats."""
        if not hold.staff:
            self._limit.adjust(_key(hold), 1.0)

    def settle(self, hold: HoldSeats, stored: StoredDecision) -> None:
        """Refunds the token of a decided hold unless it was accepted for the first time."""
        if stored.refused or _REPEATS in stored.answer:
            self.refund(hold)

    def rejection(self, hold: HoldSeats) -> Problem:
        """Returns the problem for a hold without a token, and counts it."""
        key = hold.show_id, hold.user_id
        if key in self._unwritten or len(self._unwritten) < _MAX_UNWRITTEN:
            self._unwritten[key] += 1
        return self._limit.rejection(_key(hold))

    async def run(self) -> None:
        """Writes rejections to the database until cancelled."""
        await poll("hold rejections", self.write_rejections, every_s=_WRITE_EVERY_S)

    async def write_rejections(self) -> None:
        """Writes the rejections counted since the last call; on an error they are kept for the next."""
        counts, self._unwritten = self._unwritten, Counter()
        if not counts:
            return
        try:
            await self._pool.execute(
                _REJECTIONS_SQL,
                [show for show, _ in counts],
                [user for _, user in counts],
                [*counts.values()],
            )
        except BaseException:
            self._unwritten += counts
            raise


# A quotation mark within a text is escaped, so that these bytes are the name of the field and nothing else.
_REPEATS = b'"repeats":'


def _key(hold: HoldSeats) -> str:
    return f"{hold.user_id}.{hold.show_id}"

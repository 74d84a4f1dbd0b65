"""Holds of one customer in one show: 30 at once, 30 more an hour, so that others get a turn.

A hold costs a token when it is sent. The token comes back where no seat was taken from anybody: the writer refused
(in a rush most are), it was a repeat, or it certainly did not reach the log. So at any time the tokens that are gone
stand for holds that were had, or may still be. Staff have no such limit.

Refusals are written down for staff, in one statement every few seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import structlog

from gateway.problems import Problem
from gateway.rate_limits import Limit
from gateway.replies import Decided
from runtime.postgres import AWAY
from schemas.commands import HoldSeats

_WRITE_EVERY_S = 2.0
_MAX_NOTED = 10_000

_NOTE_SQL = """
INSERT INTO hold_refusals AS old (show_id, user_id, refused)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[]) n (show_id, user_id, refused) ORDER BY show_id, user_id
    ON CONFLICT (show_id, user_id) DO UPDATE
   SET refused = old.refused + excluded.refused, refused_at = now()
"""

_log = structlog.get_logger()


class HoldLimit:
    """The holds of customers, over all gateways."""

    def __init__(self, limit: Limit, pool: Any) -> None:
        self._limit = limit
        self._pool = pool
        self._noted: Counter[tuple[int, int]] = Counter()

    def spent(self, hold: HoldSeats) -> bool:
        """Takes the token for a hold. Returns whether there was one."""
        return hold.staff or self._limit.spent(_key(hold))

    def owe(self, hold: HoldSeats) -> None:
        """Takes the token for a hold whether there is one or not: it is a repeat, and will give it back."""
        if not hold.staff:
            self._limit.change(_key(hold), -1.0)

    def give_back(self, hold: HoldSeats) -> None:
        """Returns the token of a hold that took no seats."""
        if not hold.staff:
            self._limit.change(_key(hold), 1.0)

    def decided(self, hold: HoldSeats, decided: Decided) -> None:
        """Returns the token unless the hold was accepted, and for the first time."""
        if decided.refused or _REPEATS in decided.answer:
            self.give_back(hold)

    def refused(self, hold: HoldSeats) -> Problem:
        """The problem of a hold for which there is no token; it is counted, and noted for staff."""
        pair = hold.show_id, hold.user_id
        if pair in self._noted or len(self._noted) < _MAX_NOTED:
            self._noted[pair] += 1
        return self._limit.refused(_key(hold))

    async def keep_writing(self) -> None:
        """Writes down what was refused, for ever."""
        while True:
            await asyncio.sleep(_WRITE_EVERY_S)
            try:
                await self.write()
            except (*AWAY, asyncpg.PostgresError) as error:
                _log.warning("hold_refusals_not_written", error=str(error) or type(error).__name__)

    async def write(self) -> None:
        """Writes down what was refused since the last time; what cannot be written is kept for the next."""
        noted, self._noted = self._noted, Counter()
        if not noted:
            return
        try:
            await self._pool.execute(
                _NOTE_SQL, [show for show, _ in noted], [user for _, user in noted], [*noted.values()]
            )
        except BaseException:
            self._noted += noted
            raise


# A quotation mark within a text is escaped, so that these bytes are the name of the field and nothing else.
_REPEATS = b'"repeats":'


def _key(hold: HoldSeats) -> str:
    return f"{hold.user_id}.{hold.show_id}"

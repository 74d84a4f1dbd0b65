"""The account that staff name as the owner of a booking: it has to exist and to be active.

Only staff's requests with a `user_id` are checked, before their command goes into the log. An account that is
deactivated or forgotten between the check and the decision still gets the booking.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from gateway.bodies import invalid
from gateway.problems import Problem
from gateway.used_keys import is_used

_SQL = "SELECT EXISTS (SELECT 1 FROM users WHERE user_id = $1 AND active)"


async def check_customer(pool: Any, customer_id: int, command_id: UUID) -> None:
    """Passes an active account. Raises Problem `validation`.

    A repeat of a decided command passes: it gets its first answer, whatever became of the account since.
    """
    if not await pool.fetchval(_SQL, customer_id) and not await is_used(pool, command_id):
        raise no_customer()


def no_customer() -> Problem:
    """Nobody can own a booking under this number."""
    return invalid(("user_id", "there is no active account with this number; GET /api/users lists them"))

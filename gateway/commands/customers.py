"""Check of the account that staff name as the owner of a booking: it must exist and be active.

Only staff's requests with a `user_id` are checked, before the command is appended. An account that is deactivated or
deleted between the check and the decision still gets the booking.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from gateway.commands.used_keys import is_used
from gateway.http.bodies import invalid
from gateway.http.problems import Problem

_SQL = "SELECT EXISTS (SELECT 1 FROM users WHERE user_id = $1 AND active)"


async def check_customer(pool: Any, customer_id: int, command_id: UUID) -> None:
    """Raises Problem `validation` unless the account is active.

    A repeat of a decided command is not checked: it gets the first response, even if the account is gone.
    """
    if not await pool.fetchval(_SQL, customer_id) and not await is_used(pool, command_id):
        raise no_customer()


def no_customer() -> Problem:
    """Returns the problem of a `user_id` without an active account."""
    return invalid(("user_id", "there is no active account with this number; GET /api/users lists them"))

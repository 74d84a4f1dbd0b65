"""Preferences of an account about e-mails, changed by its owner or by the signed link of an e-mail."""

from __future__ import annotations

from typing import Any

import asyncpg
import msgspec

from gateway.http.bodies import invalid
from gateway.http.problems import Problem
from runtime.outdated_plans import retry_outdated_plans
from runtime.unsubscribe_tokens import read_unsubscribe_token
from schemas.api_accounts import ChangeEmailPreferencesBody, EmailPreferencesBody

_READ_SQL = "SELECT reminders, summaries FROM users WHERE user_id = $1 AND active"
_CHANGE_SQL = """
UPDATE users SET reminders = coalesce($2, reminders), summaries = coalesce($3, summaries)
 WHERE user_id = $1 AND active RETURNING reminders, summaries
"""
_KEY_SQL = "SELECT key FROM unsubscribe_key"


class EmailPreferences:
    """Reads and writes the preferences."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._key: bytes | None = None

    async def get(self, user_id: int) -> EmailPreferencesBody:
        """The preferences of an account. Raises Problem `not_found`."""
        return _body(await self._pool.fetchrow(_READ_SQL, user_id))

    @retry_outdated_plans
    async def change(self, user_id: int, change: ChangeEmailPreferencesBody) -> EmailPreferencesBody:
        """Changes the given preferences. Raises Problem `not_found`."""
        row = await self._pool.fetchrow(
            _CHANGE_SQL, user_id, _given(change.reminders), _given(change.summaries)
        )
        return _body(row)

    @retry_outdated_plans
    async def unsubscribe(self, token: str) -> None:
        """Switches off what the token is for; again, or for a deleted account, nothing changes.

        Raises Problem `validation` for a token that is not ours.
        """
        if self._key is None:
            self._key = await self._pool.fetchval(_KEY_SQL)
        asked = read_unsubscribe_token(self._key or b"", token) if token else None
        if asked is None:
            raise invalid(("token", "open the link in the e-mail again, and take it whole"))
        off: dict[str, bool | None] = {"reminders": None, "summaries": None, asked.preference: False}
        await self._pool.fetchrow(_CHANGE_SQL, asked.user_id, off["reminders"], off["summaries"])


def _body(row: asyncpg.Record | None) -> EmailPreferencesBody:
    if row is None:
        raise Problem("not_found", "There is no such account: log in again.")
    return EmailPreferencesBody(row["reminders"], row["summaries"])


def _given(value: Any) -> Any:
    return None if value is msgspec.UNSET else value

"""Password resets: a one-time link by e-mail, valid for 30 minutes."""

from __future__ import annotations

import asyncpg

from gateway.accounts.email_changes import LOCK_SQL
from gateway.accounts.names import normal_name
from gateway.accounts.one_time_links import hash_of, new_token
from gateway.accounts.passwords import Passwords
from gateway.accounts.users import PASSWORD_SQL, reject_weak
from gateway.auth.revocation import Revocations
from gateway.http.bodies import invalid
from runtime.outdated_plans import retry_outdated_plans

LINK_LIFETIME_S = 1800
_MAX_LINKS = 5

# One statement whether or not the account exists, and in both cases a write to the log on disk, so that both take the
# same time. The lock waits for a change of the address or password that is in progress: it ends links to the old one.
_REQUEST_SQL = """
WITH account AS (
    SELECT user_id FROM users u WHERE active AND lower(email) = $1
       AND (SELECT count(*) FROM password_resets r WHERE r.user_id = u.user_id AND r.expires_at > now()) < $5
       FOR SHARE
), link AS (
    INSERT INTO password_resets (token_hash, user_id, expires_at)
    SELECT $2, user_id, now() + make_interval(secs => $4) FROM account
), email AS (
    INSERT INTO letters_wanted (user_id, kind, data)
    SELECT user_id, 'password_reset', jsonb_build_object('token', $3::text) FROM account
)
SELECT pg_logical_emit_message(true, 'aisle', '')
"""
_SPEND_SQL = """
DELETE FROM password_resets WHERE token_hash = $1 AND expires_at > now() RETURNING user_id
"""
_ACCOUNT_SQL = """
SELECT user_id, u.username, u.email FROM password_resets r JOIN users u USING (user_id)
 WHERE r.token_hash = $1 AND r.expires_at > now() AND u.active
"""


class PasswordResets:
    """Sends reset links and applies each once."""

    def __init__(self, pool: asyncpg.Pool, passwords: Passwords, revocations: Revocations) -> None:
        self._pool = pool
        self._passwords = passwords
        self._revocations = revocations

    async def request(self, email: str) -> None:
        """Sends a link if the account exists. The caller cannot tell whether it does."""
        token = new_token()
        await self._pool.execute(
            _REQUEST_SQL, normal_name(email), hash_of(token), token, float(LINK_LIFETIME_S), _MAX_LINKS
        )

    @retry_outdated_plans
    async def spend(self, token: str, password: str) -> None:
        """Sets the new password and ends every login. Raises Problem `validation` for an invalid link."""
        row = await self._pool.fetchrow(_ACCOUNT_SQL, hash_of(token))
        if row is None:
            raise _invalid_link()
        reject_weak(password, row["username"], row["email"])
        password_hash = await self._passwords.hash(password)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK_SQL, row["user_id"])
            if await connection.fetchval(_SPEND_SQL, hash_of(token)) is None:
                raise _invalid_link()
            await connection.execute(PASSWORD_SQL, row["user_id"], password_hash)
        await self._revocations.refresh()


def _invalid_link() -> Exception:
    return invalid(("token", "this link was used or is older than 30 minutes: ask for another"))

"""E-mail addresses: confirmed by a link, changed once the new one is confirmed, restored by a link to the old one."""

from __future__ import annotations

import asyncpg

from gateway.accounts.names import normal_name
from gateway.accounts.one_time_links import hash_of, new_token
from gateway.auth.revocation import Revocations
from gateway.http.bodies import invalid
from gateway.http.problems import Problem
from runtime.outdated_plans import retry_outdated_plans

LINK_LIFETIME_S = 7 * 24 * 3600

LOCK_SQL = "SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE"
"""First statement of a transaction that ends logins or changes an address, so that no concurrent login is missed."""

RESERVED_SQL = "SELECT FROM email_undos r WHERE lower(r.email) = {email} AND r.expires_at > now()"
"""Selects an address that a user may still restore; `{email}` is its normal form."""

_TAKEN_SQL = f"""
SELECT EXISTS (SELECT FROM users WHERE lower(email) = $2 AND user_id <> $1)
    OR EXISTS ({RESERVED_SQL.format(email="$2")} AND r.user_id <> $1)
"""
_CONFIRM_BY_LINK_SQL = """
INSERT INTO email_confirmations (user_id, token_hash, email, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4))
    ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, email = excluded.email,
                                        expires_at = excluded.expires_at
"""
_UNDO_BY_LINK_SQL = """
INSERT INTO email_undos (user_id, token_hash, email, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4))
    ON CONFLICT (lower(email), user_id) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at
"""
_SEND_SQL = """
INSERT INTO letters_wanted (user_id, kind, data) VALUES ($1, $2, jsonb_build_object('token', $3::text))
"""
_WITHDRAW_SQL = "DELETE FROM email_confirmations WHERE user_id = $1 AND lower(email) <> $2"

_CONFIRMING_SQL = "SELECT user_id FROM email_confirmations WHERE token_hash = $1"
_SPEND_CONFIRMATION_SQL = """
DELETE FROM email_confirmations WHERE token_hash = $1 AND expires_at > now() RETURNING email
"""
_OLD_EMAIL_SQL = "SELECT email FROM users WHERE user_id = $1 AND active"
_CONFIRMED_SQL = "UPDATE users SET email_confirmed = true WHERE user_id = $1"
# Links sent to the old address become invalid, except the one that restores it, whose lifetime starts again.
_MOVED_SQL = """
WITH links AS (DELETE FROM password_resets WHERE user_id = $1),
undo AS (UPDATE email_undos SET expires_at = now() + make_interval(secs => $4) WHERE user_id = $1 AND lower(email) = $3)
UPDATE users SET email = $2, email_confirmed = true WHERE user_id = $1
"""
_UNDOING_SQL = "SELECT user_id FROM email_undos WHERE token_hash = $1"
_SPEND_UNDO_SQL = """
DELETE FROM email_undos WHERE token_hash = $1 AND expires_at > now() RETURNING undo_id, email
"""
# An attacker who changed the address may know the password, have requested links and have changed it again.
_RESTORE_SQL = """
WITH ended AS (DELETE FROM logins WHERE user_id = $1),
links AS (DELETE FROM password_resets WHERE user_id = $1),
confirmations AS (DELETE FROM email_confirmations WHERE user_id = $1),
later AS (DELETE FROM email_undos WHERE user_id = $1 AND undo_id > $3)
UPDATE users SET email = $2, email_confirmed = true, password_hash = NULL,
                 tokens_from = greatest(clock_timestamp(), tokens_from + interval '1 microsecond')
 WHERE user_id = $1
"""


class EmailChanges:
    """Applies the links that confirm an address or restore the previous one."""

    def __init__(self, pool: asyncpg.Pool, revocations: Revocations) -> None:
        self._pool = pool
        self._revocations = revocations

    @retry_outdated_plans
    async def confirm(self, token: str) -> None:
        """Confirms the address that the link was sent to; a new address replaces the old one.

        Raises Problem `email_taken`, or `validation` for an invalid link.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            user_id = await connection.fetchval(_CONFIRMING_SQL, hash_of(token))
            await connection.execute(LOCK_SQL, user_id)
            email = await connection.fetchval(_SPEND_CONFIRMATION_SQL, hash_of(token))
            old = None if email is None else await connection.fetchval(_OLD_EMAIL_SQL, user_id)
            if email is None or old is None:
                raise _invalid_link()
            if normal_name(email) == normal_name(old):
                await connection.execute(_CONFIRMED_SQL, user_id)
                return
            await reject_taken(connection, user_id, email)
            try:
                await connection.execute(_MOVED_SQL, user_id, email, normal_name(old), float(LINK_LIFETIME_S))
            except asyncpg.UniqueViolationError:
                raise email_taken() from None

    @retry_outdated_plans
    async def undo(self, token: str) -> None:
        """Restores the address that the link was sent to, ends every login and invalidates the password.

        Raises Problem `validation` for an invalid link.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            user_id = await connection.fetchval(_UNDOING_SQL, hash_of(token))
            await connection.execute(LOCK_SQL, user_id)
            undo = await connection.fetchrow(_SPEND_UNDO_SQL, hash_of(token))
            if undo is None:
                raise _invalid_link()
            try:
                await connection.execute(_RESTORE_SQL, user_id, undo["email"], undo["undo_id"])
            except asyncpg.UniqueViolationError:
                # The link has expired since the transaction began, and somebody else has the address now.
                raise _invalid_link() from None
        await self._revocations.refresh()


async def request_change(connection: asyncpg.Connection, user_id: int, old: str | None, new: str) -> None:
    """Sends a link to the new address, which confirms it, and one to the old, which undoes the change.

    Call it in a transaction that holds the lock on the account's row. Asking for the current address withdraws a
    pending change. Raises Problem `email_taken`.
    """
    if old is not None and normal_name(old) == normal_name(new):
        await connection.execute(_WITHDRAW_SQL, user_id, normal_name(old))
        return
    await reject_taken(connection, user_id, new)
    lifetime_s = float(LINK_LIFETIME_S)
    token = new_token()
    await connection.execute(_CONFIRM_BY_LINK_SQL, user_id, hash_of(token), new, lifetime_s)
    await connection.execute(_SEND_SQL, user_id, "email_confirmation", token)
    if old is not None:
        token = new_token()
        await connection.execute(_UNDO_BY_LINK_SQL, user_id, hash_of(token), old, lifetime_s)
        await connection.execute(_SEND_SQL, user_id, "email_undo", token)


async def reject_taken(connection: asyncpg.Connection, user_id: int, email: str) -> None:
    """Raises Problem `email_taken` for an address that another account has or may restore."""
    if await connection.fetchval(_TAKEN_SQL, user_id, normal_name(email)):
        raise email_taken()


def email_taken() -> Problem:
    """The problem for an address that is not available."""
    return Problem(
        "email_taken",
        "There is an account with this e-mail address: log in, or reset the password.",
        errors=[("email", "taken")],
    )


def _invalid_link() -> Problem:
    return invalid(("token", "this link was used, was replaced by a later one, or is older than 7 days"))

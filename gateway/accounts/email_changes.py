"""E-mail addresses: confirmed by a link, changed once the new one is confirmed, and undone by a link to the old one."""

from __future__ import annotations

import asyncpg

from gateway.accounts.links import hash_of, new_token
from gateway.accounts.names import normal_name
from gateway.bodies import invalid
from gateway.problems import Problem
from gateway.revocation import Revocations

LINK_LIFETIME_S = 7 * 24 * 3600

LOCK_SQL = "SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE"
"""Comes first in a transaction that ends logins or moves an address: no login that begins meanwhile is missed."""

RESERVED_SQL = "SELECT FROM email_undos r WHERE lower(r.email) = {email} AND r.expires_at > now()"
"""An address that somebody may still restore; `{email}` is its normal form."""

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
# Links that went to the old address are good no more, but for the one that restores it, whose time begins anew.
_MOVED_SQL = """
WITH links AS (DELETE FROM password_resets WHERE user_id = $1),
undo AS (UPDATE email_undos SET expires_at = now() + make_interval(secs => $4) WHERE user_id = $1 AND lower(email) = $3)
UPDATE users SET email = $2, email_confirmed = true WHERE user_id = $1
"""
_UNDOING_SQL = "SELECT user_id FROM email_undos WHERE token_hash = $1"
_SPEND_UNDO_SQL = """
DELETE FROM email_undos WHERE token_hash = $1 AND expires_at > now() RETURNING undo_id, email
"""
# Whoever changed the address may know the password, have asked for links, and have gone on to other addresses.
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
    """Honours the links that confirm an address or restore the one before."""

    def __init__(self, pool: asyncpg.Pool, revocations: Revocations) -> None:
        self._pool = pool
        self._revocations = revocations

    async def confirm(self, token: str) -> None:
        """The address that the link went to counts from now on.

        Raises Problem: `validation` for a link that is no good, `email_taken`.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            user_id = await connection.fetchval(_CONFIRMING_SQL, hash_of(token))
            await connection.execute(LOCK_SQL, user_id)
            email = await connection.fetchval(_SPEND_CONFIRMATION_SQL, hash_of(token))
            old = None if email is None else await connection.fetchval(_OLD_EMAIL_SQL, user_id)
            if email is None or old is None:
                raise _no_link()
            if normal_name(email) == normal_name(old):
                await connection.execute(_CONFIRMED_SQL, user_id)
                return
            await refuse_taken(connection, user_id, email)
            try:
                await connection.execute(_MOVED_SQL, user_id, email, normal_name(old), float(LINK_LIFETIME_S))
            except asyncpg.UniqueViolationError:
                raise email_taken() from None

    async def undo(self, token: str) -> None:
        """Restores the address that the link went to, ends every login and voids the password.

        Raises Problem `validation` for a link that is no good.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            user_id = await connection.fetchval(_UNDOING_SQL, hash_of(token))
            await connection.execute(LOCK_SQL, user_id)
            undo = await connection.fetchrow(_SPEND_UNDO_SQL, hash_of(token))
            if undo is None:
                raise _no_link()
            await connection.execute(_RESTORE_SQL, user_id, undo["email"], undo["undo_id"])
        await self._revocations.refresh()


async def ask_to_confirm(connection: asyncpg.Connection, user_id: int, old: str | None, new: str) -> None:
    """Has a link sent to the new address, which counts once it is used, and one to the old, which undoes that.

    Inside a transaction that has the account's row locked. The address that one has already withdraws a change that
    waits for its link. Raises Problem `email_taken`.
    """
    if old is not None and normal_name(old) == normal_name(new):
        await connection.execute(_WITHDRAW_SQL, user_id, normal_name(old))
        return
    await refuse_taken(connection, user_id, new)
    lifetime_s = float(LINK_LIFETIME_S)
    token = new_token()
    await connection.execute(_CONFIRM_BY_LINK_SQL, user_id, hash_of(token), new, lifetime_s)
    await connection.execute(_SEND_SQL, user_id, "email_confirmation", token)
    if old is not None:
        token = new_token()
        await connection.execute(_UNDO_BY_LINK_SQL, user_id, hash_of(token), old, lifetime_s)
        await connection.execute(_SEND_SQL, user_id, "email_undo", token)


async def refuse_taken(connection: asyncpg.Connection, user_id: int, email: str) -> None:
    """Raises Problem for an address that another account has, or may restore."""
    if await connection.fetchval(_TAKEN_SQL, user_id, normal_name(email)):
        raise email_taken()


def email_taken() -> Problem:
    """The problem of an address that cannot be had."""
    return Problem(
        "email_taken",
        "There is an account with this e-mail address: log in, or reset the password.",
        errors=[("email", "taken")],
    )


def _no_link() -> Problem:
    return invalid(("token", "this link was used, replaced by a later one, or is older than 7 days"))

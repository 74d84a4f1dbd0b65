"""Logins: families of refresh tokens, of which only the newest is good.

A refresh token is the login's id and a secret; what is stored is the secret's hash. Using one makes the
next. One that comes back after it was spent was copied by somebody, so the whole login ends.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from uuid import UUID

import asyncpg
import msgspec

from gateway.problems import Problem

REFRESH_LIFETIME_S = 86_400
_SECRET_BYTES = 32

# The lock makes a login and a change of the password come one after the other: a login by the old password
# either ends with the change or does not begin.
_START_SQL = """
WITH who AS (
    SELECT user_id, role, token_version FROM users
     WHERE user_id = $2 AND active AND password_hash IS NOT DISTINCT FROM $5 FOR SHARE
)
INSERT INTO logins (login_id, user_id, refresh_hash, expires_at)
SELECT $1, user_id, $3, now() + make_interval(secs => $4) FROM who
RETURNING user_id, (SELECT role FROM who) AS role, (SELECT token_version FROM who) AS token_version
"""
_ROTATE_SQL = """
UPDATE logins l SET refresh_hash = $3, expires_at = now() + make_interval(secs => $4)
  FROM users u
 WHERE l.login_id = $1 AND l.refresh_hash = $2 AND l.expires_at > now() AND u.user_id = l.user_id AND u.active
RETURNING u.user_id, u.role, u.token_version
"""
_END_SQL = (
    "DELETE FROM logins WHERE login_id = $1 RETURNING refresh_hash = $2 AND expires_at <= now() AS expired"
)
_END_EXPIRED_SQL = """
WITH links AS (DELETE FROM password_resets WHERE expires_at < now()),
confirmations AS (DELETE FROM email_confirmations WHERE expires_at < now()),
undos AS (DELETE FROM email_undos WHERE expires_at < now())
DELETE FROM logins WHERE expires_at < now() - interval '1 hour'
"""


class Login(msgspec.Struct, frozen=True):
    """A login that was started or renewed: whose it is, their role now, and the next refresh token."""

    user_id: int
    role: str
    token_version: int
    """The account's, for the access token."""
    refresh: str


class Logins:
    """Starts, renews and ends logins."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def start(self, user_id: int, password_hash: str | None) -> Login:
        """A new login, for an account whose password still has this hash. Raises Problem `bad_credentials`."""
        login_id, secret = UUID(bytes=secrets.token_bytes(16), version=4), secrets.token_bytes(_SECRET_BYTES)
        row = await self._pool.fetchrow(
            _START_SQL, login_id, user_id, _hash(secret), float(REFRESH_LIFETIME_S), password_hash
        )
        if row is None:
            raise wrong_credentials()
        return _login(row, login_id, secret)

    async def renew(self, refresh: str) -> Login:
        """Spends a refresh token.

        Raises Problem `token_expired` or `token_invalid`; a spent token ends the login.
        """
        login_id, secret = _read(refresh)
        fresh = secrets.token_bytes(_SECRET_BYTES)
        row = await self._pool.fetchrow(
            _ROTATE_SQL, login_id, _hash(secret), _hash(fresh), float(REFRESH_LIFETIME_S)
        )
        if row is None:
            if await self._pool.fetchval(_END_SQL, login_id, _hash(secret)):
                raise Problem("token_expired", "The refresh token has expired: log in again.")
            raise _no_token()
        return _login(row, login_id, fresh)

    async def end(self, refresh: str) -> None:
        """Ends the login that a refresh token belongs to, spent or not. Ending it twice is fine."""
        login_id, secret = _read(refresh)
        await self._pool.execute(_END_SQL, login_id, _hash(secret))

    async def forget_expired(self) -> None:
        """Removes what can no longer be used."""
        await self._pool.execute(_END_EXPIRED_SQL)


def wrong_credentials() -> Problem:
    """The problem of whoever is not let in; the same for every reason."""
    return Problem("bad_credentials", "User name or password is wrong: check both and try again.")


def _login(row: asyncpg.Record, login_id: UUID, secret: bytes) -> Login:
    refresh = base64.urlsafe_b64encode(login_id.bytes + secret).decode()
    return Login(row["user_id"], row["role"], row["token_version"], refresh)


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _read(refresh: str) -> tuple[UUID, bytes]:
    try:
        token = base64.b64decode(refresh, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _no_token() from None
    if len(token) != 16 + _SECRET_BYTES:
        raise _no_token()
    return UUID(bytes=token[:16]), token[16:]


def _no_token() -> Problem:
    return Problem("token_invalid", "This refresh token is not good, or not any more: log in again.")

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

from gateway.problems import Problem

REFRESH_LIFETIME_S = 86_400
_SECRET_BYTES = 32

_START_SQL = """
INSERT INTO logins (login_id, user_id, refresh_hash, expires_at)
SELECT $1, user_id, $3, now() + make_interval(secs => $4) FROM users WHERE user_id = $2 AND active
"""
_ROTATE_SQL = """
UPDATE logins l SET refresh_hash = $3, expires_at = now() + make_interval(secs => $4)
  FROM users u
 WHERE l.login_id = $1 AND l.refresh_hash = $2 AND l.expires_at > now() AND u.user_id = l.user_id AND u.active
RETURNING u.user_id, u.role
"""
_END_SQL = (
    "DELETE FROM logins WHERE login_id = $1 RETURNING refresh_hash = $2 AND expires_at <= now() AS expired"
)
_END_EXPIRED_SQL = """
WITH links AS (DELETE FROM password_resets WHERE expires_at < now())
DELETE FROM logins WHERE expires_at < now() - interval '1 hour'
"""


class Logins:
    """Starts, renews and ends logins."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def start(self, user_id: int) -> str:
        """A new login's first refresh token."""
        login_id, secret = UUID(bytes=secrets.token_bytes(16), version=4), secrets.token_bytes(_SECRET_BYTES)
        await self._pool.execute(_START_SQL, login_id, user_id, _hash(secret), float(REFRESH_LIFETIME_S))
        return _write(login_id, secret)

    async def renew(self, refresh: str) -> tuple[int, str, str]:
        """Spends a refresh token: whose it is, their role now, and the next one.

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
        return row["user_id"], row["role"], _write(login_id, fresh)

    async def end(self, refresh: str) -> None:
        """Ends the login that a refresh token belongs to, spent or not. Ending it twice is fine."""
        login_id, secret = _read(refresh)
        await self._pool.execute(_END_SQL, login_id, _hash(secret))

    async def forget_expired(self) -> None:
        """Removes what can no longer be used."""
        await self._pool.execute(_END_EXPIRED_SQL)


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _write(login_id: UUID, secret: bytes) -> str:
    return base64.urlsafe_b64encode(login_id.bytes + secret).decode()


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

"""Logins: families of refresh tokens, of which only the newest is valid (refresh token rotation).

A refresh token is the login's id and a secret, whose hash is stored. Each use replaces it. The reuse of a spent token
means that it was copied, so it ends the whole login.

A browser may send one cookie twice: two tabs, a reload before the response has come. So a browser's spent token is
exchanged for its successor once more within SUCCESSOR_S, whichever gateway gets it. The successor is an HMAC of the
spent secret and a stored random salt: the database alone yields no token, nor does a spent token without the database.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from uuid import UUID

import asyncpg
import msgspec

from gateway.http.problems import Problem

REFRESH_LIFETIME_S = 86_400
SUCCESSOR_S = 10
"""Seconds for which a spent token of a browser is exchanged for its successor again."""
_SECRET_BYTES = 32

# The lock serialises a login and a change of the password: a login by the old password either ends with the change
# or does not begin.
_START_SQL = """
WITH account AS (
    SELECT user_id, role, token_version FROM users
     WHERE user_id = $2 AND active AND password_hash IS NOT DISTINCT FROM $5 FOR SHARE
)
INSERT INTO logins (login_id, user_id, refresh_hash, expires_at)
SELECT $1, user_id, $3, now() + make_interval(secs => $4) FROM account
RETURNING user_id, (SELECT role FROM account) AS role, (SELECT token_version FROM account) AS token_version
"""
# A strict exchange ends the chain of a browser's tokens: none of them has a successor any more.
_ROTATE_SQL = """
WITH forgotten AS (DELETE FROM spent_refresh_tokens WHERE login_id = $1)
UPDATE logins l SET refresh_hash = $3, expires_at = now() + make_interval(secs => $4)
  FROM users u
 WHERE l.login_id = $1 AND l.refresh_hash = $2 AND l.expires_at > now() AND u.user_id = l.user_id AND u.active
RETURNING u.user_id, u.role, u.token_version
"""
_ROTATE_SESSION_SQL = """
WITH rotated AS (
    UPDATE logins l SET refresh_hash = $3, expires_at = now() + make_interval(secs => $4)
      FROM users u
     WHERE l.login_id = $1 AND l.refresh_hash = $2 AND l.expires_at > now() AND u.user_id = l.user_id AND u.active
    RETURNING u.user_id, u.role, u.token_version
), forgotten AS (
    DELETE FROM spent_refresh_tokens WHERE login_id = $1 AND spent_at <= now() - make_interval(secs => $6)
), spent AS (
    INSERT INTO spent_refresh_tokens (login_id, refresh_hash, salt) SELECT $1, $2, $5 FROM rotated
)
SELECT * FROM rotated
"""
_SPENT_SQL = """
SELECT s.refresh_hash, s.salt, l.refresh_hash AS newest, u.user_id, u.role, u.token_version
  FROM spent_refresh_tokens s JOIN logins l USING (login_id) JOIN users u USING (user_id)
 WHERE login_id = $1 AND s.spent_at > now() - make_interval(secs => $2) AND l.expires_at > now() AND u.active
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
    """A login that was started or renewed, with the user's current role and the next refresh token."""

    user_id: int
    role: str
    token_version: int
    """Token version of the account, for the access token."""
    refresh: str


class Logins:
    """Starts, renews and ends logins."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def start(self, user_id: int, password_hash: str | None) -> Login:
        """Starts a login if the account's password still has this hash. Raises Problem `bad_credentials`."""
        login_id, secret = UUID(bytes=secrets.token_bytes(16), version=4), secrets.token_bytes(_SECRET_BYTES)
        row = await self._pool.fetchrow(
            _START_SQL, login_id, user_id, _hash(secret), float(REFRESH_LIFETIME_S), password_hash
        )
        if row is None:
            raise wrong_credentials()
        return _login(row, login_id, secret)

    async def renew(self, refresh: str) -> Login:
        """Exchanges a refresh token for the next one.

        Raises Problem `token_expired` or `token_invalid`. A spent token ends the login.
        """
        login_id, secret = _read(refresh)
        fresh = secrets.token_bytes(_SECRET_BYTES)
        row = await self._pool.fetchrow(
            _ROTATE_SQL, login_id, _hash(secret), _hash(fresh), float(REFRESH_LIFETIME_S)
        )
        if row is None:
            raise await self._rejected(login_id, secret)
        return _login(row, login_id, fresh)

    async def renew_session(self, refresh: str) -> Login:
        """Exchanges a browser's refresh token for the next one; within SUCCESSOR_S again for the same one.

        If that one was spent meanwhile, for the newest that follows from it. Raises Problem as `renew`.
        """
        login_id, secret = _read(refresh)
        salt = secrets.token_bytes(_SECRET_BYTES)
        next_secret = _successor(secret, salt)
        row = await self._pool.fetchrow(
            _ROTATE_SESSION_SQL,
            login_id,
            _hash(secret),
            _hash(next_secret),
            float(REFRESH_LIFETIME_S),
            salt,
            float(SUCCESSOR_S),
        )
        if row is not None:
            return _login(row, login_id, next_secret)
        spent = await self._pool.fetch(_SPENT_SQL, login_id, float(SUCCESSOR_S))
        newest = _newest(secret, {row["refresh_hash"]: row["salt"] for row in spent})
        if newest is None or _hash(newest) != spent[0]["newest"]:
            raise await self._rejected(login_id, secret)
        return _login(spent[0], login_id, newest)

    async def end(self, refresh: str) -> None:
        """Ends the login that a refresh token belongs to, spent or not. Idempotent."""
        login_id, secret = _read(refresh)
        await self._pool.execute(_END_SQL, login_id, _hash(secret))

    async def _rejected(self, login_id: UUID, secret: bytes) -> Problem:
        """Ends the login of a token that is not valid. Returns the problem that says why."""
        if await self._pool.fetchval(_END_SQL, login_id, _hash(secret)):
            return Problem("token_expired", "The refresh token has expired: log in again.")
        return _invalid_token()

    async def delete_expired(self) -> None:
        """Deletes expired logins and links."""
        await self._pool.execute(_END_EXPIRED_SQL)


def wrong_credentials() -> Problem:
    """The problem for a failed login, the same for every reason."""
    return Problem("bad_credentials", "User name or password is wrong: check both and try again.")


def _login(row: asyncpg.Record, login_id: UUID, secret: bytes) -> Login:
    refresh = base64.urlsafe_b64encode(login_id.bytes + secret).decode()
    return Login(row["user_id"], row["role"], row["token_version"], refresh)


def _successor(secret: bytes, salt: bytes) -> bytes:
    return hmac.digest(secret, salt, "sha256")


def _newest(secret: bytes, salts: Mapping[bytes, bytes]) -> bytes | None:
    """The newest secret that follows from a spent one; None for a secret that was not spent lately.

    `salts` are those of the spent secrets, by their hashes.
    """
    if _hash(secret) not in salts:
        return None
    for _ in range(len(salts)):
        if (salt := salts.get(_hash(secret))) is None:
            break
        secret = _successor(secret, salt)
    return secret


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _read(refresh: str) -> tuple[UUID, bytes]:
    try:
        token = base64.b64decode(refresh, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid_token() from None
    if len(token) != 16 + _SECRET_BYTES:
        raise _invalid_token()
    return UUID(bytes=token[:16]), token[16:]


def _invalid_token() -> Problem:
    return Problem("token_invalid", "This refresh token is not valid or no longer valid: log in again.")

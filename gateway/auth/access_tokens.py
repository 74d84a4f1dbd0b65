"""Access tokens: issued, and verified at the price of a dictionary look-up.

Tokens are JWTs, valid for 60 minutes. A verified token is cached until it expires, under one key for every form of
the header; the cache is bounded in bytes. Whether the token has been revoked is looked up every time (revocation.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import msgspec

from gateway.auth.revocation import RevocationsOutdated
from gateway.http.integers import read_integer
from gateway.http.problems import Problem
from runtime.signing_keys import read_signing_keys

ACCESS_LIFETIME_S = 3600
ISSUER = "aisle"
ROLES = ("customer", "staff", "admin")

_MAX_CACHED_BYTES = 32 * 1024 * 1024
_ENTRY_BYTES = 600
"""Bytes of a cache entry beside the token itself."""
_MAX_HEADER = 4096
"""Bytes of an Authorization header, blanks included."""
_BEARER = b"Bearer "
_TOKEN = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""The only spelling of a token that is accepted: base64 decoders ignore other bytes, so a token would have many."""
_CLOCK_LEEWAY_S = 60


class Caller(msgspec.Struct, frozen=True):
    """The account and role in a valid access token."""

    user_id: int
    role: str

    @property
    def staff(self) -> bool:
        return self.role != "customer"

    @property
    def admin(self) -> bool:
        return self.role == "admin"


class Tokens:
    """Issues and verifies access tokens.

    `keys` is the value of AISLE_JWT_KEYS (signing_keys.py); raises SettingError if it is invalid. `versions` maps an
    account to the lowest token version that it accepts, and `is_fresh` returns whether that map is up to date
    (revocation.py).
    """

    def __init__(
        self, keys: str | None, versions: Mapping[int, int], is_fresh: Callable[[], bool] = lambda: True
    ) -> None:
        self._keys = read_signing_keys(keys)
        self._signing = next(iter(self._keys.values()))
        self._versions = versions
        self._is_fresh = is_fresh
        self._jwt = jwt.PyJWT()
        self._cache: dict[bytes | None, tuple[int, int, int, Caller]] = {}
        """Verified tokens, by the header in its usual form, `Bearer <token>`."""
        self._cached_bytes = 0

    def issue_access(self, user_id: int, role: str, now_s: float, version: int = 0) -> str:
        """A new token, valid for an hour; `version` is the account's token version at the login."""
        issued_s = int(now_s)
        claims: dict[str, Any] = {
            "sub": str(user_id),
            "role": role,
            "iat": issued_s,
            "exp": issued_s + ACCESS_LIFETIME_S,
            "iss": ISSUER,
        }
        if version:
            claims["ver"] = version
        key = self._signing
        return self._jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid})

    def verify(self, authorization: bytes | None, now_s: float) -> Caller:
        """The caller, from the value of the Authorization header.

        Raises Problem: `unauthenticated` without a token, `token_expired`, `token_invalid` for a token that is
        malformed, forged or revoked. Raises RevocationsOutdated while the revocations are out of date.
        """
        verified = self._cache.get(authorization)
        if verified is None:
            header = _BEARER + _bearer(authorization)
            verified = self._cache.get(header) or self._decode(header, now_s)
        expires_s, version, user_id, caller = verified
        if now_s >= expires_s:
            raise Problem("token_expired", "The access token has expired: refresh it, or log in again.")
        if not self._is_fresh():
            raise RevocationsOutdated
        if version < self._versions.get(user_id, 0):
            raise _invalid(
                "The account has changed since this token was issued: refresh it, or log in again."
            )
        return caller

    def _decode(self, header: bytes, now_s: float) -> tuple[int, int, int, Caller]:
        """Verifies the token of a header, and caches it unless it has expired."""
        claims = self._claims(header[len(_BEARER) :].decode())
        subject, role, expires_s, issued_s = (claims[name] for name in ("sub", "role", "exp", "iat"))
        version = claims.get("ver", 0)
        if not (
            (user_id := read_integer(subject, 10**16 - 1, smallest=0)) is not None
            and role in ROLES
            and isinstance(expires_s, int)
            and isinstance(issued_s, int)
            and isinstance(version, int)
            and issued_s <= now_s + _CLOCK_LEEWAY_S
        ):
            raise _invalid("The access token is not one of Aisle's: log in again.")
        verified = (expires_s, version, user_id, Caller(user_id, role))
        if now_s < expires_s:
            self._cache[header] = verified
            self._cached_bytes += len(header) + _ENTRY_BYTES
            while self._cached_bytes > _MAX_CACHED_BYTES:
                oldest = next(iter(self._cache))
                del self._cache[oldest]
                self._cached_bytes -= len(oldest or b"") + _ENTRY_BYTES
        return verified

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
            # The algorithm is the key's, never the token's. Times are checked by `verify`, against its own clock.
            return self._jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                issuer=ISSUER,
                options={
                    "require": ["sub", "role", "iat", "exp", "iss"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise _invalid("The access token cannot be verified: log in again.") from None


def _bearer(authorization: bytes | None) -> bytes:
    """The token of an Authorization header."""
    given = authorization or b""
    if len(given) > _MAX_HEADER:
        raise _invalid(f"The Authorization header has more than {_MAX_HEADER} bytes: log in at /api/login.")
    scheme, _, rest = given.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Problem(
            "unauthenticated", "Log in at /api/login and send 'Authorization: Bearer <access token>'."
        )
    token = rest.strip()
    if not token:
        raise _invalid("There is no access token after 'Bearer': log in at /api/login.")
    if _TOKEN.fullmatch(token) is None:
        raise _invalid("The access token cannot be verified: log in again.")
    return token


def _invalid(detail: str) -> Problem:
    return Problem("token_invalid", detail)

"""Access tokens: authentication at the price of a dictionary look-up.

Tokens are JWTs of 60 minutes. A token that was checked once is remembered, by the bytes of its header, until
it expires; whether its account has revoked it since is looked up every time (revocation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jwt
import msgspec

from gateway.auth.revocation import RevocationsOutdated
from gateway.auth.signing_keys import read_signing_keys
from gateway.http.integers import read_integer
from gateway.http.problems import Problem

ACCESS_LIFETIME_S = 3600
ISSUER = "aisle"
ROLES = ("customer", "staff", "admin")

_MAX_REMEMBERED = 50_000
_MAX_HEADER = 4096
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
        self._remembered: dict[bytes | None, tuple[int, int, int, Caller]] = {}

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
        remembered = self._remembered.get(authorization)
        if remembered is None:
            remembered = self._remember(authorization, now_s)
        expires_s, version, user_id, caller = remembered
        if now_s >= expires_s:
            self._remembered.pop(authorization, None)
            raise Problem("token_expired", "The access token has expired: refresh it, or log in again.")
        if not self._is_fresh():
            raise RevocationsOutdated
        if version < self._versions.get(user_id, 0):
            raise _invalid(
                "The account has changed since this token was issued: refresh it, or log in again."
            )
        return caller

    def _remember(self, authorization: bytes | None, now_s: float) -> tuple[int, int, int, Caller]:
        claims = self._claims(_bearer(authorization))
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
        checked = (expires_s, version, user_id, Caller(user_id, role))
        if now_s < expires_s:
            if len(self._remembered) >= _MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[authorization] = checked
        return checked

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


def _bearer(authorization: bytes | None) -> str:
    scheme, _, token = (authorization or b"").partition(b" ")
    if scheme.lower() != b"bearer":
        raise Problem(
            "unauthenticated", "Log in at /api/login and send 'Authorization: Bearer <access token>'."
        )
    token = token.strip()
    if not token or len(token) > _MAX_HEADER or not token.isascii():
        raise _invalid("There is no access token after 'Bearer': log in at /api/login.")
    return token.decode()


def _invalid(detail: str) -> Problem:
    return Problem("token_invalid", detail)

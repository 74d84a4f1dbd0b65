"""Access tokens: who calls, at the price of a dictionary look-up.

Tokens are JWTs of 60 minutes. A token that was checked once is remembered, by the bytes of its header, until
it expires; whether its account has revoked it since is looked up every time (gateway/revocation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jwt
import msgspec

from gateway.problems import Problem
from gateway.revocation import RevocationsOutdated
from gateway.signing_keys import read_signing_keys

ACCESS_LIFETIME_S = 3600
ISSUER = "aisle"
ROLES = ("customer", "staff", "admin")

_MAX_REMEMBERED = 50_000
_MAX_HEADER = 4096
_CLOCK_LEEWAY_S = 60


class Caller(msgspec.Struct, frozen=True):
    """Who asks, as a valid access token says."""

    user_id: int
    role: str

    @property
    def staff(self) -> bool:
        return self.role != "customer"

    @property
    def admin(self) -> bool:
        return self.role == "admin"


class Tokens:
    """Issues and checks access tokens.

    `keys` is the value of AISLE_JWT_KEYS (gateway/signing_keys.py). `versions` has the lowest version that the tokens
    of an account need, and `is_fresh` says whether it may be relied upon (gateway/revocation.py). Raises SettingError
    for keys that are none.
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
        """A token for the next hour; `version` is the account's token version as the login found it."""
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
        """Who calls, from the value of the Authorization header.

        Raises Problem: `unauthenticated` without a token, `token_expired`, `token_invalid` for one that is
        wrong or whose account was deactivated or got another role or password. Raises RevocationsOutdated
        where that cannot be told now.
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
            (subject.isascii() and subject.isdigit() and len(subject) <= 16)
            and role in ROLES
            and isinstance(expires_s, int)
            and isinstance(issued_s, int)
            and isinstance(version, int)
            and issued_s <= now_s + _CLOCK_LEEWAY_S
        ):
            raise _invalid("The access token is not one of Aisle's: log in again.")
        checked = (expires_s, version, int(subject), Caller(int(subject), role))
        if now_s < expires_s:
            if len(self._remembered) >= _MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[authorization] = checked
        return checked

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
            # The algorithm is the key's, whatever the token says.
            # The times are checked by the caller, against the caller's clock.
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

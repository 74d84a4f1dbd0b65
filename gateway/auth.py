"""Access tokens: who calls, at the price of a dictionary look-up.

Tokens are JWTs of 60 minutes. A token that was checked once is remembered, by the bytes of its header, until
it expires; what an account lost since the token was issued is looked up every time (gateway/standings.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
import msgspec

from gateway.problems import Problem
from gateway.signing_keys import read_signing_keys
from gateway.standings import Standing

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

    `keys` is the value of AISLE_JWT_KEYS (gateway/signing_keys.py). `standings` says what changed about
    accounts lately. Raises SettingError for keys that are none.
    """

    def __init__(self, keys: str | None, standings: Mapping[int, Standing]) -> None:
        self._keys = read_signing_keys(keys)
        self._signing = next(iter(self._keys.values()))
        self._standings = standings
        self._jwt = jwt.PyJWT()
        self._remembered: dict[bytes | None, tuple[int, int, int, Caller]] = {}

    def issue_access(self, user_id: int, role: str, now_s: float, since_us: int = 0) -> str:
        """A token that says who someone is for the next hour; `since_us` as in gateway/standings.py."""
        issued_s = int(now_s)
        claims: dict[str, Any] = {
            "sub": str(user_id),
            "role": role,
            "iat": issued_s,
            "exp": issued_s + ACCESS_LIFETIME_S,
            "iss": ISSUER,
        }
        if since_us:
            claims["since"] = since_us
        key = self._signing
        return self._jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid})

    def verify(self, authorization: bytes | None, now_s: float) -> Caller:
        """Who calls, from the value of the Authorization header.

        Raises Problem: `unauthenticated` without a token, `token_expired`, `token_invalid` for one that is
        wrong or whose account was deactivated or got another role or password.
        """
        remembered = self._remembered.get(authorization)
        if remembered is None:
            remembered = self._remember(authorization, now_s)
        expires_s, since_us, user_id, caller = remembered
        if now_s >= expires_s:
            self._remembered.pop(authorization, None)
            raise Problem("token_expired", "The access token has expired: refresh it, or log in again.")
        standing = self._standings.get(user_id)
        if standing is not None and not standing.accepts(caller.role, since_us):
            raise _invalid("The account has changed since this token was issued: log in again.")
        return caller

    def _remember(self, authorization: bytes | None, now_s: float) -> tuple[int, int, int, Caller]:
        claims = self._claims(_bearer(authorization))
        subject, role, expires_s, issued_s = (claims[name] for name in ("sub", "role", "exp", "iat"))
        since_us = claims.get("since", 0)
        if not (
            (subject.isascii() and subject.isdigit() and len(subject) <= 16)
            and role in ROLES
            and isinstance(expires_s, int)
            and isinstance(issued_s, int)
            and isinstance(since_us, int)
            and issued_s <= now_s + _CLOCK_LEEWAY_S
        ):
            raise _invalid("The access token is not one of Aisle's: log in again.")
        checked = (expires_s, since_us, int(subject), Caller(int(subject), role))
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

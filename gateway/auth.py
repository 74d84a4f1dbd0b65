"""Access tokens: who calls, at the price of a dictionary look-up.

Tokens are JWTs of 60 minutes. A token that was checked once is remembered, by the bytes of its header, until
it expires; what an account lost since the token was issued is looked up every time (gateway/standings.py).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jwt
import msgspec

from gateway.problems import Problem
from gateway.standings import Standing
from runtime.settings import SettingError

ACCESS_LIFETIME_S = 3600
ISSUER = "aisle"
ROLES = ("customer", "staff", "admin")

_MAX_REMEMBERED = 50_000
_MAX_HEADER = 4096
_CLOCK_LEEWAY_S = 60
_MIN_KEY_BYTES = 32


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


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    alg: Literal["HS256"]
    key: str


class Tokens:
    """Issues and checks access tokens.

    `keys` is the value of AISLE_JWT_KEYS: a JSON list of `{"kid", "alg": "HS256", "key": base64url}`. The
    first signs, all verify: a new key is put first, and the old one taken away once its last token has run
    out. `standings` says what changed about accounts lately. Raises SettingError for keys that are none.
    """

    def __init__(self, keys: str | None, standings: Mapping[int, Standing]) -> None:
        self._keys = _read_keys(keys)
        self._signing = next(iter(self._keys))
        self._standings = standings
        self._jwt = jwt.PyJWT()
        self._remembered: dict[bytes | None, tuple[int, int, int, Caller]] = {}

    def issue_access(self, user_id: int, role: str, now_s: float) -> str:
        """A token that says who someone is for the next hour."""
        issued_s = int(now_s)
        claims = {
            "sub": str(user_id),
            "role": role,
            "iat": issued_s,
            "exp": issued_s + ACCESS_LIFETIME_S,
            "iss": ISSUER,
        }
        key = self._keys[self._signing]
        return self._jwt.encode(claims, key, algorithm="HS256", headers={"kid": self._signing})

    def verify(self, authorization: bytes | None, now_s: float) -> Caller:
        """Who calls, from the value of the Authorization header.

        Raises Problem: `unauthenticated` without a token, `token_expired`, `token_invalid` for one that is
        wrong or whose account was deactivated or got another role or password.
        """
        remembered = self._remembered.get(authorization)
        if remembered is None:
            remembered = self._remember(authorization, now_s)
        expires_s, issued_s, user_id, caller = remembered
        if now_s >= expires_s:
            self._remembered.pop(authorization, None)
            raise Problem("token_expired", "The access token has expired: refresh it, or log in again.")
        standing = self._standings.get(user_id)
        if standing is not None and not standing.accepts(caller.role, issued_s):
            raise _invalid("The account has changed since this token was issued: log in again.")
        return caller

    def _remember(self, authorization: bytes | None, now_s: float) -> tuple[int, int, int, Caller]:
        claims = self._claims(_bearer(authorization))
        subject, role, expires_s, issued_s = (claims[name] for name in ("sub", "role", "exp", "iat"))
        if not (
            (subject.isascii() and subject.isdigit() and len(subject) <= 16)
            and role in ROLES
            and isinstance(expires_s, int)
            and isinstance(issued_s, int)
            and issued_s <= now_s + _CLOCK_LEEWAY_S
        ):
            raise _invalid("The access token is not one of Aisle's: log in again.")
        checked = (expires_s, issued_s, int(subject), Caller(int(subject), role))
        if now_s < expires_s:
            if len(self._remembered) >= _MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[authorization] = checked
        return checked

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
            # The times are checked by the caller, against the caller's clock.
            return self._jwt.decode(
                token,
                key,
                algorithms=["HS256"],
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


def _read_keys(value: str | None) -> dict[str, bytes]:
    wanted = 'AISLE_JWT_KEYS: a JSON list of {"kid": …, "alg": "HS256", "key": 32 bytes or more in base64url}'
    if value is None:
        raise SettingError(f"{wanted} is wanted")
    try:
        keys = msgspec.json.decode(value, type=list[_Key])
        secrets = {key.kid: _base64url(key.key) for key in keys}
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise SettingError(f"{wanted} is wanted: {error}") from None
    if not keys or len(secrets) != len(keys) or min(map(len, secrets.values())) < _MIN_KEY_BYTES:
        raise SettingError(f"{wanted} is wanted, with at least one key and each kid once")
    return secrets


def _base64url(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

"""The keys of access tokens, as AISLE_JWT_KEYS has them.

A JSON list of `{"kid", "alg", "key"}`, each key in base64url. The first signs, all verify: a new key is put first,
and the old one taken away an hour later, when its last token has run out. Nobody is logged out.

- `HS256`: a secret of 32 bytes or more.
- `EdDSA` (Ed25519): the private key as its 32 bytes or as PKCS #8 in DER, or the public one as
  SubjectPublicKeyInfo in DER, which only verifies. DER is what `openssl … -outform DER` writes.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from runtime.settings import SettingError

_MIN_SECRET_BYTES = 32
_RAW_BYTES = 32
_WANTED = (
    'AISLE_JWT_KEYS: a JSON list of {"kid": …, "alg": "HS256", "key": 32 bytes or more in base64url}'
    ' or {"kid": …, "alg": "EdDSA", "key": an Ed25519 key in base64url}'
)


class SigningKey(msgspec.Struct, frozen=True):
    """One key, ready to be used. Without `private` it only verifies."""

    kid: str
    algorithm: str
    private: Any
    public: Any


class _Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    alg: Literal["HS256", "EdDSA"]
    key: str


def read_signing_keys(value: str | None) -> dict[str, SigningKey]:
    """The keys by their `kid`, the one that signs first. Raises SettingError, which shows no key."""
    if value is None:
        raise SettingError(f"{_WANTED} is wanted")
    try:
        given = msgspec.json.decode(value, type=list[_Given])
    except msgspec.ValidationError as error:
        raise SettingError(f"{_WANTED} is wanted: {_where(error)} is not of this form") from None
    except (msgspec.DecodeError, ValueError):
        raise SettingError(f"{_WANTED} is wanted: this is not JSON") from None
    keys = {}
    for number, one in enumerate(given, start=1):
        try:
            keys[one.kid] = _read(one)
        except ValueError as error:
            raise SettingError(f"{_WANTED} is wanted: key number {number} {error}") from None
    if not keys or len(keys) != len(given):
        raise SettingError(f"{_WANTED} is wanted, with at least one key and each kid once")
    if next(iter(keys.values())).private is None:
        raise SettingError("AISLE_JWT_KEYS: the first key signs, so it has to be a private one")
    return keys


def _where(error: msgspec.ValidationError) -> str:
    """The place in the list. The error itself repeats what it found, which may be a key."""
    found = re.search(r"`\$\[(\d+)\]", str(error))
    return f"key number {int(found[1]) + 1}" if found else "it"


def _read(given: _Given) -> SigningKey:
    try:
        body = base64.b64decode(given.key + "=" * (-len(given.key) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("is not in base64url") from None
    if given.alg == "HS256":
        if len(body) < _MIN_SECRET_BYTES:
            raise ValueError(f"has fewer than {_MIN_SECRET_BYTES} bytes")
        return SigningKey(given.kid, given.alg, body, body)
    key = _ed25519(body)
    if isinstance(key, Ed25519PublicKey):
        return SigningKey(given.kid, given.alg, None, key)
    return SigningKey(given.kid, given.alg, key, key.public_key())


def _ed25519(body: bytes) -> Ed25519PrivateKey | Ed25519PublicKey:
    if len(body) == _RAW_BYTES:
        return Ed25519PrivateKey.from_private_bytes(body)
    for key in (_private(body), _public(body)):
        if isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
            return key
    raise ValueError("is no Ed25519 key")


def _private(body: bytes) -> object:
    try:
        return load_der_private_key(body, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _public(body: bytes) -> object:
    try:
        return load_der_public_key(body)
    except (ValueError, UnsupportedAlgorithm):
        return None

"""Signing keys: of access tokens, from AISLE_JWT_KEYS, and of tickets, from AISLE_TICKET_KEYS.

A JSON list of `{"kid", "alg", "key"}`, each key in base64url. The first key signs, all keys verify. To rotate, put
the new key first and remove the old one when nothing that it signed is valid any more: for access tokens an hour later;
for tickets after the last show for which it signed any.

- `HS256`: a secret of 32 bytes or more. Not for tickets, which others verify.
- `EdDSA` (Ed25519): a private key as 32 bytes or as PKCS #8 in DER, or a public key as SubjectPublicKeyInfo in DER,
  which only verifies. `openssl … -outform DER` writes DER.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from runtime.settings import SettingError

_MIN_SECRET_BYTES = 32
_RAW_BYTES = 32
_ED25519_FORM = '{"kid": …, "alg": "EdDSA", "key": an Ed25519 key in base64url}'
_EXPECTED_FORM = (
    'AISLE_JWT_KEYS: a JSON list of {"kid": …, "alg": "HS256", "key": 32 bytes or more in base64url}'
    f" or {_ED25519_FORM}"
)
_EXPECTED_TICKET_FORM = f"AISLE_TICKET_KEYS: a JSON list of {_ED25519_FORM}"


class SigningKey(msgspec.Struct, frozen=True):
    """One parsed key. Without `private` it only verifies."""

    kid: str
    algorithm: str
    private: Any
    public: Any


class TicketKeys(NamedTuple):
    """The keys of tickets: the private one that signs, and all public ones by `kid`, the signing key's first."""

    private: Ed25519PrivateKey
    public: Mapping[str, Ed25519PublicKey]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    alg: Literal["HS256", "EdDSA"]
    key: str


class _TicketEntry(_Entry, frozen=True, forbid_unknown_fields=True):
    alg: Literal["EdDSA"]


def read_signing_keys(value: str | None) -> dict[str, SigningKey]:
    """The keys by `kid`, the signing key first. Raises SettingError, whose message contains no key."""
    return _read(value, _EXPECTED_FORM, _Entry)


def read_ticket_keys(value: str | None) -> TicketKeys:
    """The keys in AISLE_TICKET_KEYS. Raises SettingError, whose message contains no key."""
    keys = _read(value, _EXPECTED_TICKET_FORM, _TicketEntry)
    private = next(iter(keys.values())).private
    return TicketKeys(private, {kid: key.public for kid, key in keys.items()})


def _read(value: str | None, expected: str, entry_type: type[_Entry]) -> dict[str, SigningKey]:
    if value is None:
        raise SettingError(f"{expected} is wanted")
    try:
        entries: list[_Entry] = msgspec.json.decode(value, type=list[entry_type])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise SettingError(f"{expected} is wanted: {_entry_number(error)} is not of this form") from None
    except (msgspec.DecodeError, ValueError):
        raise SettingError(f"{expected} is wanted: this is not JSON") from None
    keys = {}
    for number, entry in enumerate(entries, start=1):
        try:
            keys[entry.kid] = _parse(entry)
        except ValueError as error:
            raise SettingError(f"{expected} is wanted: key number {number} {error}") from None
    if not keys or len(keys) != len(entries):
        raise SettingError(f"{expected} is wanted, with at least one key and each kid once")
    if next(iter(keys.values())).private is None:
        setting = expected.partition(":")[0]
        raise SettingError(f"{setting}: the first key signs, so it has to be a private one")
    return keys


def _entry_number(error: msgspec.ValidationError) -> str:
    """The number of the invalid entry. The error's own message may contain a key, so it is not used."""
    found = re.search(r"`\$\[(\d+)\]", str(error))
    return f"key number {int(found[1]) + 1}" if found else "it"


def _parse(entry: _Entry) -> SigningKey:
    try:
        body = base64.b64decode(entry.key + "=" * (-len(entry.key) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise ValueError("is not in base64url") from None
    if entry.alg == "HS256":
        if len(body) < _MIN_SECRET_BYTES:
            raise ValueError(f"has fewer than {_MIN_SECRET_BYTES} bytes")
        return SigningKey(entry.kid, entry.alg, body, body)
    key = _ed25519(body)
    if isinstance(key, Ed25519PublicKey):
        return SigningKey(entry.kid, entry.alg, None, key)
    return SigningKey(entry.kid, entry.alg, key, key.public_key())


def _ed25519(body: bytes) -> Ed25519PrivateKey | Ed25519PublicKey:
    if len(body) == _RAW_BYTES:
        return Ed25519PrivateKey.from_private_bytes(body)
    for key in (_private(body), _public(body)):
        if isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
            return key
    raise ValueError("is not an Ed25519 key")


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

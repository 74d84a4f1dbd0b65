"""Signatures of Standard Webhooks: `v1` with HMAC-SHA256, `v1a` with Ed25519. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_BYTES = 32
PRIVATE_KEY_BYTES = 32


class SigningKeys(msgspec.Struct, frozen=True):
    """A webhook's secret, and the private key of its key pair: `SECRET_BYTES` random bytes and 32 of Ed25519."""

    secret: bytes
    private_key: bytes

    @property
    def shown_secret(self) -> str:
        """The secret as the receiver configures it: `whsec_…`."""
        return "whsec_" + base64.b64encode(self.secret).decode()

    @property
    def shown_public_key(self) -> str:
        """The public key as the receiver configures it: `whpk_…`."""
        return shown_public_key(self.private_key)


def shown_public_key(private_key: bytes) -> str:
    """The public key of a private one: `whpk_…`."""
    public = Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()
    return "whpk_" + base64.b64encode(public).decode()


def sign(event_id: str, timestamp_s: int, body: bytes, keys: Sequence[SigningKeys]) -> str:
    """The header `webhook-signature`: two signatures of each key, separated by blanks."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    signatures = []
    for key in keys:
        mac = hmac.digest(key.secret, signed, hashlib.sha256)
        signature = Ed25519PrivateKey.from_private_bytes(key.private_key).sign(signed)
        signatures += [f"v1,{base64.b64encode(mac).decode()}", f"v1a,{base64.b64encode(signature).decode()}"]
    return " ".join(signatures)

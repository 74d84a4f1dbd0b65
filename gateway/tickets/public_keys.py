"""The public keys of tickets, with which scanners and other systems verify QR codes without a connection (RFC 7517)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Response, Router, get

from tickets.tokens import fingerprint

PATH = "/.well-known/jwks.json"
_CACHE_S = 300


class PublicKey(msgspec.Struct, frozen=True):
    """An Ed25519 key (RFC 8037)."""

    kid: str
    x: str
    """The 32 bytes of the key in base64url."""
    fingerprint: str
    """The two bytes in hexadecimal by which a token names this key."""
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = "EdDSA"


class PublicKeys(msgspec.Struct, frozen=True):
    """Every key that tickets may be signed with; the first signs new ones."""

    keys: tuple[PublicKey, ...]


class PublicTicketKeys:
    """The route of the keys. They are those of the settings, so its response never changes while the process runs."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = PublicKeys(tuple(public_key(kid, key) for kid, key in keys.items()))

    def routes(self) -> Router:
        """The router for the framework."""
        keys = self._keys

        @get(PATH, operation_id="GetTicketKeys")
        async def public_keys() -> Response[PublicKeys]:
            """The public keys of tickets, those that only verify older tickets too, as a JSON Web Key Set.

            The code of a ticket names its key by `fingerprint`.
            """
            return Response(keys, headers={"Cache-Control": f"public, max-age={_CACHE_S}"})

        return Router("/", route_handlers=[public_keys], tags=["Check-in"])


def public_key(kid: str, key: Ed25519PublicKey) -> PublicKey:
    """The form in which others get a key."""
    return PublicKey(kid, _base64url(key.public_bytes_raw()), fingerprint(key).hex())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

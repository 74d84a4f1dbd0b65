"""One-time links: a secret that is e-mailed, of which only the hash is stored."""

from __future__ import annotations

import base64
import hashlib
import secrets


def new_token() -> str:
    """A token of 256 random bits, as it stands in a link."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def hash_of(token: str) -> bytes:
    """The SHA-256 under which a token is stored."""
    return hashlib.sha256(token.encode()).digest()

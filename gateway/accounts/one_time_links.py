"""One-time links: a secret token that is sent by e-mail and stored only as a hash."""

from __future__ import annotations

import base64
import hashlib
import secrets


def new_token() -> str:
    """A token of 256 random bits, in URL-safe Base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def hash_of(token: str) -> bytes:
    """The SHA-256 hash under which a token is stored."""
    return hashlib.sha256(token.encode()).digest()

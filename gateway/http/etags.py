"""Entity tags: a strong tag per response body, and the check of If-None-Match."""

from __future__ import annotations

import hashlib


def etag_of(*parts: bytes) -> bytes:
    """The strong tag of a body that is made from these parts."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return b'"%b"' % digest.hexdigest().encode()


def not_modified(if_none_match: bytes | None, etag: bytes) -> bool:
    """True if If-None-Match contains this tag, so that the response is 304."""
    if if_none_match is None:
        return False
    if if_none_match == etag:
        return True
    tags = [part.strip().removeprefix(b"W/") for part in if_none_match.split(b",")]
    return etag in tags or tags == [b"*"]

"""Entity tags: naming the bytes of an answer, and finding out that a client has them already."""

from __future__ import annotations

import hashlib


def etag_of(*parts: bytes) -> bytes:
    """A strong tag: the same parts, the same tag."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return b'"%b"' % digest.hexdigest().encode()


def not_modified(if_none_match: bytes | None, etag: bytes) -> bool:
    """Whether the header If-None-Match names this tag, so that 304 is the answer."""
    if if_none_match is None:
        return False
    if if_none_match == etag:
        return True
    given = [part.strip().removeprefix(b"W/") for part in if_none_match.split(b",")]
    return etag in given or given == [b"*"]

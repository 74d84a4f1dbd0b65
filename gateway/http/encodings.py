"""The content encoding that a client takes."""

from __future__ import annotations

from functools import lru_cache

OURS = (b"br", b"gzip")
"""Encodings of responses, the best first."""

_MOST = 1000


@lru_cache(maxsize=256)
def _accepted(header: bytes, ours: tuple[bytes, ...]) -> bytes:
    qualities: dict[bytes, bool] = {}
    for part in header.lower().split(b","):
        name, *options = (piece.strip() for piece in part.split(b";"))
        excluded = any(
            option.replace(b" ", b"") in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000") for option in options
        )
        qualities[name] = not excluded
    anything = qualities.get(b"*", False)
    return next((name for name in ours if qualities.get(name, anything)), b"")


def accepted_encoding(header: bytes, ours: tuple[bytes, ...] = OURS) -> bytes:
    """The first of ours that Accept-Encoding takes; b"" for none, so that a body is sent as it is."""
    return _accepted(header, ours) if len(header) <= _MOST else b""

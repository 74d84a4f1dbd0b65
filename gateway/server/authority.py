"""PURE: validation of Host headers and request targets, and the path and query of a target."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

_ORIGIN = re.compile(rb"[A-Za-z]+://[^/?#]*")
"""Scheme and authority of an absolute target."""
_MAX_BYTES = 264
"""A host name has at most 255 bytes, a port five digits."""
_MAX_PORT = 65_535
# RFC 3986 allows more characters, which no host name has: a comma may come from two headers that were joined.
_AUTHORITY = re.compile(
    rb"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+))"
    rb"(?::(?P<port>[0-9]{0,5}))?"
)


def is_authority(text: bytes) -> bool:
    """Whether this is a host, with or without a port, and nothing else: no user, no blanks."""
    return len(text) <= _MAX_BYTES and _is_authority(text)


@lru_cache(maxsize=1024)
def _is_authority(text: bytes) -> bool:
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found["port"] or 0) > _MAX_PORT:
        return False
    if found["ipv6"] is not None:
        try:
            IPv6Address(found["ipv6"].decode())
        except AddressValueError:
            return False
    return True


def same_authority(target: bytes, host: bytes) -> bool:
    """Whether an absolute target has the authority of the Host header. A default port may be left out."""
    scheme, authority = _parts(target)
    default = b":80" if scheme == b"http" else b":443"
    return _without(default, authority) == _without(default, host)


def _without(port: bytes, authority: bytes) -> bytes:
    return authority.lower().removesuffix(port).removesuffix(b":")


def _parts(target: bytes) -> tuple[bytes, bytes]:
    """Scheme, in lower case, and authority of an absolute target."""
    scheme, _, rest = target.partition(b"://")
    return scheme.lower(), re.split(rb"[/?#]", rest, maxsplit=1)[0]


def is_target(target: bytes, method: bytes) -> bool:
    """Whether a request's target is a path, `*` of OPTIONS, or an http address with a valid authority."""
    if target.startswith(b"/"):
        return True
    if target == b"*":
        return method == b"OPTIONS"
    scheme, authority = _parts(target)
    return scheme in (b"http", b"https") and is_authority(authority)


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a target that `is_target` accepts. A fragment is dropped. Raises nothing."""
    if not target.startswith(b"/") and (origin := _ORIGIN.match(target)):
        target = target[origin.end() :]
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path or b"/", query

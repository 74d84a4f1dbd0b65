"""Client addresses, by which rate limits are kept.

`X-Forwarded-For` is used only on connections from AISLE_TRUSTED_PROXIES. It is read from the right: each trusted
proxy appended the address of its own client, and anything further left may be forged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

UNKNOWN = "unknown"
"""The address of a client without one, as behind a Unix socket."""

ADDRESS_KEY = "aisle.address"
"""Key of the client address in a request's ASGI scope."""

_LONGEST_ENTRY = 64
_MOST_HOPS = 16
_NETWORK_BITS = 64
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 clients of a translator in front of servers that have IPv6 only (RFC 6052)."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddresses:
    """Determines the client address of requests and WebSockets."""

    def __init__(self, trusted_proxies: Iterable[_Network]) -> None:
        self._trusted = tuple(trusted_proxies)

    def client_address(self, client: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The client's IPv4 address, or the /64 network of its IPv6 address, since one client owns all of it.

        `client` is the peer of the connection, as in ASGI.
        """
        peer: str = client[0] if client else ""
        if not self._trusted or not self._is_trusted(_parsed(peer)):
            return _counted(peer)
        nearest = peer
        for entry in _forwarded(headers):
            if len(entry) > _LONGEST_ENTRY:
                break  # not cached either
            address = _parsed(entry)
            if address is None:
                break  # invalid or forged: the last trustworthy address counts
            nearest = entry
            if not self._is_trusted(address):
                break
        return _counted(nearest)

    def connection_address(self, client: tuple[str, int] | None) -> str | None:
        """The address that a connection from this client counts for; None for a trusted proxy, which is not limited."""
        address = _parsed(client[0]) if client else None
        if address is None or self._is_trusted(address):
            return None
        return _counted(client[0]) if client else None

    def _is_trusted(self, address: _Address | None) -> bool:
        return address is not None and any(
            address in network for network in self._trusted if network.version == address.version
        )


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The entries of X-Forwarded-For, nearest hop first, at most _MOST_HOPS."""
    values = [value for name, value in headers if name == b"x-forwarded-for"]
    entries = b",".join(values).rsplit(b",", _MOST_HOPS)[-_MOST_HOPS:]
    return [entry.strip().decode("latin-1") for entry in reversed(entries)]


@lru_cache(maxsize=20_000)
def _counted(text: str) -> str:
    address = _parsed(text)
    if address is None:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, _NETWORK_BITS), strict=False))


@lru_cache(maxsize=20_000)
def _parsed(text: str) -> _Address | None:
    """Parses an address, also with a port or in brackets as some proxies write it; None if it is invalid."""
    if len(text) > _LONGEST_ENTRY:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TRANSLATED:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address
    return address

"""Where a request comes from, so that limits can be kept per address.

`X-Forwarded-For` counts only where a proxy of AISLE_TRUSTED_PROXIES wrote it. It is read from the right: each
trusted proxy has added the address that it was asked from, and whatever stands further left may be invented.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

UNKNOWN = "unknown"
"""The address of who has none, as behind a Unix socket."""

ADDRESS_KEY = "aisle.address"
"""Where the address stands in the scope of a request."""

_LONGEST_ENTRY = 64
_MOST_HOPS = 16
_NETWORK_BITS = 64

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddresses:
    """Finds the address that a request or a socket counts for."""

    def __init__(self, trusted_proxies: Iterable[_Network]) -> None:
        self._trusted = tuple(trusted_proxies)

    def client_address(self, client: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The client's IPv4 address, or the /64 network of its IPv6 address, of which one client has all.

        `client`: who the connection comes from, as ASGI has it.
        """
        peer: str = client[0] if client else ""
        if not self._trusted or not self._is_trusted(_parsed(peer)):
            return _counted(peer)
        nearest = peer
        for entry in _forwarded(headers):
            address = _parsed(entry)
            if address is None:
                break  # a proxy wrote nonsense, or somebody else did: the last one that can be believed counts
            nearest = entry
            if not self._is_trusted(address):
                break
        return _counted(nearest)

    def _is_trusted(self, address: _Address | None) -> bool:
        return address is not None and any(
            address in network for network in self._trusted if network.version == address.version
        )


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The entries of X-Forwarded-For, the nearest hop first."""
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
    """An address, also with a port or in brackets as some proxies write it; None for what is none."""
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
    return getattr(address, "ipv4_mapped", None) or address

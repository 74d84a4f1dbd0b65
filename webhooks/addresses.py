"""Which addresses may be connected to: those of the public internet, and the networks that a setting names. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC: tuple[Network, ...] = (
    # Python's tables of special addresses differ by release, so those that matter are named here.
    ipaddress.IPv4Network("0.0.0.0/8"),
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv4Network("198.18.0.0/15"),
    ipaddress.IPv4Network("240.0.0.0/4"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("5f00::/16"),
    ipaddress.IPv6Network("fec0::/10"),
)


def read_address(text: str) -> Address | None:
    """The IP address in its usual notation, as an operating system returns it; None for anything else."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def may_connect(text: str, private_networks: Sequence[Network]) -> bool:
    """Whether this address is public, or in one of these networks.

    An IPv6 address that stands for an IPv4 one, such as `::ffff:127.0.0.1`, counts as that.
    """
    address = read_address(text)
    if address is None:
        return False
    address = _meant(address)
    if any(address in network for network in private_networks):
        return True
    return address.is_global and not address.is_multicast and not any(address in net for net in _NEVER_PUBLIC)


def _meant(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        low = int(address) & 0xFFFFFFFF
        if address in _NAT64:
            return ipaddress.IPv4Address(low)
        if int(address) >> 32 == 0 and low > 1:  # the deprecated ::127.0.0.1
            return ipaddress.IPv4Address(low)
    return address

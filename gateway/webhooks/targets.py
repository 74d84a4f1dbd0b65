"""Checks of a webhook's URL when it is given. The address that is connected to is checked again at each connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from gateway.http.bodies import invalid
from gateway.http.problems import Problem
from webhooks.addresses import Network, may_connect, read_address

_RESOLVE_S = 3.0
_WANTED = "an http:// or https:// address without a user name, a password or a # is wanted"


class Targets:
    """Says which URLs webhooks may have."""

    def __init__(self, private_networks: Sequence[Network]) -> None:
        self._private_networks = private_networks

    async def check(self, url: str) -> None:
        """Raises Problem: `validation`, or `webhook_address` for an address in a private network.

        A name that cannot be resolved now is taken: it may be entered in the DNS later.
        """
        host, port = _host_and_port(url)
        for address in await _addresses(host, port):
            if not may_connect(address, self._private_networks):
                raise Problem(
                    "webhook_address",
                    f"{address} is in a private network. Give an address that can be reached from the internet, or have"
                    " the operator add its network to AISLE_WEBHOOK_PRIVATE_NETWORKS.",
                    errors=[("url", "an address outside of private networks is wanted")],
                )


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise invalid(("url", _WANTED)) from None
    scheme_known = parts.scheme.lower() in ("http", "https")
    if not scheme_known or not parts.hostname or "@" in parts.netloc or "#" in url or port == 0:
        raise invalid(("url", _WANTED))
    if any(character.isspace() for character in url) or "\\" in url or "%" in parts.netloc:
        raise invalid(("url", _WANTED))
    return parts.hostname, port or (443 if parts.scheme.lower() == "https" else 80)


async def _addresses(host: str, port: int) -> list[str]:
    if read_address(host) is not None:
        return [host]
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return sorted({str(info[4][0]) for info in found})

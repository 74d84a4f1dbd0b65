"""Check of the Origin header of WebSocket handshakes, for which browsers send no preflight request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.http.problems import Problem
from runtime.addresses.web_address import DEFAULT_PORTS, read_public_url


class Origins:
    """Allowed origins: the site's own and those in AISLE_CORS_ORIGINS."""

    def __init__(self, public_url: str, others: Iterable[str]) -> None:
        self._allowed = {read_public_url(url) for url in (public_url, *others)}

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises Problem `forbidden` for an origin that is not allowed.

        A client without an Origin header is not a browser. An origin that equals the Host header is the site's own.
        """
        given = headers.get(b"origin")
        if given is None:
            return
        origin = given.decode("latin-1").lower()
        if origin in self._allowed:
            return
        scheme, _, host = origin.partition("://")
        if scheme in DEFAULT_PORTS and host and host == headers.get(b"host", b"").decode("latin-1").lower():
            return
        raise Problem(
            "forbidden",
            f"Pages of {origin[:100]} may not connect here; an operator can list it in AISLE_CORS_ORIGINS.",
        )

"""Which sites' pages may open a live socket: browsers send an Origin, and ask nobody before they connect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from gateway.problems import Problem

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origins:
    """The site's own origin and those in AISLE_CORS_ORIGINS."""

    def __init__(self, public_url: str, others: Iterable[str]) -> None:
        self._allowed = {_origin(url) for url in (public_url, *others)}

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises Problem `forbidden` for the page of a site that is not listed.

        Who sends no Origin is no browser. A page that came from the very host it now connects to is ours.
        """
        given = headers.get(b"origin")
        if given is None:
            return
        origin = given.decode("latin-1").lower()
        if origin in self._allowed:
            return
        scheme, _, host = origin.partition("://")
        if scheme in _DEFAULT_PORTS and host and host == headers.get(b"host", b"").decode("latin-1").lower():
            return
        raise Problem(
            "forbidden",
            f"Pages of {origin[:100]} may not connect here; an operator can list it in AISLE_CORS_ORIGINS.",
        )


def _origin(url: str) -> str:
    """An address as browsers write its origin: lower case, without the port that goes without saying."""
    parts = urlsplit(url.lower())
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"

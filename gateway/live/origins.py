"""Which sites' pages may open a live socket: browsers send an Origin, and ask nobody before they connect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.problems import Problem
from runtime.web_address import DEFAULT_PORTS, read_public_url


class Origins:
    """The site's own origin and those in AISLE_CORS_ORIGINS."""

    def __init__(self, public_url: str, others: Iterable[str]) -> None:
        self._allowed = {read_public_url(url) for url in (public_url, *others)}

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
        if scheme in DEFAULT_PORTS and host and host == headers.get(b"host", b"").decode("latin-1").lower():
            return
        raise Problem(
            "forbidden",
            f"Pages of {origin[:100]} may not connect here; an operator can list it in AISLE_CORS_ORIGINS.",
        )

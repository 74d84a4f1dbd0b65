"""Checks of the Origin header, where browsers send no preflight request or send a cookie by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.http.problems import Problem
from runtime.addresses.web_address import DEFAULT_PORTS, read_public_url


class Origins:
    """The site's own origin, and the other sites of AISLE_CORS_ORIGINS."""

    def __init__(self, public_url: str, others: Iterable[str] = ()) -> None:
        self._own = read_public_url(public_url)
        self._others = {read_public_url(url) for url in others}

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Checks the handshake of a WebSocket. Raises Problem `forbidden` for an origin that is not allowed.

        A client without an Origin header is not a browser.
        """
        given = headers.get(b"origin")
        if given is None or (origin := _text(given)) in self._others or self._is_own(origin, headers):
            return
        raise Problem(
            "forbidden",
            f"Pages of {origin[:100]} may not connect here; an operator can list it in AISLE_CORS_ORIGINS.",
        )

    def check_own(self, headers: Mapping[bytes, bytes]) -> None:
        """Checks a request with a cookie. Raises Problem `forbidden` unless it comes from the site's own pages.

        Without an Origin header, Sec-Fetch-Site decides. A client that sends neither is not a browser, and has no
        cookie that it was not given on purpose.
        """
        given = headers.get(b"origin")
        if given is None:
            own = headers.get(b"sec-fetch-site", b"same-origin") == b"same-origin"
        else:
            own = self._is_own(_text(given), headers)
        if not own:
            raise Problem(
                "forbidden",
                "Only the site's own pages may call this: log in at /login, or use /api/login.",
            )

    def _is_own(self, origin: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether an origin is that of AISLE_PUBLIC_URL, or equals the Host header."""
        if origin == self._own:
            return True
        scheme, _, host = origin.partition("://")
        return scheme in DEFAULT_PORTS and bool(host) and host == _text(headers.get(b"host", b""))


def _text(header: bytes) -> str:
    return header.decode("latin-1").lower()

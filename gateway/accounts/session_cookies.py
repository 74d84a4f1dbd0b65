"""The cookie with a browser's refresh token. Pure.

Scripts cannot read it, and browsers send it only to /api/session and only from the site's own pages.
"""

from __future__ import annotations

from gateway.accounts.logins import REFRESH_LIFETIME_S

COOKIE = "aisle_refresh"
_MAX_LENGTH = 256
"""Characters of a value that is looked at."""


class SessionCookies:
    """Writes the cookie. Unless the site's address is http, browsers send it by https only."""

    def __init__(self, public_url: str) -> None:
        secure = "" if public_url.startswith("http://") else "; Secure"
        self._attributes = f"; Path=/api/session; HttpOnly; SameSite=Strict{secure}"

    def set(self, refresh: str) -> str:
        """The value of Set-Cookie for a refresh token, as long as the token is valid."""
        return f"{COOKIE}={refresh}; Max-Age={REFRESH_LIFETIME_S}{self._attributes}"

    def clear(self) -> str:
        """The value of Set-Cookie that removes the cookie."""
        return f"{COOKIE}=; Max-Age=0{self._attributes}"


def read_cookie(header: bytes) -> str | None:
    """The refresh token in a Cookie header; None if there is none. The first of several counts."""
    for part in header.decode("latin-1").split(";"):
        name, _, value = part.partition("=")
        if name.strip() == COOKIE and (value := value.strip()):
            return value[:_MAX_LENGTH]
    return None

"""Security headers of every response.

A page sets its own Content-Security-Policy for the resources it uses. Every other response gets one that forbids
its use as a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_CSP = b"content-security-policy"
_STRICTEST_POLICY = [
    (_CSP, b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
]
_YEAR_S = 31_536_000


def headers_for(public_url: str, cors_origins: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Headers of every response. HSTS is sent if the public URL is https."""
    headers = [("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin")]
    if public_url.startswith("https://"):
        headers.append(("strict-transport-security", f"max-age={_YEAR_S}"))
    if cors_origins:
        # Also without an Origin: a cache may serve the same response to a cross-origin request.
        headers.append(("vary", "Origin"))
    return headers


def with_policy(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a response, with the strictest policy if it has none of its own."""
    all_headers = list(headers)
    return (
        all_headers
        if any(name.lower() == _CSP for name, _ in all_headers)
        else [*all_headers, *_STRICTEST_POLICY]
    )

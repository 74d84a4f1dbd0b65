"""What answers tell browsers not to do with them.

Pages have a Content-Security-Policy of their own, which names what they use; all else may be put to no use as a
page at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_CSP = b"content-security-policy"
_NO_PAGE = [
    (_CSP, b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
]
_YEAR_S = 31_536_000


def headers_for(public_url: str, cors_origins: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The headers of every answer. A site that is reached over TLS is to be reached by nothing else."""
    headers = [("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin")]
    if public_url.startswith("https://"):
        headers.append(("strict-transport-security", f"max-age={_YEAR_S}"))
    if cors_origins:
        # Also where no other site asks: a cache may have to give the answer to one that does.
        headers.append(("vary", "Origin"))
    return headers


def with_policy(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, with the strictest policy where it has none."""
    given = list(headers)
    return given if any(name.lower() == _CSP for name, _ in given) else [*given, *_NO_PAGE]

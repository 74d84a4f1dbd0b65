"""The language of a page: the address, the reader's choice of before, what the browser asks for, else English."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qsl

from gateway.http.exchange import Exchange, Header, Headers
from languages.words import LANGUAGES, ORIGINAL

PARAMETER = "lang"
COOKIE = "aisle_language"

_COOKIE = re.compile(rb"(?:^|;)[ \t]*aisle_language=\"?([A-Za-z0-9_-]{2,40})\"?[ \t]*(?=;|$)")
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")
_LONGEST = 1000
_YEAR_S = 31_536_000


def language_of(exchange: Exchange) -> str:
    """The language in which a request's page is written."""
    return language_for(exchange.query, exchange.headers)


def language_for(query: bytes, headers: Headers) -> str:
    """The same, of a request's query and headers."""
    return choose(
        language_parameter(query),
        _cookie(headers.get(b"cookie", b"")),
        headers.get(b"accept-language", b"").decode("latin-1"),
    )


def choose(parameter: str | None, cookie: str | None, accept_language: str) -> str:
    """The first that is a language of ours. Case does not matter, nor `_` for `-`, nor a region."""
    for given in (parameter, cookie):
        if given is not None and (known := known_language(given)) is not None:
            return known
    return _accepted(accept_language[:_LONGEST])


def known_language(tag: str) -> str | None:
    """The language of ours that a tag such as `de-AT`, `pt_BR` or `FR` names, if any."""
    code = re.split("[-_.@]", tag.strip().lower(), maxsplit=1)[0]
    return code if code in LANGUAGES else None


def language_parameter(query: bytes) -> str | None:
    """`?lang=` of a query; the first, should there be several."""
    if PARAMETER.encode() not in query or len(query) > _LONGEST:
        return None
    return next((value for name, value in parse_qsl(query.decode("latin-1")) if name == PARAMETER), None)


def cookie_headers(exchange: Exchange) -> list[Header]:
    """Keeps the language that the address names for the pages to come."""
    parameter = language_parameter(exchange.query)
    known = None if parameter is None else known_language(parameter)
    if known is None:
        return []
    return [(b"set-cookie", f"{COOKIE}={known}; Path=/; Max-Age={_YEAR_S}; SameSite=Lax".encode())]


def _cookie(header: bytes) -> str | None:
    found = _COOKIE.search(header)
    return None if found is None else found[1].decode()


@lru_cache(maxsize=512)
def _accepted(header: str) -> str:
    best, best_quality = ORIGINAL, 0.0
    for part in header.split(","):
        tag, *options = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for option in options:
            if (found := _QUALITY.match(option.replace(" ", "").lower())) is not None:
                quality = float(found[1])
        known = known_language(tag)
        if known is not None and quality > best_quality:
            best, best_quality = known, quality
    return best

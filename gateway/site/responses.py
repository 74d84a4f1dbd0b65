"""Responses that are pages: headers, entity tag, compression, and the cookie of a chosen language."""

from __future__ import annotations

import gzip
from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

import brotli

from gateway.http.encodings import accepted_encoding
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange, Header
from gateway.site.languages import cookie_headers

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; "
    b"font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HTML = b"text/html; charset=utf-8"
_HEADERS = (
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-cache"),
    (b"vary", b"Accept-Encoding, Accept-Language, Cookie"),
)
_SMALL = 500
"""Bytes below which compressing is not worth it."""
_MAX_BYTES = 16 * 2**20


class Page(Protocol):
    """A page with the strong tag of its body; a CachedResponse is one."""

    @property
    def body(self) -> bytes: ...
    @property
    def etag(self) -> bytes: ...


def respond_page(
    exchange: Exchange,
    page: Page,
    status: int = 200,
    headers: Iterable[Header] = (),
    policy: bytes = POLICY,
) -> None:
    """Sends a page; 304 where the client has it."""
    all_headers = [(b"content-security-policy", policy), *_HEADERS, *headers, *cookie_headers(exchange)]
    if status == 200:
        # Weak: the same page, compressed or not.
        all_headers.append((b"etag", b"W/" + page.etag))
        if not_modified(exchange.headers.get(b"if-none-match"), page.etag):
            exchange.respond_cacheable(304, b"", all_headers)
            return
    body, encoding_headers = encoded_body(exchange, page)
    exchange.respond_cacheable(status, body, [*all_headers, *encoding_headers], HTML)


def encoded_body(exchange: Exchange, page: Page) -> tuple[bytes, list[Header]]:
    """The body in an encoding that the client takes, with the header that names it."""
    encoding = accepted_encoding(exchange.headers.get(b"accept-encoding", b""))
    if not encoding or len(page.body) < _SMALL:
        return page.body, []
    return _compressed.get(page, encoding), [(b"content-encoding", encoding)]


class _Compressed:
    """The latest pages, compressed: a page that many open is compressed once."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[tuple[bytes, bytes], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, page: Page, encoding: bytes) -> bytes:
        key = page.etag, encoding
        known = self._bodies.get(key)
        if known is not None:
            self._bodies.move_to_end(key)
            return known
        body = self._bodies[key] = compress(page.body, encoding)
        self._bytes += len(body)
        while self._bytes > _MAX_BYTES:
            self._bytes -= len(self._bodies.popitem(last=False)[1])
        return body


_compressed = _Compressed()


def compress(body: bytes, encoding: bytes) -> bytes:
    """A page in a content encoding, quickly."""
    if encoding == b"br":
        return bytes(brotli.compress(body, mode=brotli.MODE_TEXT, quality=5))
    return gzip.compress(body, 6, mtime=0)

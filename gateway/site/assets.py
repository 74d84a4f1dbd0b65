"""The site's files: style sheets, scripts, images, and the words of each language as a module.

All of them stand under one hash, `/assets/<hash>/<path>`, so that they can be stored for a year and that modules import
each other by relative paths. They are read and compressed once, when the process starts; the scripts of each page are
bundled then. A file that is asked for under another hash, by a page of another release, is served as it is now, and is
not stored.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Container, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import brotli

from gateway.http.encodings import accepted_encoding
from gateway.http.etags import not_modified
from gateway.http.exchange import Exchange, Header
from gateway.site.bundles import page_bundles
from languages.words import LANGUAGES, PLURALS, words

MEDIA_TYPES = {
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
    "png": b"image/png",
    "webp": b"image/webp",
    "webmanifest": b"application/manifest+json",
}
_TEXT = ("css", "js", "svg", "webmanifest")
_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
_REVALIDATE = (b"cache-control", b"no-cache")
_HEADERS = (
    (b"vary", b"Accept-Encoding"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)
"""An SVG that is opened by itself may use its own styles, and nothing else."""

_HASH = re.compile(r"[0-9a-f]{12}\Z")
# Quick, and within a few percent of the best.
_BROTLI_QUALITY = 9


class Asset(NamedTuple):
    """A file with its encodings, the uncompressed one under b"".

    Single modules have no other: pages load bundles.
    """

    media_type: bytes
    etag: bytes
    bodies: Mapping[bytes, bytes]


class Assets:
    """The files by their path below the hash."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        digest = hashlib.blake2b(digest_size=6)
        for path in sorted(files):
            digest.update(b"%d %b %d " % (len(path), path.encode(), len(files[path])))
            digest.update(files[path])
        self.hash = digest.hexdigest()
        self._assets = {path: _asset(path, content) for path, content in files.items()}

    def address(self, path: str) -> str:
        """The address of a file. Raises KeyError for an unknown one."""
        if path not in self._assets:
            raise KeyError(path)
        return f"/assets/{self.hash}/{path}"

    def paths(self) -> list[str]:
        """The paths of all files."""
        return list(self._assets)

    def content(self, path: str) -> bytes:
        """A file as it is."""
        return self._assets[path].bodies[b""]

    def find(self, path: str) -> Callable[[Exchange], None] | None:
        """The handler of a path below `/assets/`; None for anything else."""
        _, assets, given_hash, *rest = [*path.split("/", 3), "", ""][:4]
        if assets != "assets" or not _HASH.match(given_hash):
            return None
        asset = self._assets.get(rest[0])
        if asset is None:
            return None
        cache = _FOREVER if given_hash == self.hash else _REVALIDATE

        def respond(exchange: Exchange) -> None:
            _respond(exchange, asset, cache)

        return respond


def _respond(exchange: Exchange, asset: Asset, cache: Header) -> None:
    headers = [cache, *_HEADERS, (b"etag", b"W/" + asset.etag)]
    if not_modified(exchange.headers.get(b"if-none-match"), asset.etag):
        exchange.respond_cacheable(304, b"", headers)
        return
    encoding = accepted_encoding(exchange.headers.get(b"accept-encoding", b""))
    body = asset.bodies.get(encoding)
    if body is None:
        encoding, body = b"", asset.bodies[b""]
    if encoding:
        headers.append((b"content-encoding", encoding))
    exchange.respond_cacheable(200, body, headers, asset.media_type)


@lru_cache
def load_assets() -> Assets:
    """The files of the package, with the words of each language and the script of each page."""
    files = dict(_read(resources.files("gateway.site").joinpath("static"), ""))
    scripts = "\n".join(content.decode() for path, content in files.items() if path.endswith(".js"))
    used = messages_in(scripts)
    for language in LANGUAGES:
        files[f"words/{language}.js"] = words_module(language, used)
    return Assets({**files, **page_bundles(files)})


def messages_in(scripts: str) -> set[str]:
    """The messages that occur in the scripts."""
    known = {original for language in LANGUAGES for original in words(language).messages}
    return {message for message in known if _occurs(message, scripts)}


def words_module(language: str, used: Container[str]) -> bytes:
    """The module with these messages in a language."""
    messages = {
        original: translated[0] if len(translated) == 1 else translated
        for original, translated in words(language).messages.items()
        if original in used
    }
    return (
        f"export const locale = {json.dumps(words(language).locale.replace('_', '-'))};\n"
        f"export const isPlural = (n) => {PLURALS[language]};\n"
        f"export const messages = {json.dumps(messages, ensure_ascii=False)};\n"
    ).encode()


def _occurs(message: str, scripts: str) -> bool:
    return message in scripts or any(message.replace(quote, "\\" + quote) in scripts for quote in "\"'`")


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in MEDIA_TYPES:
            yield f"{prefix}{entry.name}", entry.read_bytes()


def _asset(path: str, content: bytes) -> Asset:
    kind = path.rpartition(".")[2]
    bodies = {b"": content}
    if kind in _TEXT and not path.startswith("js/"):
        compressed = {
            b"br": brotli.compress(content, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY),
            b"gzip": gzip.compress(content, 9, mtime=0),
        }
        bodies |= {name: body for name, body in compressed.items() if len(body) < len(content)}
    digest = hashlib.blake2b(content, digest_size=12).hexdigest()
    return Asset(MEDIA_TYPES[kind], f'"{digest}"'.encode(), bodies)

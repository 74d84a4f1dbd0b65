"""The site's files: one hash, encodings, unknown names, what modules import."""

from __future__ import annotations

import gzip
import re
from typing import Any

import brotli
import pytest

from gateway.http.encodings import accepted_encoding
from gateway.http.exchange import Exchange
from gateway.site.assets import Assets, load_assets

FILES = {
    "css/a.css": b"a { color: red }" * 100,
    "js/a.js": b"export const a = 1;" * 100,
    "words/en.js": b"export const messages = {};",
    "images/a.png": b"\x89PNG" + b"0" * 2000,
}


def get(assets: Assets, path: str, **headers: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    responses: list[Any] = []
    exchange = Exchange(
        method="GET",
        path=path,
        query=b"",
        headers={name.replace("_", "-").encode(): value for name, value in headers.items()},
        body=b"",
        client=None,
        respond=lambda *response: responses.append(response),
    )
    handler = assets.find(path)
    assert handler is not None
    handler(exchange)
    ((status, sent, body),) = responses
    return status, dict(sent), body


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets(FILES)


def test_the_hash_is_that_of_all_names_and_contents(assets: Assets) -> None:
    assert assets.hash == Assets(dict(reversed(FILES.items()))).hash
    assert assets.hash != Assets({**FILES, "css/a.css": b""}).hash
    assert assets.hash != Assets({**FILES, "css/b.css": b""}).hash
    assert Assets({"a.js": b"b", "c.js": b""}).hash != Assets({"a.js": b"", "c.js": b"b"}).hash


def test_a_file_is_stored_for_ever_under_its_hash_and_not_at_all_under_another(assets: Assets) -> None:
    status, headers, body = get(assets, assets.address("css/a.css"))
    assert (status, body) == (200, FILES["css/a.css"])
    assert headers[b"cache-control"] == b"public, max-age=31536000, immutable"
    status, headers, body = get(assets, "/assets/0123456789ab/css/a.css")
    assert (status, body) == (200, FILES["css/a.css"])
    assert headers[b"cache-control"] == b"no-cache"


def test_text_is_sent_compressed_where_the_client_takes_it(assets: Assets) -> None:
    address = assets.address("css/a.css")
    for accepted, decode in ((b"gzip, br", brotli.decompress), (b"gzip", gzip.decompress)):
        _, headers, body = get(assets, address, accept_encoding=accepted)
        assert decode(body) == FILES["css/a.css"]
        assert headers[b"vary"] == b"Accept-Encoding"
        assert len(body) < 100
    _, headers, body = get(assets, assets.address("images/a.png"), accept_encoding=b"br")
    assert b"content-encoding" not in headers
    assert body == FILES["images/a.png"]


def test_an_unchanged_file_is_304(assets: Assets) -> None:
    address = assets.address("css/a.css")
    etag = get(assets, address)[1][b"etag"]
    status, headers, body = get(assets, address, if_none_match=etag)
    assert (status, body, headers[b"etag"]) == (304, b"", etag)


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/{hash}",
        "/assets/{hash}/",
        "/assets/{hash}/css",
        "/assets/{hash}/css/",
        "/assets/{hash}/css/b.css",
        "/assets/{hash}/../assets.py",
        "/assets/{hash}/css/../js/a.js",
        "/assets/{hash}//css/a.css",
        "/assets/{hash}/css/a.css/",
        "/assets/{hash}x/css/a.css",
        "/assets/0123456789AB/css/a.css",
        "/assets/css/a.css",
        "/asset/{hash}/css/a.css",
    ],
)
def test_other_paths_are_no_files(assets: Assets, path: str) -> None:
    assert assets.find(path.format(hash=assets.hash)) is None


def test_unknown_files_have_no_address(assets: Assets) -> None:
    with pytest.raises(KeyError):
        assets.address("css/b.css")


def test_modules_import_only_files_that_exist() -> None:
    """Of the package; also those that a module imports while it runs."""
    assets = load_assets()
    for path in assets.paths():
        if path.startswith("js/"):
            text = assets.content(path).decode()
            for target in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""", text):
                folder = path.split("/")[:-1]
                for step in target.split("/"):
                    folder = folder[:-1] if step == ".." else folder if step == "." else [*folder, step]
                assert "/".join(folder) in assets.paths(), f"{path} imports {target}"


def test_files_use_nothing_of_another_host() -> None:
    assets = load_assets()
    for path in assets.paths():
        if path.endswith((".css", ".js", ".svg")):
            text = assets.content(path).decode().replace("http://www.w3.org/", "")
            assert not re.search(r"(?:url\(|import|fetch\()\s*[\"']?(?:https?:)?//", text), path


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (b"", b""),
        (b"br", b"br"),
        (b"gzip, deflate, br, zstd", b"br"),
        (b"GZIP", b"gzip"),
        (b"gzip;q=0.5, br;q=0", b"gzip"),
        (b"br; q=0.000, gzip;q=0", b""),
        (b"identity", b""),
        (b"*", b"br"),
        (b"*;q=0", b""),
        (b"br;q=0, *", b"gzip"),
        (b"deflate", b""),
        (b"brotli", b""),
        (b"," * 2000 + b"br", b""),
        (b"\xff;\xff", b""),
    ],
)
def test_the_encoding_is_the_best_that_is_accepted(header: bytes, encoding: bytes) -> None:
    assert accepted_encoding(header) == encoding

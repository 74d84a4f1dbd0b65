"""Pages over HTTP: headers, languages, compression, conditional requests, files, error pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway.site.assets import load_assets
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
async def client(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[httpx.AsyncClient]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, rate_limits=False)
    async with serving(made, worker=False) as server, server.client() as client:
        yield client


async def test_a_page_has_a_strict_policy_a_tag_and_names_what_it_varies_by(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/", headers=BROWSER)
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["vary"] == "Accept-Encoding, Accept-Language, Cookie"
    assert page.headers["x-frame-options"] == "DENY"
    assert not re.search(r"<script(?! type=\"module\" src=)|<style| style=| on\w+=", page.text)
    for address in re.findall(r'(?:src|href)="(/assets[^"]+)"', page.text):
        got = await client.get(address)
        assert got.status_code == 200, address
        assert got.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_pages_are_compressed_and_304_whatever_the_encoding(client: httpx.AsyncClient) -> None:
    plain = await client.get("/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for encoding in ("br", "gzip"):
        async with client.stream("GET", "/", headers={"Accept-Encoding": encoding}) as page:
            raw = b"".join([part async for part in page.aiter_raw()])
            assert page.headers["content-encoding"] == encoding
            assert len(raw) == int(page.headers["content-length"]) < len(plain.content)
            assert page.headers["etag"] == plain.headers["etag"]
        asked = {"Accept-Encoding": encoding, "If-None-Match": plain.headers["etag"]}
        assert (await client.get("/", headers=asked)).status_code == 304
    other = await client.get("/?lang=de", headers={"If-None-Match": plain.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("path", ["/", load_assets().address("css/aisle.css")])
async def test_head_has_the_headers_of_get(client: httpx.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    names = ("content-type", "content-length", "content-encoding", "cache-control", "etag", "vary")
    assert [head.headers.get(name) for name in names] == [got.headers.get(name) for name in names]
    assert (await client.post(path)).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_the_language_of_the_address_is_kept_for_the_next_page(client: httpx.AsyncClient) -> None:
    assert '<html lang="fr"' in (await client.get("/", headers={"Accept-Language": "fr-CA"})).text
    page = await client.get("/?lang=de", headers={"Accept-Language": "fr"})
    assert '<html lang="de"' in page.text
    assert client.cookies["aisle_language"] == "de"
    assert '<html lang="de"' in (await client.get("/", headers={"Accept-Language": "fr"})).text
    for odd in (
        "lang=xx",
        "lang=",
        "lang=%00",
        "lang=%FF",
        "lang=de&lang=fr",
        "utm_source=a&lang",
        "x" * 1500,
    ):
        got = await client.get(f"/?{odd}")
        assert (got.status_code, '<html lang="de"' in got.text) == (200, True), odd


@pytest.mark.parametrize(
    "cookie", ["aisle_language=../../x", 'aisle_language="><script>', ";;==;", "x" * 3000]
)
async def test_a_tampered_cookie_changes_nothing(client: httpx.AsyncClient, cookie: str) -> None:
    page = await client.get("/", headers={"Cookie": cookie})
    assert (page.status_code, '<html lang="en"' in page.text) == (200, True)
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    "path", ["/nothing", "/assets/0123456789ab/none.js", "/movies/x", "/a/b/c", "/a//b", "/%00"]
)
async def test_a_browser_gets_an_error_page_with_a_way_on(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path, headers=BROWSER | {"Accept-Language": "de"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert '<html lang="de"' in page.text
    assert re.search(r'class="button primary" href="/"', page.text)
    assert "unsafe" not in page.headers["content-security-policy"]
    assert len(page.headers.get_list("content-security-policy")) == 1
    assert page.headers["x-request-id"]
    head = await client.head(path, headers=BROWSER)
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/nothing", "*/*"), ("/nothing", "application/json"), ("/api/nothing", BROWSER["Accept"])],
)
async def test_other_clients_and_calls_of_the_api_get_the_problem(
    client: httpx.AsyncClient, path: str, accept: str
) -> None:
    response = await client.get(path, headers={"Accept": accept})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.headers["content-type"] == "application/problem+json"

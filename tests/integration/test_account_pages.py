"""The pages of accounts and bookings over HTTP: the same for everybody, and links that were broken on their way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, serving

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
BOOKING = "0190f6a2-7d3e-7c1a-9b55-3f0c8e4d2a17"
PAGES = [
    "/login",
    "/signup",
    "/account",
    f"/bookings/{BOOKING}",
    "/password/forgot",
    "/password/reset",
    "/email/confirm",
    "/email/undo",
]


@pytest.fixture
async def client(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[httpx.AsyncClient]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, rate_limits=False)
    async with serving(made, worker=False) as server, server.client() as client:
        yield client


async def test_each_page_is_the_same_for_everybody_and_says_what_it_needs(client: httpx.AsyncClient) -> None:
    for path in PAGES:
        page = await client.get(path, headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        assert page.headers["cache-control"] == "no-cache"
        assert "script-src 'self';" in page.headers["content-security-policy"]
        assert '<meta name="robots" content="noindex">' in page.text
        assert "<noscript>" in page.text
        german = await client.get(path, headers=BROWSER | {"Accept-Language": "de"})
        assert '<html lang="de"' in german.text
        assert german.headers["etag"] != page.headers["etag"]
        again = await client.get(path, headers=BROWSER | {"If-None-Match": page.headers["etag"]})
        assert again.status_code == 304


async def test_a_page_with_a_token_sends_its_address_nowhere(client: httpx.AsyncClient) -> None:
    for path in ("/password/reset", "/email/confirm", "/email/undo"):
        page = await client.get(path, headers=BROWSER)
        assert '<meta name="referrer" content="no-referrer">' in page.text


async def test_a_query_changes_nothing_on_the_server(client: httpx.AsyncClient) -> None:
    page = await client.get("/login", headers=BROWSER)
    for query in (
        "next=/account",
        "next=//evil.example",
        'next="><script>',
        "next=%00",
        "next=" + "x" * 2000,
    ):
        with_next = await client.get(f"/login?{query}", headers=BROWSER)
        assert (with_next.status_code, with_next.text) == (200, page.text)


@pytest.mark.parametrize(
    "path",
    [
        "/bookings/1",
        "/bookings/",
        "/bookings",
        f"/bookings/{{{BOOKING}}}",
        f"/bookings/{BOOKING.replace('-', '')}",
        "/account/",
        "/password",
        "/password/other",
        "/email/confirm/x",
    ],
)
async def test_other_addresses_are_not_pages(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path, headers=BROWSER)
    assert page.status_code == 404
    assert 'class="button primary" href="/"' in page.text


@pytest.mark.parametrize("path", ["/password/reset%23abc", "/email/confirm%23a-b_c", "/email/undo%23abc"])
async def test_a_link_whose_sign_was_encoded_says_how_to_mend_it(
    client: httpx.AsyncClient, path: str
) -> None:
    page = await client.get(path, headers=BROWSER)
    assert page.status_code in (200, 404)
    assert "%23" in page.text
    assert path.partition("%23")[2] not in page.text, "the token is a secret"


async def test_forms_are_not_sent_to_pages(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", data={"username": "ada", "password": "a secret of mine"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "a secret of mine" not in answer.text

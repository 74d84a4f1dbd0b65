"""Security headers, CORS, and resistance to SQL injection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

import httpx
import pytest

from gateway.site.assets import load_assets
from runtime.settings import Settings
from tests.integration.accounts import ADA, log_in, sign_up
from tests.integration.gateway_server import KEYS, Server, serving

SITE = "https://tickets.example"
INJECTIONS = ["' OR '1'='1", "x'; DROP TABLE users; --", "%", "_", "\\", "ada' --", "$1", "{}", "a\u0000b"]


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url,
        redis_url=redis_url,
        jwt_keys=KEYS,
        partitions=1,
        public_url=SITE,
        cors_origins=("https://partner.example",),
        rate_limits=False,
    )
    async with serving(made, worker=False) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


async def test_every_response_has_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/docs", "/docs/docs.js", "/openapi.json", "/health/live", "/nothing",
                 load_assets().address("js/words.js"), "/api/movies", "/api/me", "/api/shows/1/seats",
                 "/api/shows/1/bookings", "/inbox"):  # fmt: skip
        headers = (await client.get(path)).headers
        assert headers.get_list("x-content-type-options") == ["nosniff"], path
        assert headers.get_list("referrer-policy") == ["same-origin"], path
        assert headers["strict-transport-security"] == "max-age=31536000", path
        assert "server" not in headers
        assert "Origin" in headers["vary"], path


async def test_pages_run_only_own_scripts_and_cannot_be_framed(
    client: httpx.AsyncClient,
) -> None:
    for path in ("/", "/docs", "/inbox", "/openapi.json", "/health/live"):
        policies = (await client.get(path)).headers.get_list("content-security-policy")
        assert len(policies) == 1, path
        directives = dict(part.strip().partition(" ")[::2] for part in policies[0].split(";"))
        assert directives["default-src"] == "'none'", path
        assert directives["frame-ancestors"] == "'none'", path
        assert directives.get("script-src", "'none'") in ("'none'", "'self'"), path


async def test_cors_allows_listed_origins_only(client: httpx.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin, allowed in (
        ("https://partner.example", True),
        ("https://partner.example.evil.example", False),
        ("http://partner.example", False),
        ("https://partner.example:444", False),
        ("null", False),
    ):
        for path in ("/api/shows/1/bookings", "/api/login", "/nothing"):
            preflight = await client.options(path, headers={"Origin": origin, **asked})
            response = await client.get(path, headers={"Origin": origin})
            for given in (preflight, response):
                listed = given.headers.get_list("access-control-allow-origin")
                assert listed == ([origin] if allowed else []), (path, origin)
                assert "access-control-allow-credentials" not in given.headers
                assert "Origin" in given.headers["vary"]
            if allowed:
                assert preflight.status_code == 204
                assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
                exposed = response.headers["access-control-expose-headers"].lower()
                assert "retry-after" in exposed


async def test_sql_is_not_injectable(server: Server, client: httpx.AsyncClient) -> None:
    user = await sign_up(client)
    for text in INJECTIONS:
        responses = [
            await client.post("/api/login", json={"username": text, "password": text}),
            await client.post("/api/token/refresh", json={"refresh": text}),
            await client.post("/api/password/reset", json={"token": text, "password": "a good pass word"}),
            await client.get("/api/movies", params={"search": text, "genre": text}),
            await client.get(f"/api/shows/{quote(text, safe='')}/seats"),
        ]
        async with server.client(99, "admin") as boss:
            responses.append(found := await boss.get("/api/users", params={"search": text}))
        assert all(response.status_code < 500 for response in responses), (text, responses)
        assert all(response.status_code != 200 for response in responses[:3]), (text, responses)
        assert found.json().get("items", []) == [], text
    async with server.client(user["id"]) as ada:
        for text in INJECTIONS[:-1]:
            changed = await ada.patch("/api/me", json={"name": text})
            assert changed.json()["name"] == text
    assert (await log_in(client, ADA["username"]))["access"]

"""Behaviour of every request, on fast routes and framework routes alike."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable

import asyncpg
import httpx
import pytest

from gateway.server.serve import listener_for
from runtime.process import CannotStart
from runtime.settings import SettingError, Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import make_show


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(
        database_url=database_url,
        redis_url=redis_url,
        jwt_keys=KEYS,
        partitions=1,
        cors_origins=("https://tickets.example",),
    )


@pytest.fixture
async def server(made: Settings) -> AsyncIterator[Server]:
    async with serving(made, worker=False) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


async def raw(server: Server, request: bytes) -> bytes:
    """Sends raw bytes; returns everything received until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a-B_9.z", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("ä", False),
        (None, False),
    ],
)
async def test_every_response_has_a_request_id(
    client: httpx.AsyncClient, given: str | None, kept: bool
) -> None:
    headers = {} if given is None else {b"X-Request-Id": given.encode()}
    for path in ("/api/movies", "/nothing", "/health/live", "/", "/openapi.json", "/api/shows/1/seats"):
        answered = (await client.get(path, headers=headers)).headers.get_list("x-request-id")
        assert len(answered) == 1
        assert (answered[0] == given) == kept
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answered[0])


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/api", "/api/", "/api/movies/", "/api/movies/1/2/3", "/openapi.yaml", "/%00"):
        response = await client.get(path)
        if path.endswith("/") and response.status_code == 200:
            continue
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), path
    for method, path in (("PUT", "/api/movies"), ("POST", "/api/me"), ("DELETE", "/health/live")):
        response = await client.request(method, path)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed"), path
        assert "GET" in response.headers["allow"]


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    for path in ("/api/movies", "/", "/health/live"):
        response = await client.head(path)
        assert (response.status_code, response.content) == (200, b""), path
        assert response.headers["content-length"] == (await client.get(path)).headers["content-length"]


async def test_json_has_to_be_acceptable(client: httpx.AsyncClient) -> None:
    for accept, status in (
        ("application/json", 200),
        ("text/html, */*;q=0.8", 200),
        ("application/*", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
    ):
        response = await client.get("/api/movies", headers={"Accept": accept})
        assert response.status_code == status, accept


async def test_oversized_and_malformed_request_heads_are_rejected(server: Server) -> None:
    for request, status, code in (
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, b"uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, b"headers_too_large"),
        (
            b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(9_000)),
            431,
            b"headers_too_large",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 400_000, 431, b"headers_too_large"),
        (b"nonsense\r\n\r\n", 400, b"validation"),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, b"validation"),
        (b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, b"validation"),
    ):
        response = await raw(server, request)
        assert response.startswith(b"HTTP/1.1 %d " % status), (request[:40], response[:80])
        assert b"application/problem+json" in response
        assert b'"code":"' + code in response
    async with server.client() as client:
        assert (await client.get("/health/live")).status_code == 200


async def test_an_unexpected_error_is_reported_by_request_id_only(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret inside")

    monkeypatch.setattr("gateway.catalogue.movies.Movies.page", broken)
    response = await client.get("/api/movies", headers={"X-Request-Id": "abc"})
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert response.json()["request_id"] == "abc"
    assert "secret" not in response.text
    logged = capsys.readouterr().out
    assert "the secret inside" in logged
    assert "abc" in logged


async def test_a_lost_database_is_503_until_it_is_back(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (ConnectionRefusedError(), TimeoutError(), asyncpg.AdminShutdownError("bye")):

        async def gone(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr("gateway.catalogue.movies.Movies.page", gone)
            response = await client.get("/api/movies")
        assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
        assert response.headers["retry-after"] == "2"
    assert (await client.get("/api/movies")).status_code == 200


async def test_only_listed_origins_may_call_from_a_browser(client: httpx.AsyncClient) -> None:
    for path in ("/api/movies", "/api/shows/1/seats"):
        response = await client.get(path, headers={"Origin": "https://tickets.example"})
        assert response.headers["access-control-allow-origin"] == "https://tickets.example"
        assert "Origin" in response.headers["vary"]
        response = await client.get(path, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in response.headers
    headers = {"Origin": "https://tickets.example", "Access-Control-Request-Method": "POST"}
    response = await client.options("/api/shows/1/bookings", headers=headers)
    assert response.status_code == 204
    assert "Idempotency-Key" in response.headers["access-control-allow-headers"]


async def test_a_stopping_gateway_drains_its_requests_and_accepts_no_connections(made: Settings) -> None:
    async with serving(made, worker=False) as server, server.client(1, "staff") as staff:
        movie = (await staff.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
        show = {"movie_id": movie, "screen_name": "1", "starts_at": "2098-01-01T00:00:00Z", "total_seats": 9}
        waiting = asyncio.create_task(staff.post("/api/shows", json=show, headers={"Prefer": "wait=2"}))
        await asyncio.sleep(0.5)
        server.stop.set()
        await asyncio.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        assert (await waiting).status_code == 202


def test_a_port_in_use_is_named(settings: Callable[..., Settings]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"AISLE_PORT={port}: Address already in use"):
            listener_for(settings(host="127.0.0.1", port=port))


async def test_a_gateway_without_keys_does_not_start(
    settings: Callable[..., Settings], made: Settings
) -> None:
    servers = {"database_url": made.database_url, "redis_url": made.redis_url}
    with pytest.raises(SettingError, match="AISLE_JWT_KEYS"):
        async with serving(settings(**servers)):
            pass
    with pytest.raises(SettingError, match="AISLE_TICKET_KEYS"):
        async with serving(settings(jwt_keys=KEYS, ticket_keys=None, **servers)):
            pass


async def test_repeated_headers_are_one_list_on_fast_and_framework_routes(made: Settings) -> None:
    async with serving(made) as server, server.client() as client, server.client(1, "staff") as staff:
        show = await make_show(server)
        for path in ("/api/movies", f"/api/shows/{show}/seats", f"/api/shows/{show}", "/docs/docs.js", "/"):
            etag = (await client.get(path)).headers.get("etag")
            if etag is not None:
                for tags in ((etag, '"x"'), ('"x"', etag), ('"x"', f'"y", {etag}')):
                    headers = [("If-None-Match", tag) for tag in tags]
                    assert (await client.get(path, headers=headers)).status_code == 304, (path, tags)
        preferences = [("Prefer", "respond-async"), ("Prefer", "handling=lenient")]
        async with server.client(7) as customer:
            booked = await customer.post(
                f"/api/shows/{show}/bookings", json={"quantity": 1}, headers=preferences
            )
        closed = await staff.post(f"/api/shows/{show}/close", headers=preferences)
        for answer in (booked, closed):
            assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/api/me", 401), ("/openapi.json", 200)])
async def test_a_request_without_a_host_is_answered_over_ipv6(made: Settings, path: str, status: int) -> None:
    async with serving(made, worker=False, host="::1") as server:
        reader, writer = await asyncio.open_connection("::1", server.port)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:300]

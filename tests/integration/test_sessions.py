"""Sessions of browsers over HTTP: the refresh token is a cookie, which two tabs may send at once."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable

import httpx
import msgspec
import pytest

from runtime.settings import Settings
from tests.integration.accounts import bearer, log_in, sign_up
from tests.integration.gateway_server import KEYS, PASSWORD, Server, serving

LOGIN = {"username": "ada", "password": PASSWORD}
REFRESH = "/api/session/refresh"


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    async with serving(made, worker=False) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        await sign_up(client)
        yield client


async def started(client: httpx.AsyncClient) -> str:
    """Logs in a browser. Returns its cookie's value."""
    response = await client.post("/api/session", json=LOGIN)
    assert response.status_code == 200, response.text
    return cookie_of(response)


async def refreshed(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Sends one cookie, whatever the client has stored."""
    client.cookies.clear()
    return await client.post(REFRESH, headers={"Cookie": f"other=1; aisle_refresh={token}"})


def cookie_of(response: httpx.Response) -> str:
    """The value that a response sets the cookie to, empty where it removes it."""
    [header] = response.headers.get_list("set-cookie")
    name, _, value = header.partition(";")[0].partition("=")
    assert name == "aisle_refresh"
    assert ("Max-Age=86400" if value else "Max-Age=0") in header
    return str(value)


async def age(server: Server, seconds: float) -> None:
    """Makes spent tokens older."""
    await server.sql(
        "UPDATE spent_refresh_tokens SET spent_at = spent_at - make_interval(secs => $1)", seconds
    )


async def test_a_browser_logs_in_refreshes_and_logs_out_by_its_cookie(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/session", json=LOGIN)
    body = response.json()
    assert (set(body), body["token_type"], body["expires_in"]) == (
        {"access", "token_type", "expires_in"},
        "Bearer",
        3600,
    )
    attributes = {part.strip() for part in response.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"HttpOnly", "SameSite=Strict", "Path=/api/session", "Max-Age=86400"}
    assert cookie_of(response) not in response.text
    first = client.cookies["aisle_refresh"]
    response = await client.post(REFRESH, json={})
    assert (await client.get("/api/me", headers=bearer(response.json()["access"]))).status_code == 200
    assert client.cookies["aisle_refresh"] != first
    token = client.cookies["aisle_refresh"]
    response = await client.delete("/api/session")
    assert (response.status_code, response.content, cookie_of(response)) == (204, b"", "")
    assert (await refreshed(client, token)).status_code == 401
    assert (await client.delete("/api/session")).status_code == 204, "nothing is left to do"


async def test_the_cookie_is_secure_where_the_site_is_https(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> None:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    made = msgspec.structs.replace(made, public_url="https://tickets.example")
    async with serving(made, worker=False) as running, running.client() as client:
        await sign_up(client)
        own = {"Origin": "https://tickets.example"}
        response = await client.post("/api/session", json=LOGIN, headers=own)
        assert "; Secure" in response.headers["set-cookie"]
        cleared = await client.delete("/api/session", headers=own)
        assert "; Secure" in cleared.headers["set-cookie"]


async def test_two_tabs_that_refresh_at_once_get_the_same_successor(client: httpx.AsyncClient) -> None:
    token = await started(client)
    for _ in range(5):
        responses = await asyncio.gather(*(refreshed(client, token) for _ in range(4)))
        assert [response.status_code for response in responses] == [200] * 4
        successors = {cookie_of(response) for response in responses}
        assert len(successors) == 1
        assert successors != {token}
        [token] = successors


async def test_the_same_successor_comes_from_every_gateway(server: Server, client: httpx.AsyncClient) -> None:
    async with serving(server.settings, worker=False) as second, second.client() as other:
        token = await started(client)
        responses = await asyncio.gather(
            refreshed(client, token),
            refreshed(other, token),
            refreshed(client, token),
            refreshed(other, token),
        )
        assert len({cookie_of(response) for response in responses}) == 1
        assert all(response.status_code == 200 for response in responses)


async def test_a_token_spent_ten_seconds_ago_ends_the_login(
    server: Server, client: httpx.AsyncClient
) -> None:
    token = await started(client)
    following = cookie_of(await refreshed(client, token))
    await age(server, 9)
    again = await refreshed(client, token)
    assert (again.status_code, cookie_of(again)) == (200, following)
    await age(server, 1.1)
    reused = await refreshed(client, token)
    assert (reused.status_code, reused.json()["code"], cookie_of(reused)) == (401, "token_invalid", "")
    assert reused.headers["www-authenticate"].startswith("Bearer")
    assert (await refreshed(client, following)).status_code == 401, "nobody can say who had it copied"
    assert not await server.sql("SELECT FROM spent_refresh_tokens")


async def test_a_late_tab_gets_the_newest_of_a_chain(server: Server, client: httpx.AsyncClient) -> None:
    first = await started(client)
    second = cookie_of(await refreshed(client, first))
    third = cookie_of(await refreshed(client, second))
    assert cookie_of(await refreshed(client, first)) == third
    assert cookie_of(await refreshed(client, second)) == third
    await age(server, 11)
    fourth = cookie_of(await refreshed(client, third))
    assert len(await server.sql("SELECT FROM spent_refresh_tokens")) == 1, "the older ones are gone"
    assert cookie_of(await refreshed(client, third)) == fourth


async def test_outside_a_browser_reuse_stays_strict(client: httpx.AsyncClient) -> None:
    token = await started(client)
    following = cookie_of(await refreshed(client, token))
    strict = await client.post("/api/token/refresh", json={"refresh": token})
    assert (strict.status_code, strict.json()["code"]) == (401, "token_invalid")
    assert (await refreshed(client, following)).status_code == 401

    pair = await log_in(client)
    renewed = await client.post("/api/token/refresh", json={"refresh": pair["refresh"]})
    assert (await refreshed(client, pair["refresh"])).status_code == 401
    assert (await refreshed(client, renewed.json()["refresh"])).status_code == 401

    token = await started(client)
    following = cookie_of(await refreshed(client, token))
    renewed = await client.post("/api/token/refresh", json={"refresh": following})
    assert renewed.status_code == 200
    assert (await refreshed(client, token)).status_code == 401, "its successor went to somebody else"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_other_sites_cannot_use_the_cookie(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    token = await started(client)
    for method, path, body in (
        ("POST", "/api/session", LOGIN),
        ("POST", REFRESH, {}),
        ("DELETE", "/api/session", {}),
    ):
        response = await client.request(method, path, json=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
        assert "set-cookie" not in response.headers
    assert (await refreshed(client, token)).status_code == 200, "the login goes on"


async def test_the_own_site_is_known_by_address_host_or_browser(
    server: Server, client: httpx.AsyncClient
) -> None:
    for headers in (
        {"Origin": server.settings.public_url},
        {"Origin": server.url},
        {"Sec-Fetch-Site": "same-origin"},
        {},
    ):
        assert (await client.post("/api/session", json=LOGIN, headers=headers)).status_code == 200, headers


async def test_sites_that_may_call_the_api_may_not_use_the_cookie(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> None:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    made = msgspec.structs.replace(made, cors_origins=("https://shop.example",))
    async with serving(made, worker=False) as running, running.client() as client:
        await sign_up(client)
        response = await client.post("/api/session", json=LOGIN, headers={"Origin": "https://shop.example"})
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")


async def test_a_form_is_refused(client: httpx.AsyncClient) -> None:
    token = await started(client)
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        for path in ("/api/session", REFRESH):
            for content in (b"", b'{"username": "ada", "password": "x"}'):
                response = await client.post(path, content=content, headers={"Content-Type": kind})
                assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert (await refreshed(client, token)).status_code == 200


@pytest.mark.parametrize(
    "value",
    ["nonsense", "x" * 5_000, "..", '"', "é", "AAAA" * 16, "=", "%00", "' OR 1=1 --"],
)
async def test_a_tampered_cookie_is_removed(client: httpx.AsyncClient, value: str) -> None:
    header = {b"Cookie": f"aisle_refresh={value}".encode("latin-1")}
    response = await client.post(REFRESH, headers=header)
    assert (response.status_code, response.json()["code"], cookie_of(response)) == (401, "token_invalid", "")
    response = await client.delete("/api/session", headers=header)
    assert (response.status_code, cookie_of(response)) == (204, "")


async def test_without_a_cookie_one_is_not_logged_in(client: httpx.AsyncClient) -> None:
    for header in ({}, {"Cookie": "aisle_refresh="}, {"Cookie": "xaisle_refresh=1; aisle=2"}):
        response = await client.post(REFRESH, headers=header)
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_an_expired_cookie_is_removed(server: Server, client: httpx.AsyncClient) -> None:
    token = await started(client)
    await server.sql("UPDATE logins SET expires_at = now() - interval '1 second'")
    response = await refreshed(client, token)
    assert (response.status_code, response.json()["code"], cookie_of(response)) == (401, "token_expired", "")


async def test_a_deactivated_account_gets_no_further_token(server: Server, client: httpx.AsyncClient) -> None:
    token = await started(client)
    following = cookie_of(await refreshed(client, token))
    [row] = await server.sql("SELECT user_id FROM users WHERE username = 'Ada'")
    async with server.client(99, "admin") as boss:
        await boss.patch(f"/api/users/{row['user_id']}", json={"active": False})
    for one in (token, following):
        response = await refreshed(client, one)
        assert (response.status_code, cookie_of(response)) == (401, "")
    assert (await client.post("/api/session", json=LOGIN)).json()["code"] == "bad_credentials"


async def test_a_new_password_ends_the_sessions(client: httpx.AsyncClient) -> None:
    token = await started(client)
    access = (await client.post("/api/session", json=LOGIN)).json()["access"]
    change = {"password": "a new pass word", "old_password": PASSWORD}
    assert (await client.patch("/api/me", json=change, headers=bearer(access))).status_code == 200
    assert (await refreshed(client, token)).status_code == 401


async def test_logging_in_again_ends_the_login_of_the_cookie_before(client: httpx.AsyncClient) -> None:
    token = await started(client)
    other = await started(client)
    assert (await refreshed(client, token)).status_code == 401
    assert (await refreshed(client, other)).status_code == 200


async def test_wrong_passwords_are_limited_as_those_of_a_login(server: Server) -> None:
    limited = msgspec.structs.replace(server.settings, rate_limits=True, rate_limit_logins=3)
    async with serving(limited, worker=False) as running, running.client() as client:
        await sign_up(client)
        wrong = {"username": "ada", "password": "not the password"}
        paths = ["/api/login", "/api/session", "/api/session", "/api/session"]
        statuses = [(await client.post(path, json=wrong)).status_code for path in paths]
        assert statuses == [401, 401, 401, 429]


async def test_no_token_is_stored(server: Server, client: httpx.AsyncClient) -> None:
    first = await started(client)
    second = cookie_of(await refreshed(client, first))
    rows = await server.sql(
        "SELECT l.refresh_hash, s.refresh_hash, s.salt FROM logins l JOIN spent_refresh_tokens s USING (login_id)"
    )
    stored = b"".join(b"".join(bytes(value) for value in row) for row in rows)
    assert stored
    for token in (first, second):
        assert base64.urlsafe_b64decode(token)[16:] not in stored, "the secret follows the login's id"

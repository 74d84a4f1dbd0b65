"""Rate limits by address, customer and account over HTTP, with one and two gateways."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.accounts import ADA, log_in, sign_up
from tests.integration.gateway_server import KEYS, PASSWORD, Server, serving

Serve = Callable[..., contextlib.AbstractAsyncContextManager[Server]]


@pytest.fixture
def serve(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Serve:
    """Starts a gateway with these settings."""

    def start(**changes: object) -> contextlib.AbstractAsyncContextManager[Server]:
        made = settings(
            database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, **changes
        )
        return serving(made, worker=False)

    return start


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve() as server, server.client() as client:
        yield client


def assert_limited(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited"), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) == response.json()["retry_after_s"] >= 1


async def wrong(client: httpx.AsyncClient, name: str = "ada") -> httpx.Response:
    return await client.post("/api/login", json={"username": name, "password": "wrong password"})


async def test_failed_logins_of_an_account_are_limited_to_ten(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    for name in ("ada", "nobody"):
        assert [(await wrong(client, name)).status_code for _ in range(10)] == [401] * 10
        assert_limited(await wrong(client, name.upper()))
    assert_limited(await client.post("/api/login", json={"username": "ada", "password": PASSWORD}))
    assert (await wrong(client, "somebody.else")).status_code == 401


async def test_successful_logins_are_not_limited(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    for _ in range(65):
        await log_in(client)


async def test_failed_logins_are_limited_per_address(serve: Serve) -> None:
    async with serve(rate_limit_accounts=4) as server, server.client() as client:
        statuses = [(await wrong(client, f"name{n}")).status_code for n in range(9)]
        assert statuses == [401] * 8 + [429]
        responses = [
            await client.post("/api/signup", json=ADA),
            await client.post("/api/password/forgot", json={"email": ADA["email"]}),
            await client.post("/api/password/reset", json={"token": "x", "password": PASSWORD}),
        ]
        for response in responses:
            assert_limited(response)


async def test_links_and_resets_are_limited_per_account(client: httpx.AsyncClient) -> None:
    body = {"email": "ada@example.com"}
    for _ in range(10):
        assert (await client.post("/api/password/forgot", json=body)).status_code == 202
    assert_limited(await client.post("/api/password/forgot", json={"email": "ADA@example.com"}))
    assert (await wrong(client, "ada@example.com")).status_code == 401, "requests for links lock nobody out"
    reset = {"token": "t", "password": "a good pass word"}
    for _ in range(10):
        assert (await client.post("/api/password/reset", json=reset)).status_code == 400
    assert_limited(await client.post("/api/password/reset", json=reset))


async def test_password_guesses_with_a_stolen_access_token_are_limited(serve: Serve) -> None:
    async with serve() as server, server.client() as anybody:
        user = await sign_up(anybody)
        async with server.client(user["id"]) as thief:
            guess = {"old_password": "wrong password", "password": "a good pass word"}
            for _ in range(5):
                assert (await thief.patch("/api/me", json=guess)).status_code == 401
                response = await thief.request("DELETE", "/api/me", json={"password": "wrong password"})
                assert response.status_code == 401
            assert_limited(await thief.patch("/api/me", json=guess))
            assert_limited(await thief.request("DELETE", "/api/me", json={"password": PASSWORD}))
            assert (await thief.patch("/api/me", json={"name": "x"})).status_code == 200


async def test_password_guesses_count_across_gateways(serve: Serve) -> None:
    async with serve() as first, serve() as second, first.client() as one, second.client() as other:
        statuses = [(await wrong(client)).status_code for _ in range(6) for client in (one, other)]
        assert statuses == [401] * 10 + [429] * 2


async def test_bookings_are_limited_for_customers_and_unlimited_for_staff(serve: Serve) -> None:
    seats = {"seats": ["1"]}
    async with serve(rate_limit_customer=2) as server:
        async with server.client(7) as customer:
            statuses = [
                (await customer.post("/api/shows/1/bookings", json=seats)).status_code for _ in range(6)
            ]
            assert statuses == [404] * 5 + [429]
            assert_limited(await customer.post("/api/shows/1/holds", json=seats))
            assert (await customer.get("/api/me/bookings")).status_code == 200
        async with server.client(8) as another, server.client(7, "staff") as staff:
            assert (await another.post("/api/shows/1/bookings", json=seats)).status_code == 404
            for _ in range(10):
                assert (await staff.post("/api/shows/1/bookings", json=seats)).status_code == 404


async def test_requests_are_limited_per_address_except_probes(serve: Serve) -> None:
    async with serve(rate_limit_address=2) as server, server.client() as client:
        paths = ["/api/movies", "/api/shows/1/seats", "/", "/nothing", "/docs"] * 4
        responses = [await client.get(path) for path in paths]
        assert [response.status_code == 429 for response in responses[:12]].count(True) <= 2
        assert_limited(responses[-1])
        assert responses[-1].headers["x-request-id"]
        assert (await client.get("/health/live")).status_code == 200


async def test_clients_behind_a_trusted_proxy_are_limited_separately(serve: Serve) -> None:
    for trusted, limited in (((), True), ((ipaddress.ip_network("127.0.0.0/8"),), False)):
        async with (
            serve(rate_limit_address=1, trusted_proxies=trusted) as server,
            server.client() as client,
        ):
            for n in range(10):
                headers = {"X-Forwarded-For": f"203.0.113.9, 198.51.100.{n}"}
                response = await client.get("/api/movies", headers=headers)
            assert (response.status_code == 429) is limited


async def test_each_proxy_may_add_a_line_of_its_own(serve: Serve) -> None:
    trusted = (ipaddress.ip_network("127.0.0.0/8"),)
    async with (
        serve(rate_limit_address=1, trusted_proxies=trusted) as server,
        server.client() as client,
    ):
        for path in ("/api/movies", "/api/shows/1/seats", "/"):
            for n in range(10):
                lines = [("X-Forwarded-For", f"198.51.100.{n}"), ("X-Forwarded-For", "127.0.0.9")]
                response = await client.get(path, headers=lines)
                assert response.status_code != 429, f"client {n} of {path}"


async def test_limits_can_be_disabled(serve: Serve) -> None:
    async with serve(rate_limits=False, rate_limit_address=1) as server, server.client() as client:
        assert {(await wrong(client)).status_code for _ in range(12)} == {401}

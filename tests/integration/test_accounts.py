"""Accounts over HTTP, with a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest

from runtime.settings import Settings
from tests.integration.accounts import ADA, bearer, log_in, sign_up
from tests.integration.gateway_server import KEYS, PASSWORD, Server, serving


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made, worker=False) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


async def test_a_new_account_logs_in_by_name_or_address_in_any_case(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/signup", json=ADA)
    user = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/users/{user['id']}"
    assert {
        key: user[key] for key in ("username", "email", "name", "language", "role", "email_confirmed")
    } == {
        "username": "Ada",
        "email": "ada@example.com",
        "name": "Ada L.",
        "language": "en",
        "role": "customer",
        "email_confirmed": False,
    }
    assert user["created_at"].endswith("Z")
    assert "password" not in answer.text
    for name in ("Ada", "aDA", "ADA@Example.com"):
        pair = await log_in(client, name)
        assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 3600)
        assert (await client.get("/api/me", headers=bearer(pair["access"]))).json() == user


async def test_an_access_token_has_the_claims_of_the_contract(client: httpx.AsyncClient) -> None:
    user = await sign_up(client)
    access = (await log_in(client))["access"]
    claims = jwt.decode(access, b"k" * 32, algorithms=["HS256"], issuer="aisle")
    assert claims["sub"] == str(user["id"])
    assert claims["role"] == "customer"
    assert claims["exp"] - claims["iat"] == 3600
    assert jwt.get_unverified_header(access)["kid"] == "test"


async def test_a_welcome_e_mail_is_requested_with_the_account(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    rows = await server.sql("SELECT user_id, kind FROM letters_wanted")
    assert [tuple(row) for row in rows] == [(user["id"], "welcome")]


async def test_names_and_addresses_are_unique_regardless_of_case(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    for changes, code in (
        ({"username": "ADA", "email": "other@example.com"}, "username_taken"),
        ({"username": "other", "email": "ADA@EXAMPLE.com"}, "email_taken"),
    ):
        answer = await client.post("/api/signup", json=ADA | changes)
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_concurrent_identical_signups_create_one_account(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/api/signup", json=ADA) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_an_account_can_be_changed_by_its_owner(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    answer = await client.patch("/api/me", json={"name": "Countess", "language": "de"}, headers=headers)
    assert (answer.json()["name"], answer.json()["language"]) == ("Countess", "de")


async def test_a_deleted_account_is_gone_and_its_name_is_free(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    answer = await client.request("DELETE", "/api/me", json={"password": "wrong"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    answer = await client.request("DELETE", "/api/me", json={"password": PASSWORD}, headers=headers)
    assert answer.status_code == 204
    assert (await client.get("/api/me", headers=headers)).status_code == 401
    row = (await server.sql("SELECT * FROM users WHERE user_id = $1", user["id"]))[0]
    assert "ada" not in str(dict(row)).lower()
    assert (await sign_up(client))["id"] != user["id"]


async def test_role_changes_and_deactivation_take_effect_within_a_second(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    admin = await sign_up(client, username="root", email="root@example.com")
    await server.sql("UPDATE users SET role = 'admin' WHERE user_id = $1", admin["id"])
    access = bearer((await log_in(client))["access"])
    async with server.client() as boss:
        boss.headers.update(bearer((await log_in(client, "root"))["access"]))
        answer = await boss.patch(f"/api/users/{user['id']}", json={"role": "staff"})
        assert (answer.status_code, answer.json()["role"]) == (200, "staff")
        assert (await client.get("/api/me", headers=access)).json()["code"] == "token_invalid"
        access = bearer((await log_in(client))["access"])
        assert (await client.get("/api/me", headers=access)).status_code == 200
        await boss.patch(f"/api/users/{user['id']}", json={"active": False})
        assert (await client.get("/api/me", headers=access)).status_code == 401
        answer = await client.post("/api/login", json={"username": "ada", "password": PASSWORD})
        assert answer.status_code == 401
        answer = await boss.patch(f"/api/users/{admin['id']}", json={"role": "customer"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        page = (await boss.get("/api/users?limit=1&search=ADA")).json()
        assert [(item["username"], item["active"]) for item in page["items"]] == [("Ada", False)]


async def test_changes_by_another_gateway_take_effect_within_a_second(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    assert (await client.get("/api/me", headers=headers)).status_code == 200
    await server.sql("UPDATE users SET active = false WHERE user_id = $1", user["id"])
    await asyncio.sleep(1)
    assert (await client.get("/api/me", headers=headers)).json()["code"] == "token_invalid"


async def test_users_come_in_pages_to_admins_only(server: Server, client: httpx.AsyncClient) -> None:
    for number in range(3):
        await server.sql(
            "INSERT INTO users (username, email) VALUES ($1, $2)", f"u{number}", f"u{number}@example.com"
        )
    seen: list[str] = []
    query: dict[str, Any] | None = {"limit": 2}
    async with server.client(1, "admin") as boss:
        while query is not None:
            page = (await boss.get("/api/users", params=query)).json()
            seen += [item["username"] for item in page["items"]]
            query = page["next_cursor"] and query | {"cursor": page["next_cursor"]}
    assert seen == ["u0", "u1", "u2"]
    for role in ("customer", "staff"):
        async with server.client(1, role) as other:
            assert (await other.get("/api/users")).status_code == 403
            assert (await other.get("/api/users/2")).status_code == 403
            assert (await other.get("/api/users/1")).status_code == 200

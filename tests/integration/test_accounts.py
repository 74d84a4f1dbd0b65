"""Accounts, over HTTP and on a real database: what API.md promises, and every wrong request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, PASSWORD, Server, serving

ADA = {"username": "Ada", "email": "ada@example.com", "password": PASSWORD, "name": "Ada L."}


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


async def sign_up(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/api/signup", json=ADA | changes)
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def log_in(client: httpx.AsyncClient, name: str = "ada", password: str = PASSWORD) -> dict[str, Any]:
    answer = await client.post("/api/login", json={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_who_signs_up_can_log_in_by_name_or_address_in_any_case(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/signup", json=ADA)
    user = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/users/{user['id']}"
    assert {key: user[key] for key in ("username", "email", "name", "language", "role")} == {
        "username": "Ada",
        "email": "ada@example.com",
        "name": "Ada L.",
        "language": "en",
        "role": "customer",
    }
    assert user["created_at"].endswith("Z")
    assert "password" not in answer.text
    for name in ("Ada", "aDA", "ADA@Example.com"):
        pair = await log_in(client, name)
        assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 3600)
        assert (await client.get("/api/me", headers=bearer(pair["access"]))).json() == user


async def test_an_access_token_says_what_the_contract_says(client: httpx.AsyncClient) -> None:
    user = await sign_up(client)
    access = (await log_in(client))["access"]
    claims = jwt.decode(access, b"k" * 32, algorithms=["HS256"], issuer="aisle")
    assert claims["sub"] == str(user["id"])
    assert claims["role"] == "customer"
    assert claims["exp"] - claims["iat"] == 3600
    assert jwt.get_unverified_header(access)["kid"] == "test"


async def test_a_welcome_letter_is_asked_for_with_the_account(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    rows = await server.sql("SELECT user_id, kind FROM letters_wanted")
    assert [tuple(row) for row in rows] == [(user["id"], "welcome")]


async def test_names_and_addresses_are_taken_whatever_their_case(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    for changes, code in (
        ({"username": "ADA", "email": "other@example.com"}, "username_taken"),
        ({"username": "other", "email": "ADA@EXAMPLE.com"}, "email_taken"),
    ):
        answer = await client.post("/api/signup", json=ADA | changes)
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_the_same_signup_many_times_at_once_makes_one_account(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/api/signup", json=ADA) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_a_wrong_password_and_an_unknown_account_look_and_last_the_same(
    client: httpx.AsyncClient,
) -> None:
    await sign_up(client)
    answers, took_s = [], []
    for name in ("ada", "nobody"):
        started = time.perf_counter()
        for _ in range(4):
            answer = await client.post("/api/login", json={"username": name, "password": "wrong password"})
        took_s.append(time.perf_counter() - started)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answers.append(answer.json())
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "bad_credentials"
    assert max(took_s) < 3 * min(took_s)


async def test_a_refresh_token_is_good_once_and_its_return_ends_the_login(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    first = await log_in(client)
    other = await log_in(client)
    second = (await client.post("/api/token/refresh", json={"refresh": first["refresh"]})).json()
    assert second["refresh"] != first["refresh"]
    assert (await client.get("/api/me", headers=bearer(second["access"]))).status_code == 200
    for spent in (first, second):
        answer = await client.post("/api/token/refresh", json={"refresh": spent["refresh"]})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    answer = await client.post("/api/token/refresh", json={"refresh": other["refresh"]})
    assert answer.status_code == 200, "another login goes on"


async def test_an_expired_refresh_token_says_so(server: Server, client: httpx.AsyncClient) -> None:
    await sign_up(client)
    pair = await log_in(client)
    await server.sql("UPDATE logins SET expires_at = now() - interval '1 second'")
    answer = await client.post("/api/token/refresh", json={"refresh": pair["refresh"]})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


async def test_logging_out_ends_the_login_and_may_be_repeated(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    refresh = {"refresh": (await log_in(client))["refresh"]}
    assert (await client.post("/api/logout", json=refresh)).status_code == 204
    assert (await client.post("/api/logout", json=refresh)).status_code == 204
    assert (await client.post("/api/token/refresh", json=refresh)).status_code == 401


async def test_one_can_change_what_the_account_says(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    await sign_up(client, username="Bob", email="bob@example.com")
    headers = bearer((await log_in(client))["access"])
    answer = await client.patch("/api/me", json={"name": "Countess", "language": "de"}, headers=headers)
    assert (answer.json()["name"], answer.json()["language"]) == ("Countess", "de")
    answer = await client.patch("/api/me", json={"email": "lovelace@example.com"}, headers=headers)
    assert (answer.json()["email"], answer.json()["name"]) == ("lovelace@example.com", "Countess")
    answer = await client.patch("/api/me", json={"email": "BOB@example.com"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_a_new_password_needs_the_old_one_and_ends_every_login(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    pair = await log_in(client)
    headers = bearer(server.token(user["id"], age_s=2))
    new = {"password": "a new pass word"}
    for wrong, status in (({}, 400), ({"old_password": "not the old one"}, 401)):
        assert (await client.patch("/api/me", json=new | wrong, headers=headers)).status_code == status
    answer = await client.patch("/api/me", json=new | {"old_password": PASSWORD}, headers=headers)
    assert answer.status_code == 200
    assert (await client.get("/api/me", headers=headers)).status_code == 401
    assert (await client.post("/api/token/refresh", json={"refresh": pair["refresh"]})).status_code == 401
    fresh = await log_in(client, password="a new pass word")
    assert (await client.get("/api/me", headers=bearer(fresh["access"]))).status_code == 200


async def test_a_forgotten_account_is_gone_and_its_name_is_free_again(
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


async def test_a_forgotten_password_is_reset_once_by_a_link(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    refresh = (await log_in(client))["refresh"]
    for email in ("nobody@example.com", "ADA@example.com"):
        answer = await client.post("/api/password/forgot", json={"email": email})
        assert (answer.status_code, answer.content) == (202, b"")
    rows = await server.sql(
        "SELECT data->>'token' AS token FROM letters_wanted WHERE kind = 'password_reset'"
    )
    assert len(rows) == 1
    reset = {"token": rows[0]["token"], "password": "another good one"}
    weak = await client.post("/api/password/reset", json=reset | {"password": "ada@example.com"})
    assert (weak.status_code, weak.json()["errors"][0]["field"]) == (400, "password")
    assert (await client.post("/api/password/reset", json=reset)).status_code == 204
    assert (await client.post("/api/password/reset", json=reset)).status_code == 400
    assert (await client.post("/api/token/refresh", json={"refresh": refresh})).status_code == 401
    await log_in(client, password="another good one")


async def test_a_link_older_than_its_time_is_no_good(server: Server, client: httpx.AsyncClient) -> None:
    await sign_up(client)
    await client.post("/api/password/forgot", json={"email": ADA["email"]})
    await server.sql("UPDATE password_resets SET expires_at = now()")
    rows = await server.sql(
        "SELECT data->>'token' AS token FROM letters_wanted WHERE kind = 'password_reset'"
    )
    answer = await client.post(
        "/api/password/reset", json={"token": rows[0]["token"], "password": "another good one"}
    )
    assert answer.json()["errors"][0]["field"] == "token"


async def test_an_admin_gives_roles_and_shuts_accounts_within_a_second(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    admin = await sign_up(client, username="root", email="root@example.com")
    await server.sql("UPDATE users SET role = 'admin' WHERE user_id = $1", admin["id"])
    access = bearer((await log_in(client))["access"])
    async with server.client(admin["id"], "admin") as boss:
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


async def test_what_another_gateway_changed_counts_here_within_a_second(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    assert (await client.get("/api/me", headers=headers)).status_code == 200
    await server.sql(
        "UPDATE users SET active = false, changed_at = clock_timestamp() WHERE user_id = $1", user["id"]
    )
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


BAD_SIGNUPS: list[tuple[dict[str, Any], str]] = [
    ({"username": "ab"}, "username"),
    ({"username": "a" * 33}, "username"),
    ({"username": "a b"}, "username"),
    ({"username": "ada\n"}, "username"),
    ({"username": "ädä"}, "username"),
    ({"username": "a@b"}, "username"),
    ({"username": 5}, "username"),
    ({"username": None}, "username"),
    ({"email": "ada"}, "email"),
    ({"email": "ada@"}, "email"),
    ({"email": "@example.com"}, "email"),
    ({"email": "a@b@example.com"}, "email"),
    ({"email": "ada@example..com"}, "email"),
    ({"email": "ada@-example.com"}, "email"),
    ({"email": ".ada@example.com"}, "email"),
    ({"email": "ada @example.com"}, "email"),
    ({"email": "ada@example.com\r\nBcc: all@example.com"}, "email"),
    ({"email": "ada@example.com\n"}, "email"),
    ({"email": "a" * 65 + "@example.com"}, "email"),
    ({"email": "ada@" + "e" * 250 + ".com"}, "email"),
    ({"password": "123456789"}, "password"),
    ({"password": "p" * 129}, "password"),
    ({"password": "ADA@example.com"}, "password"),
    ({"username": "ada.lovelace", "password": "Ada.Lovelace"}, "password"),
    ({"password": "password123"}, "password"),
    ({"password": "PassWord123"}, "password"),
    ({"password": "aaaaaaaaaaaa"}, "password"),
    ({"password": "nul\0 in the middle"}, "password"),
    ({"password": 1234567890}, "password"),
    ({"name": "n" * 101}, "name"),
    ({"name": "two\nlines"}, "name"),
    ({"name": ["Ada"]}, "name"),
    ({"language": "english"}, "language"),
    ({"language": ""}, "language"),
    ({"role": "admin"}, "role"),
    ({"id": 1}, "id"),
]


async def test_every_wrong_field_of_a_signup_is_named(client: httpx.AsyncClient) -> None:
    for changes, field in BAD_SIGNUPS:
        answer = await client.post("/api/signup", json=ADA | changes)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "validation"), changes
        assert [error["field"] for error in problem["errors"]] == [field], changes
        assert all(error["message"] for error in problem["errors"])
    for missing in ("username", "email", "password"):
        body = {name: value for name, value in ADA.items() if name != missing}
        problem = (await client.post("/api/signup", json=body)).json()
        assert problem["errors"] == [{"field": missing, "message": "this field is missing"}]
    problem = (await client.post("/api/signup", json={"email": "x", "password": "y", "colour": 1})).json()
    fields = {error["field"] for error in problem["errors"]}
    assert fields == {"username", "email", "password", "colour"}, "all at once, as a form wants them"


PATHS = [
    "/api/signup",
    "/api/login",
    "/api/token/refresh",
    "/api/logout",
    "/api/password/forgot",
    "/api/password/reset",
]
BAD_BODIES: list[tuple[bytes, str, int, str]] = [
    (b"", "application/json", 400, "invalid_json"),
    (b"{", "application/json", 400, "invalid_json"),
    (b"nonsense", "application/json", 400, "invalid_json"),
    (b"\xff\xfe", "application/json", 400, "invalid_json"),
    (b'{"username": "\xff"}', "application/json", 400, "invalid_json"),
    (b'{"username": "\\ud800"}', "application/json", 400, "invalid_json"),
    (b'{"colour": 1, nonsense', "application/json", 400, "invalid_json"),
    (b"[" * 5_000, "application/json", 400, "invalid_json"),
    (b'{"colour": ' + b"[" * 5_000, "application/json", 400, "invalid_json"),
    (b"[]", "application/json", 400, "validation"),
    (b"null", "application/json", 400, "validation"),
    (b"{}", "application/json", 400, "validation"),
    (b'{"username": {"a": 1}, "refresh": [], "email": 1, "token": 1}', "application/json", 400, "validation"),
    (b"username=ada", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    (b"{}", "text/plain", 415, "unsupported_media_type"),
    (b"{}", "application/json; charset=latin-1", 415, "unsupported_media_type"),
    (b" " * 17_408 + b"{}", "application/json", 413, "body_too_large"),
]


async def test_a_body_that_is_none_is_told_so_and_the_service_goes_on(client: httpx.AsyncClient) -> None:
    for path in PATHS:
        for body, kind, status, code in BAD_BODIES:
            answer = await client.post(path, content=body, headers={"Content-Type": kind})
            assert (answer.status_code, answer.json().get("code")) == (status, code), (path, body[:40], kind)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(17):
                yield b" " * 1024

        answer = await client.post(path, content=chunks(), headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), path
    assert (await client.get("/health/live")).status_code == 200


async def test_a_bad_token_is_refused_before_anything_else_is_looked_at(
    server: Server, client: httpx.AsyncClient
) -> None:
    good = server.token(1)
    bad: list[tuple[str | None, str]] = [
        (None, "unauthenticated"),
        ("", "unauthenticated"),
        ("Basic YTpi", "unauthenticated"),
        (good, "unauthenticated"),
        ("Bearer", "token_invalid"),
        ("Bearer nonsense", "token_invalid"),
        ("Bearer a.b.c", "token_invalid"),
        (f"Bearer {good}x", "token_invalid"),
        (f"Bearer {good[:-4]}", "token_invalid"),
        (f"Bearer {'x' * 5_000}", "token_invalid"),
        (f"Bearer {server.token(1, age_s=3601)}", "token_expired"),
    ]
    calls: list[tuple[str, str]] = [
        ("GET", "/api/me"),
        ("PATCH", "/api/me"),
        ("DELETE", "/api/me"),
        ("GET", "/api/users"),
        ("GET", "/api/users/1"),
        ("PATCH", "/api/users/1"),
    ]
    for authorization, code in bad:
        headers = {} if authorization is None else {"Authorization": authorization}
        for method, path in calls:
            answer = await client.request(method, path, headers=headers, content=b"nonsense")
            assert (answer.status_code, answer.json()["code"]) == (401, code), (method, path, authorization)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_bad_changes_of_accounts_are_named(server: Server, client: httpx.AsyncClient) -> None:
    user = await sign_up(client)
    me: list[tuple[dict[str, Any], str]] = [
        ({"name": 5}, "name"),
        ({"email": "x"}, "email"),
        ({"language": "x"}, "language"),
        ({"password": "short", "old_password": PASSWORD}, "password"),
        ({"password": "password123", "old_password": PASSWORD}, "password"),
        ({"password": "a good new one"}, "old_password"),
        ({"old_password": PASSWORD}, "password"),
        ({"role": "admin"}, "role"),
        ({"username": "other"}, "username"),
    ]
    async with server.client(user["id"]) as caller:
        for body, field in me:
            problem = (await caller.patch("/api/me", json=body)).json()
            assert [error["field"] for error in problem.get("errors", [])] == [field], (body, problem)
    others: list[tuple[str, dict[str, Any], int, str]] = [
        (f"/api/users/{user['id']}", {"role": "king"}, 400, "validation"),
        (f"/api/users/{user['id']}", {"active": "yes"}, 400, "validation"),
        (f"/api/users/{user['id']}", {"name": "x"}, 400, "validation"),
        ("/api/users/0", {"role": "staff"}, 404, "not_found"),
        ("/api/users/99999999999999999999", {"role": "staff"}, 404, "not_found"),
        ("/api/users/x", {"role": "staff"}, 404, "not_found"),
    ]
    queries = ["limit=0", "limit=101", "limit=x", "limit=", "role=king", "active=perhaps", "colour=red",
               "limit=1&limit=1", "cursor=x", "cursor=WzFd&cursor=WzFd", "search=%00", "search=%ff"]  # fmt: skip
    async with server.client(99, "admin") as boss:
        for path, body, status, code in others:
            answer = await boss.patch(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code), (path, body)
        for query in queries:
            answer = await boss.get(f"/api/users?{query}")
            assert (answer.status_code, answer.json()["code"]) == (400, "validation"), query
            assert answer.json()["errors"]

"""Accounts: every wrong request over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.accounts import ADA, sign_up
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


async def test_an_invalid_body_is_rejected(client: httpx.AsyncClient) -> None:
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


async def test_a_bad_token_is_rejected_before_anything_else_is_checked(
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

"""Logins over HTTP: start, refresh and end; passwords and reset links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import httpx
import pytest
from argon2 import PasswordHasher, extract_parameters

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


async def test_a_wrong_password_and_an_unknown_account_look_alike_and_cost_the_same_work(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_up(client)
    hashed: list[str] = []
    verify = PasswordHasher.verify

    def counted(hasher: PasswordHasher, stored: str, password: str) -> bool:
        hashed.append(stored)
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    answers = []
    for name in ("ada", "nobody", "nobody@example.com"):
        answer = await client.post("/api/login", json={"username": name, "password": "wrong password"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answers.append(answer.json())
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "bad_credentials"
    assert len(hashed) == 3
    assert all(extract_parameters(stored) == extract_parameters(hashed[0]) for stored in hashed)


async def test_a_refresh_token_is_valid_once_and_its_reuse_ends_the_login(client: httpx.AsyncClient) -> None:
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


async def test_an_expired_link_is_invalid(server: Server, client: httpx.AsyncClient) -> None:
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


async def test_of_two_concurrent_refreshes_one_succeeds_and_the_login_ends(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    for _ in range(5):
        spent = {"refresh": (await log_in(client))["refresh"]}
        answers = await asyncio.gather(*(client.post("/api/token/refresh", json=spent) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 401]
        fresh = next(answer.json() for answer in answers if answer.status_code == 200)
        answer = await client.post("/api/token/refresh", json={"refresh": fresh["refresh"]})
        assert answer.status_code == 401, "nobody can say which of the two was the thief"


async def test_a_token_of_the_same_second_counts_by_which_side_of_the_change_it_is_on(
    client: httpx.AsyncClient,
) -> None:
    await sign_up(client)
    old_password = PASSWORD
    for n in range(3):
        before = bearer((await log_in(client, password=old_password))["access"])
        new_password = f"a new pass word {n}"
        answer = await client.patch(
            "/api/me", json={"password": new_password, "old_password": old_password}, headers=before
        )
        assert answer.status_code == 200, answer.text
        after = bearer((await log_in(client, password=new_password))["access"])
        assert (await client.get("/api/me", headers=before)).json()["code"] == "token_invalid"
        assert (await client.get("/api/me", headers=after)).status_code == 200
        old_password = new_password


async def test_a_login_by_the_old_password_does_not_outlive_a_concurrent_change(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    changer = await asyncpg.connect(server.settings.database_url)
    change = changer.transaction()
    await change.start()
    await changer.execute("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user["id"])
    logging_in = asyncio.create_task(
        client.post("/api/login", json={"username": "ada", "password": PASSWORD})
    )
    while not await server.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert not logging_in.done()
        await asyncio.sleep(0.02)
    await changer.execute("UPDATE users SET password_hash = 'another' WHERE user_id = $1", user["id"])
    await change.commit()
    await changer.close()
    answer = await logging_in
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert not await server.sql("SELECT FROM logins")


async def test_a_reset_link_waits_for_a_change_of_the_address(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    changer = await asyncpg.connect(server.settings.database_url)
    change = changer.transaction()
    await change.start()
    await changer.execute("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user["id"])
    asking = asyncio.create_task(client.post("/api/password/forgot", json={"email": ADA["email"]}))
    while not await server.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert not asking.done()
        await asyncio.sleep(0.02)
    await changer.execute("UPDATE users SET email = 'other@example.com' WHERE user_id = $1", user["id"])
    await change.commit()
    await changer.close()
    assert (await asking).status_code == 202
    assert not await server.sql("SELECT FROM password_resets")
    assert not await server.sql("SELECT FROM letters_wanted WHERE kind = 'password_reset'")


async def test_an_account_is_not_deleted_by_a_password_that_changes_meanwhile(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    changer = await asyncpg.connect(server.settings.database_url)
    change = changer.transaction()
    await change.start()
    await changer.execute("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user["id"])
    deleting = asyncio.create_task(
        client.request("DELETE", "/api/me", json={"password": PASSWORD}, headers=headers)
    )
    while not await server.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert not deleting.done()
        await asyncio.sleep(0.02)
    await changer.execute("UPDATE users SET password_hash = 'another' WHERE user_id = $1", user["id"])
    await change.commit()
    await changer.close()
    answer = await deleting
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert await server.sql("SELECT FROM users WHERE user_id = $1 AND active", user["id"])


async def test_of_concurrent_password_changes_one_succeeds(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    changes = [{"password": f"a new pass word {n}", "old_password": PASSWORD} for n in range(3)]
    answers = await asyncio.gather(*(client.patch("/api/me", json=c, headers=headers) for c in changes))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    won = next(c for c, answer in zip(changes, answers, strict=True) if answer.status_code == 200)
    await log_in(client, password=won["password"])


async def test_a_reset_link_is_invalid_after_the_address_has_changed(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    await client.post("/api/password/forgot", json={"email": ADA["email"]})
    assert (await client.patch("/api/me", json={"name": "A."}, headers=headers)).status_code == 200
    assert len(await server.sql("SELECT FROM password_resets")) == 1
    change = {"email": "new@example.com", "old_password": PASSWORD}
    assert (await client.patch("/api/me", json=change, headers=headers)).status_code == 200
    rows = await server.sql("SELECT kind, data->>'token' AS token FROM letters_wanted")
    tokens = {row["kind"]: row["token"] for row in rows}
    confirmed = await client.post("/api/email/confirm", json={"token": tokens["email_confirmation"]})
    assert confirmed.status_code == 204
    reset = {"token": tokens["password_reset"], "password": "another good one"}
    answer = await client.post("/api/password/reset", json=reset)
    assert answer.json()["errors"][0]["field"] == "token"


async def test_a_reset_ends_access_tokens_too(server: Server, client: httpx.AsyncClient) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    await client.post("/api/password/forgot", json={"email": ADA["email"]})
    rows = await server.sql(
        "SELECT data->>'token' AS token FROM letters_wanted WHERE kind = 'password_reset'"
    )
    reset = {"token": rows[0]["token"], "password": "another good one"}
    answers = await asyncio.gather(*(client.post("/api/password/reset", json=reset) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400], "once, also when at once"
    assert (await client.get("/api/me", headers=headers)).json()["code"] == "token_invalid"


async def test_logins_of_a_deactivated_account_stay_ended_when_it_is_reactivated(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    pair = await log_in(client)
    async with server.client(99, "admin") as boss:
        for active in (False, True):
            answer = await boss.patch(f"/api/users/{user['id']}", json={"active": active})
            assert answer.json()["active"] is active
    assert (await client.get("/api/me", headers=bearer(pair["access"]))).json()["code"] == "token_invalid"
    assert (await client.post("/api/token/refresh", json={"refresh": pair["refresh"]})).status_code == 401
    fresh = await log_in(client)
    assert (await client.get("/api/me", headers=bearer(fresh["access"]))).status_code == 200


async def test_a_login_works_through_every_gateway_and_ends_in_all(server: Server) -> None:
    async with (
        serving(server.settings, worker=False) as second,
        server.client() as one,
        second.client() as other,
    ):
        user = await sign_up(one)
        pair = await log_in(other)
        assert (await one.get("/api/me", headers=bearer(pair["access"]))).json() == user
        renewed = (await one.post("/api/token/refresh", json={"refresh": pair["refresh"]})).json()
        spent = await other.post("/api/token/refresh", json={"refresh": pair["refresh"]})
        assert spent.status_code == 401
        ended = await one.post("/api/token/refresh", json={"refresh": renewed["refresh"]})
        assert ended.status_code == 401
        async with server.client(99, "admin") as boss:
            await boss.patch(f"/api/users/{user['id']}", json={"active": False})
        for _ in range(100):
            if (await other.get("/api/me", headers=bearer(renewed["access"]))).status_code == 401:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the other gateway does not hear of it")

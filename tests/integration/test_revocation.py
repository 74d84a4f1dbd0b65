"""Revoked access tokens are refused within a second, whatever order changes are committed in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import httpx
import pytest

from gateway.revocation import MAX_AGE_S, Revocations
from runtime.settings import Settings
from tests.integration.accounts import bearer, log_in, sign_up
from tests.integration.gateway_server import KEYS, Server, serving


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


async def code_of(client: httpx.AsyncClient, access: str) -> str:
    answer = await client.get("/api/me", headers=bearer(access))
    return "good" if answer.status_code == 200 else str(answer.json()["code"])


async def make_admin(server: Server, client: httpx.AsyncClient) -> str:
    admin = await sign_up(client, username="root", email="root@example.com")
    await server.sql("UPDATE users SET role = 'admin' WHERE user_id = $1", admin["id"])
    access: str = (await log_in(client, "root"))["access"]
    return access


async def test_a_deactivation_that_waited_for_the_rows_lock_is_not_missed(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    access = (await log_in(client))["access"]
    boss = bearer(await make_admin(server, client))
    holder = await asyncpg.connect(server.settings.database_url)
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("SELECT FROM users WHERE user_id = $1 FOR UPDATE", user["id"])
        asked = asyncio.create_task(
            client.patch(f"/api/users/{user['id']}", json={"active": False}, headers=boss)
        )
        # Longer than any look back by the clock that a gateway could afford.
        await asyncio.sleep(11)
        assert await code_of(client, access) == "good"
        await transaction.rollback()
        assert (await asked).status_code == 200
    finally:
        await holder.close()
    await asyncio.sleep(MAX_AGE_S)
    assert await code_of(client, access) == "token_invalid"


async def test_changes_become_visible_in_the_order_of_their_numbers(
    server: Server, database_url: str
) -> None:
    await server.sql("INSERT INTO users (username, email) VALUES ('a', 'a@b.example'), ('c', 'c@b.example')")
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=4)
    async with pool, pool.acquire() as first, pool.acquire() as second:
        reader = Revocations(pool)
        await reader.refresh()
        slow = first.transaction()
        await slow.start()
        await first.execute("UPDATE users SET active = false WHERE username = 'a'")
        quick = asyncio.create_task(second.execute("UPDATE users SET active = false WHERE username = 'c'"))
        await asyncio.sleep(0.3)
        await reader.refresh()
        assert (quick.done(), reader.versions) == (False, {}), "the second number waits for the first"
        await slow.commit()
        await quick
        await reader.refresh()
        assert len(reader.versions) == 2


async def test_a_role_that_is_given_back_does_not_revive_tokens(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    boss = bearer(await make_admin(server, client))
    path = f"/api/users/{user['id']}"
    await client.patch(path, json={"role": "staff"}, headers=boss)
    pair = await log_in(client)
    assert await code_of(client, pair["access"]) == "good"
    for role in ("customer", "staff"):
        await client.patch(path, json={"role": role}, headers=boss)
    assert await code_of(client, pair["access"]) == "token_invalid"
    renewed = (await client.post("/api/token/refresh", json={"refresh": pair["refresh"]})).json()
    assert await code_of(client, renewed["access"]) == "good", "the login itself goes on"


async def test_what_is_changed_by_hand_in_the_database_counts_too(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    access = (await log_in(client))["access"]
    await server.sql("UPDATE users SET role = 'staff' WHERE user_id = $1", user["id"])
    await asyncio.sleep(MAX_AGE_S)
    assert await code_of(client, access) == "token_invalid"


async def test_what_does_not_concern_tokens_leaves_them_alone(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    access = (await log_in(client))["access"]
    await client.patch("/api/me", json={"name": "Countess"}, headers=bearer(access))
    await asyncio.sleep(MAX_AGE_S)
    assert await code_of(client, access) == "good"


async def test_a_process_that_slept_reads_before_it_trusts(database_url: str, server: Server) -> None:
    await server.sql("INSERT INTO users (username, email) VALUES ('a', 'a@b.example')")
    now_s = 100.0
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    async with pool:
        reader = Revocations(pool, clock=lambda: now_s)
        await reader.refresh()
        assert reader.is_fresh()
        await server.sql("UPDATE users SET active = false")
        now_s += 13
        assert not reader.is_fresh()
        await asyncio.gather(*(reader.ensure_fresh() for _ in range(5)))
        assert (reader.is_fresh(), len(reader.versions)) == (True, 1)
        now_s += 13
        await pool.close()
        with pytest.raises(asyncpg.InterfaceError):
            await reader.ensure_fresh()
        assert not reader.is_fresh()


async def test_a_database_that_was_restored_is_read_anew(database_url: str, server: Server) -> None:
    await server.sql("INSERT INTO users (username, email) VALUES ('a', 'a@b.example')")
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    async with pool:
        reader = Revocations(pool)
        await server.sql("UPDATE token_versions SET last = 9000000000000000")
        await reader.refresh()
        await server.sql("UPDATE token_versions SET last = 5")
        await server.sql("UPDATE users SET active = false")
        await reader.refresh()
        assert len(reader.versions) == 1

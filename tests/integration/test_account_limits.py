"""Limits of password guesses and e-mails: one per account, whatever its spelling, which others cannot use up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway.accounts import passwords
from gateway.accounts.hash_turns import MAX_QUEUED
from gateway.accounts.names import mailbox, normal_name
from runtime.settings import Settings
from tests.integration.accounts import bearer, log_in, sign_up
from tests.integration.gateway_server import KEYS, PASSWORD, Server, serving


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2, rate_limits=True
    )
    async with serving(made, worker=False) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


async def guesses(client: httpx.AsyncClient, *names: str) -> list[int]:
    wrong = [{"username": name, "password": "wrong password"} for name in names]
    return [(await client.post("/api/login", json=body)).status_code for body in wrong]


async def test_user_name_and_address_share_ten_attempts(client: httpx.AsyncClient) -> None:
    await sign_up(client, username="idaline", email="idaline@example.com")
    names = ("idaline", "IDALINE", "Idaline@example.com", "idaline@EXAMPLE.com") * 4
    assert await guesses(client, *names) == [401] * 10 + [429] * 6


async def test_case_variants_share_the_attempts(client: httpx.AsyncClient) -> None:
    await sign_up(client, username="idaline", email="idaline@example.com")
    await guesses(client, *["idaline"] * 10)
    for name in ("\u0130daline", "i\u0307daline", "\u0131daline", "\uff49daline", "\u0130daline@example.com"):
        answer = await client.post("/api/login", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 401, f"{name} is nobody"


async def test_anonymous_attempts_do_not_use_up_the_owners_limit(client: httpx.AsyncClient) -> None:
    user = await sign_up(client)
    access = (await log_in(client))["access"]
    number = str(user["id"])
    assert set(await guesses(client, *[number] * 12, *["ada"] * 12)) == {401, 429}
    wrong = await client.request("DELETE", "/api/me", json={"password": "wrong"}, headers=bearer(access))
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_credentials")
    new = {"old_password": PASSWORD, "password": "a new pass word"}
    assert (await client.patch("/api/me", json=new, headers=bearer(access))).status_code == 200


async def change(client: httpx.AsyncClient, access: str, email: str, password: str = PASSWORD) -> int:
    wanted = {"email": email, "old_password": password}
    return (await client.patch("/api/me", json=wanted, headers=bearer(access))).status_code


async def test_an_account_has_five_e_mails_an_hour_sent_by_changes_of_its_address(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    await sign_up(client, username="eve", email="eve@example.com")
    await server.sql("UPDATE users SET email_confirmed = true")
    access = (await log_in(client))["access"]
    for email, password, status in (
        ("ada0@example.com", "a wrong password", 401),
        ("eve@example.com", PASSWORD, 409),
        ("ADA@example.com", PASSWORD, 200),
    ):
        assert await change(client, access, email, password) == status, "no e-mail is sent, so none counts"
    assert [await change(client, access, f"ada{n}@example.com") for n in range(5)] == [200] * 5
    sent = await server.sql("SELECT count(*) FROM letters_wanted WHERE kind = 'email_undo'")
    assert sent[0]["count"] == 5
    wanted = {"email": "ada9@example.com", "old_password": PASSWORD}
    refused = (await client.patch("/api/me", json=wanted, headers=bearer(access))).json()
    assert refused["code"] == "rate_limited"
    assert 600 < refused["retry_after_s"] <= 720
    assert await change(client, access, "ada@example.com") == 200, "a change can be withdrawn"
    other = (await log_in(client, "eve"))["access"]
    assert await change(client, other, "eve1@example.com") == 200, "the limit is the account's"


async def test_a_stranger_gets_five_e_mails_an_hour_from_all_accounts(
    server: Server, client: httpx.AsyncClient
) -> None:
    names = [f"eve{n}" for n in range(6)]
    for name in names:
        await sign_up(client, username=name, email=f"{name}@example.com")
    tokens = [(await log_in(client, name))["access"] for name in names]
    for n, status in enumerate([200] * 5 + [429]):
        assert await change(client, tokens[n], f"stranger+{n}@example.com") == status
    # An address that its account has not confirmed may be a stranger's as well: the undo goes there.
    statuses = [await change(client, tokens[0], f"other{n}@example.com") for n in range(4)]
    assert statuses == [200] * 3 + [429], "the welcome, and the undo of each change"
    await server.sql("UPDATE users SET email_confirmed = true WHERE username = 'eve0'")
    assert await change(client, tokens[0], "other9@example.com") == 200


async def test_tags_of_an_address_share_its_limit(client: httpx.AsyncClient) -> None:
    emails = [f"ada+{n}@example.com" for n in range(12)]
    statuses = [
        (
            await client.post(
                "/api/signup", json={"username": f"ada{n}", "email": email, "password": PASSWORD}
            )
        ).status_code
        for n, email in enumerate(emails)
    ]
    assert statuses == [201] * 5 + [429] * 7
    other = {"username": "charles", "email": "charles+a@example.com", "password": PASSWORD}
    assert (await client.post("/api/signup", json=other)).status_code == 201


async def test_an_attempt_in_a_full_queue_is_not_counted(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_up(client)
    monkeypatch.setattr(passwords, "_MAX_PENDING", 0)
    for _ in range(12):
        answer = await client.post("/api/login", json={"username": "ada", "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    monkeypatch.undo()
    await log_in(client)


async def test_sign_ups_of_an_address_leave_room_in_the_queue_of_hashes(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_MAX_PENDING", MAX_QUEUED)
    names = [f"visitor{n}" for n in range(3 * MAX_QUEUED)]
    await asyncio.gather(*(sign_up(client, username=name, email=f"{name}@example.com") for name in names))


@pytest.mark.parametrize(
    ("email", "delivered_to"),
    [
        ("Ada@Example.com", "ada@example.com"),
        ("ada+1+2@example.com", "ada@example.com"),
        ("+ada@example.com", "+ada@example.com"),
        ("a.da@example.com", "a.da@example.com"),
        ("A.d.a+1@GMail.com", "ada@gmail.com"),
        ("ada@googlemail.com", "ada@gmail.com"),
    ],
)
def test_addresses_of_one_mailbox_count_together(email: str, delivered_to: str) -> None:
    assert mailbox(email) == delivered_to


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Ada.L", "ada.l"),
        ("ADA@Example.COM", "ada@example.com"),
        ("\u0130da", "\u0130da"),
        ("STRA\u00dfE", "stra\u00dfe"),
    ],
)
def test_the_normal_form_folds_the_letters_a_to_z_alone(name: str, normal: str) -> None:
    assert normal_name(name) == normal
    assert normal_name(normal) == normal

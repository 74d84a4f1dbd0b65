"""Limits of guesses and of e-mails: one for each account however it is named, and none that others can spend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway.accounts import passwords
from gateway.accounts.names import normal_name
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


async def test_new_addresses_are_counted_like_sign_ups(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    changes = [{"email": f"ada{n}@example.com", "old_password": PASSWORD} for n in range(12)]
    statuses = [
        (await client.patch("/api/me", json=change, headers=headers)).status_code for change in changes
    ]
    assert statuses == [200] * 10 + [429] * 2


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
    assert statuses == [201] * 10 + [429] * 2
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

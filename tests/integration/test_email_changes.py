"""E-mail addresses: confirmed by a link, changed only with the password, and undone by a link to the old address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.accounts import ADA, bearer, log_in, sign_up
from tests.integration.gateway_server import KEYS, PASSWORD, Server, serving

NEW = {"email": "lovelace@example.com", "old_password": PASSWORD}


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


async def last_token(server: Server, kind: str) -> str:
    rows = await server.sql(
        "SELECT data->>'token' AS token FROM letters_wanted WHERE kind = $1 ORDER BY letter_id DESC LIMIT 1",
        kind,
    )
    token: str = rows[0]["token"]
    return token


async def use(client: httpx.AsyncClient, what: str, token: str) -> httpx.Response:
    return await client.post(f"/api/email/{what}", json={"token": token})


async def ask(client: httpx.AsyncClient, email: str, access: str) -> None:
    answer = await client.patch("/api/me", json=NEW | {"email": email}, headers=bearer(access))
    assert answer.status_code == 200, answer.text


async def test_the_link_of_the_welcome_confirms_the_address_once(
    server: Server, client: httpx.AsyncClient
) -> None:
    assert (await sign_up(client))["email_confirmed"] is False
    headers = bearer((await log_in(client))["access"])
    token = await last_token(server, "welcome")
    assert (await use(client, "confirm", token)).status_code == 204
    assert (await client.get("/api/me", headers=headers)).json()["email_confirmed"] is True
    again = await use(client, "confirm", token)
    assert (again.status_code, again.json()["errors"][0]["field"]) == (400, "token")


async def test_a_stolen_access_token_does_not_move_the_address(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    for password, status in (({}, 400), ({"old_password": "a guess of 12"}, 401)):
        answer = await client.patch("/api/me", json={"email": NEW["email"]} | password, headers=headers)
        assert answer.status_code == status
        assert (await client.get("/api/me", headers=headers)).json()["email"] == ADA["email"]


async def test_a_new_address_counts_once_it_is_confirmed(server: Server, client: httpx.AsyncClient) -> None:
    await sign_up(client)
    access = (await log_in(client))["access"]
    await ask(client, NEW["email"], access)
    assert (await client.get("/api/me", headers=bearer(access))).json()["email"] == ADA["email"]
    await client.post("/api/password/forgot", json={"email": ADA["email"]})
    assert (await use(client, "confirm", await last_token(server, "email_confirmation"))).status_code == 204
    me = (await client.get("/api/me", headers=bearer(access))).json()
    assert (me["email"], me["email_confirmed"]) == (NEW["email"], True)
    await log_in(client, NEW["email"])
    assert not await server.sql("SELECT FROM password_resets"), "a link to the old address is good no more"


async def test_the_old_address_undoes_the_change_and_ends_what_the_thief_has(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    pair = await log_in(client)
    await ask(client, NEW["email"], pair["access"])
    undo = await last_token(server, "email_undo")
    await use(client, "confirm", await last_token(server, "email_confirmation"))
    # The thief goes on, to an address whose undo link they get themselves.
    await ask(client, "third@example.com", pair["access"])
    thiefs_undo = await last_token(server, "email_undo")
    await use(client, "confirm", await last_token(server, "email_confirmation"))
    await client.post("/api/password/forgot", json={"email": "third@example.com"})

    assert (await use(client, "undo", undo)).status_code == 204
    me = await client.get("/api/me", headers=bearer(pair["access"]))
    assert (me.status_code, me.json()["code"]) == (401, "token_invalid")
    refreshed = await client.post("/api/token/refresh", json={"refresh": pair["refresh"]})
    assert refreshed.status_code == 401
    wrong = await client.post("/api/login", json={"username": "ada", "password": PASSWORD})
    assert wrong.status_code == 401, "the password is void"
    assert (await use(client, "undo", thiefs_undo)).status_code == 400
    assert (await use(client, "undo", undo)).status_code == 400
    reset = {"token": await last_token(server, "password_reset"), "password": "the thief's own 1"}
    assert (await client.post("/api/password/reset", json=reset)).status_code == 400

    await client.post("/api/password/forgot", json={"email": ADA["email"]})
    reset = {"token": await last_token(server, "password_reset"), "password": "the owner's own 1"}
    assert (await client.post("/api/password/reset", json=reset)).status_code == 204
    access = (await log_in(client, ADA["email"], "the owner's own 1"))["access"]
    me = await client.get("/api/me", headers=bearer(access))
    assert (me.json()["email"], me.json()["email_confirmed"]) == (ADA["email"], True)


async def test_an_undo_before_the_new_address_is_confirmed_withdraws_it(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    await ask(client, NEW["email"], (await log_in(client))["access"])
    confirm, undo = await last_token(server, "email_confirmation"), await last_token(server, "email_undo")
    assert (await use(client, "undo", undo)).status_code == 204
    assert (await use(client, "confirm", confirm)).status_code == 400


async def test_the_old_address_stays_reserved_while_it_can_come_back(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    await sign_up(client, username="eve", email="eve@example.com")
    await ask(client, NEW["email"], (await log_in(client))["access"])
    await use(client, "confirm", await last_token(server, "email_confirmation"))
    eve = (await log_in(client, "eve"))["access"]
    for email in (ADA["email"], ADA["email"].upper()):
        signup = await client.post("/api/signup", json=ADA | {"username": "other", "email": email})
        change = await client.patch("/api/me", json=NEW | {"email": email}, headers=bearer(eve))
        for answer in (signup, change):
            assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    await server.sql("UPDATE email_undos SET expires_at = now() - interval '1 second'")
    await sign_up(client, username="other")


async def test_an_undo_that_expires_as_somebody_else_takes_the_address_is_invalid(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    access = (await log_in(client))["access"]
    await ask(client, NEW["email"], access)
    undo = await last_token(server, "email_undo")
    await use(client, "confirm", await last_token(server, "email_confirmation"))
    # The address is reserved until the link expires, which may be after the undo has begun.
    await server.sql("INSERT INTO users (username, email) VALUES ('other', $1)", ADA["email"])
    answer = await use(client, "undo", undo)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "token")
    me = await client.get("/api/me", headers=bearer(access))
    assert (me.status_code, me.json()["email"]) == (200, NEW["email"]), "nothing is undone"


async def test_an_address_that_was_taken_meanwhile_is_not_confirmed(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    await ask(client, NEW["email"], (await log_in(client))["access"])
    token = await last_token(server, "email_confirmation")
    await sign_up(client, username="other", email=NEW["email"].upper())
    answer = await use(client, "confirm", token)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_the_address_that_one_has_withdraws_a_change(server: Server, client: httpx.AsyncClient) -> None:
    await sign_up(client)
    access = (await log_in(client))["access"]
    await ask(client, NEW["email"], access)
    token = await last_token(server, "email_confirmation")
    await ask(client, ADA["email"].upper(), access)
    assert (await use(client, "confirm", token)).status_code == 400
    assert (await client.get("/api/me", headers=bearer(access))).json()["email"] == ADA["email"]


async def test_a_deleted_account_leaves_no_address_behind(server: Server, client: httpx.AsyncClient) -> None:
    await sign_up(client)
    access = (await log_in(client))["access"]
    await ask(client, NEW["email"], access)
    gone = await client.request("DELETE", "/api/me", json={"password": PASSWORD}, headers=bearer(access))
    assert gone.status_code == 204
    for table in ("email_confirmations", "email_undos"):
        assert not await server.sql(f"SELECT FROM {table}")
    await sign_up(client)


@pytest.mark.parametrize("how", ["change", "reset"])
async def test_a_new_password_withdraws_a_pending_change(
    server: Server, client: httpx.AsyncClient, how: str
) -> None:
    await sign_up(client)
    welcome = await last_token(server, "welcome")
    access = (await log_in(client))["access"]
    await ask(client, "thief@example.com", access)
    if how == "change":
        new = {"password": "another one of 21", "old_password": PASSWORD}
        assert (await client.patch("/api/me", json=new, headers=bearer(access))).status_code == 200
    else:
        await client.post("/api/password/forgot", json={"email": ADA["email"]})
        new = {"password": "another one of 21", "token": await last_token(server, "password_reset")}
        assert (await client.post("/api/password/reset", json=new)).status_code == 204
    assert (await use(client, "confirm", await last_token(server, "email_confirmation"))).status_code == 400
    assert (await use(client, "confirm", welcome)).status_code == 400, "it was replaced by the later link"


async def test_a_new_password_keeps_the_link_that_confirms_the_address(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    new = {"password": "another one of 21", "old_password": PASSWORD}
    assert (await client.patch("/api/me", json=new, headers=headers)).status_code == 200
    assert (await use(client, "confirm", await last_token(server, "welcome"))).status_code == 204


async def test_a_password_and_an_address_can_change_together(
    server: Server, client: httpx.AsyncClient
) -> None:
    await sign_up(client)
    headers = bearer((await log_in(client))["access"])
    new = NEW | {"password": "another one of 21"}
    assert (await client.patch("/api/me", json=new, headers=headers)).status_code == 200
    assert (await use(client, "confirm", await last_token(server, "email_confirmation"))).status_code == 204
    await log_in(client, NEW["email"], "another one of 21")


async def test_an_account_that_was_deactivated_has_no_pending_change(
    server: Server, client: httpx.AsyncClient
) -> None:
    user = await sign_up(client)
    await ask(client, "thief@example.com", (await log_in(client))["access"])
    admin = bearer(server.token(999, role="admin"))
    for active in (False, True):
        answer = await client.patch(f"/api/users/{user['id']}", json={"active": active}, headers=admin)
        assert answer.status_code == 200, answer.text
    assert (await use(client, "confirm", await last_token(server, "email_confirmation"))).status_code == 400

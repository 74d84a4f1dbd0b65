"""Authentication of live sockets: tokens and their renewal, origins, limits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.live.socket_limits import MAX_FROM_ADDRESS, MAX_OF_CUSTOMER
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, PASSWORD, Server, serving
from tests.integration.live_sockets import Live, live, refusal

ADA, BOB, STAFF = 7, 8, 1


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(
        database_url=database_url,
        redis_url=redis_url,
        jwt_keys=KEYS,
        partitions=1,
        public_url="https://Tickets.Example",
        cors_origins=("http://partner.example:8080",),
    )


@pytest.fixture
async def server(made: Settings) -> AsyncIterator[Server]:
    async with serving(made, worker=False) as running:
        yield running


@contextlib.contextmanager
def an_hour_later() -> Iterator[None]:
    """Verifies the sockets' tokens with a clock that is an hour ahead."""
    with mock.patch("gateway.live.logins.time") as clock:
        clock.time.side_effect = lambda: time.time() + 3600
        yield


async def works(socket: Live) -> bool:
    """Returns whether a socket takes requests."""
    answer = await socket.ask(type="nonsense")
    return bool(answer["problem"]["code"] == "validation")


async def test_an_invalid_token_is_rejected_in_the_handshake(server: Server) -> None:
    for token, code in [
        ("nonsense", "token_invalid"),
        (server.token(ADA)[:-3] + "abc", "token_invalid"),
        (server.token(ADA, age_s=3601), "token_expired"),
    ]:
        for path in ("/api/me/live", "/api/events/live"):
            status, problem = await refusal(server, path, token=token)
            assert (status, problem["code"]) == (401, code)
    status, problem = await refusal(server, "/api/events/live", user_id=ADA)
    assert (status, problem["code"]) == (403, "forbidden")


async def test_the_first_message_logs_in(server: Server) -> None:
    async with live(server) as socket:
        await socket.send({"type": "auth", "access": server.token(ADA)})
        assert await works(socket)
    async with live(server) as socket:
        assert await socket.ask(type="auth", access=server.token(ADA)) == {"type": "accepted"}
    async with live(server, "/api/events/live") as socket:
        assert await socket.ask(type="auth", access=server.token(STAFF, "staff")) == {"type": "accepted"}


@pytest.mark.parametrize("path", ["/api/me/live", "/api/events/live"])
async def test_a_first_message_that_does_not_log_in_closes_with_4401(server: Server, path: str) -> None:
    firsts: list[dict[str, Any] | str] = [
        {"type": "auth", "access": "nonsense"},
        {"type": "auth", "access": server.token(ADA, age_s=3601)},
        {"type": "auth"},
        {"type": "book", "ref": "a", "show_id": 1, "seats": ["1"]},
        "no JSON",
    ]
    for message in firsts:
        async with live(server, path) as socket:
            await socket.send(message)
            assert (await socket.closed())[0] == 4401


async def test_a_socket_without_a_first_message_is_closed(server: Server) -> None:
    with mock.patch("gateway.live.logins.FIRST_MESSAGE_S", 0.05):
        async with live(server) as socket:
            assert await socket.closed() == (4401, "unauthenticated")


async def test_events_are_for_staff_only(server: Server) -> None:
    async with live(server, "/api/events/live") as socket:
        await socket.send({"type": "auth", "access": server.token(ADA)})
        assert await socket.closed() == (4403, "forbidden")
    async with live(server, "/api/events/live", user_id=STAFF, role="staff") as socket:
        await socket.send({"type": "auth", "access": server.token(STAFF, "customer")})
        assert await socket.closed() == (4403, "forbidden")


@pytest.mark.parametrize("path", ["/api/me/live", "/api/events/live"])
async def test_an_expired_token_closes_with_4401(server: Server, path: str) -> None:
    async with live(server, path, user_id=STAFF, role="staff") as socket:
        assert await socket.ask(type="auth", access=server.token(STAFF, "staff")) == {"type": "accepted"}
        with an_hour_later():
            assert await socket.closed() == (4401, "token_expired")


async def test_a_renewed_token_keeps_the_socket_open(server: Server) -> None:
    async with (
        live(server, token=server.token(ADA, age_s=1800)) as renewed,
        live(server, token=server.token(ADA, age_s=1801)) as old,
    ):
        assert await renewed.ask(type="auth", access=server.token(ADA)) == {"type": "accepted"}
        with mock.patch("gateway.live.logins.time") as clock:
            clock.time.side_effect = lambda: time.time() + 1900
            assert await old.closed() == (4401, "token_expired")
            assert await works(renewed)


async def test_an_invalid_renewal_closes_with_4401(server: Server) -> None:
    for token in (server.token(BOB), "nonsense", server.token(ADA, age_s=3601)):
        async with live(server, user_id=ADA) as socket:
            assert await works(socket)
            await socket.send({"type": "auth", "access": token})
            assert (await socket.closed())[0] == 4401


async def test_a_deactivated_account_is_disconnected(server: Server) -> None:
    async with server.client() as client, server.client(99, "admin") as admin:
        account = {"username": "ada", "email": "ada@example.com", "password": PASSWORD}
        user = (await client.post("/api/signup", json=account)).json()
        pair = (await client.post("/api/login", json={"username": "ada", "password": PASSWORD})).json()
        async with live(server, token=pair["access"]) as socket:
            assert await works(socket)
            answer = await admin.patch(f"/api/users/{user['id']}", json={"active": False})
            assert answer.status_code == 200, answer.text
            assert (await socket.closed())[0] == 4401


async def test_only_own_and_listed_origins_may_connect(server: Server) -> None:
    own = f"http://127.0.0.1:{server.port}"
    for origin in (None, "https://tickets.example", "http://partner.example:8080", own):
        async with live(server, user_id=ADA, origin=origin) as socket:
            assert await works(socket)
    for origin in (
        "https://evil.example",
        "http://tickets.example",
        "https://tickets.example.evil.example",
        "http://partner.example",
        "null",
        "",
        f"file://127.0.0.1:{server.port}",
    ):
        status, problem = await refusal(server, user_id=ADA, origin=origin)
        assert (status, problem["code"]) == (403, "forbidden"), origin


async def test_a_customer_has_five_sockets_and_an_address_twenty(server: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_OF_CUSTOMER):
            last = await stack.enter_async_context(live(server, user_id=ADA))
        status, problem = await refusal(server, user_id=ADA)
        assert (status, problem["code"]) == (429, "rate_limited")
        async with live(server) as by_message:
            await by_message.send({"type": "auth", "access": server.token(ADA)})
            assert await by_message.closed() == (4429, "rate_limited")
        await last.connection.close()
        while True:  # until the gateway has seen the disconnect
            with contextlib.suppress(InvalidStatus):
                await stack.enter_async_context(live(server, user_id=ADA))
                break
        for user_id in range(100, 100 + MAX_FROM_ADDRESS - MAX_OF_CUSTOMER):
            await stack.enter_async_context(live(server, user_id=user_id))
        status, problem = await refusal(server, user_id=BOB)
        assert (status, problem["code"]) == (429, "rate_limited")
        assert problem["retry_after_s"] > 0


async def test_without_rate_limits_the_sockets_of_a_customer_are_unlimited(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> None:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    async with serving(made, worker=False) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_FROM_ADDRESS + 5):
            last = await stack.enter_async_context(live(server, user_id=ADA))
        assert await works(last)


async def test_invalid_messages_close_with_their_codes(server: Server) -> None:
    async with live(server, user_id=ADA) as socket:
        await socket.send(b"\x00")
        assert (await socket.closed())[0] == 1003
    async with live(server, user_id=ADA) as socket:
        await socket.send("x" * (64 * 1024 + 1))
        assert (await socket.closed())[0] == 1009
    async with live(server, user_id=ADA) as socket:
        await socket.connection.send([""] * 2_000)
        assert (await socket.closed())[0] == 1009
    async with live(server, user_id=ADA) as socket:
        for _ in range(100):
            await socket.send("[")
        assert (await socket.closed())[0] == 1008
    async with live(server, "/api/events/live", user_id=STAFF, role="staff") as socket:
        await socket.send({"type": "book"})
        assert (await socket.closed())[0] == 1008


async def test_a_message_that_is_not_utf_8_closes_with_1007(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}/api/me/live"
    headers = {"Authorization": f"Bearer {server.token(ADA)}"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as connection:
        await connection.send(b"\xff\xfe", text=True)
        assert (await Live(connection).closed())[0] == 1007


async def test_unknown_paths_and_parameters_are_rejected_in_the_handshake(server: Server) -> None:
    for path, status in [
        ("/api/live", 404),
        ("/api/shows/0/live", 404),
        ("/api/shows/x/live", 404),
        ("/api/me/live?x=1", 400),
        ("/api/events/live?show=x", 400),
        ("/api/events/live?show=1&show=2", 400),
        ("/api/events/live?show=77", 404),
    ]:
        assert (await refusal(server, path, user_id=STAFF, role="staff"))[0] == status, path


async def test_a_plain_request_for_a_socket_is_426(server: Server) -> None:
    async with server.client(ADA) as http:
        for path in ("/api/me/live", "/api/events/live", "/api/shows/1/live"):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
            assert answer.json()["code"] == "upgrade_required"
        assert (await http.get("/api/live")).status_code == 404

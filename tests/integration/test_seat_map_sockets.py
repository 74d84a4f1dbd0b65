"""/api/shows/{id}/live and the seat map: every change, in order, and never older than a response."""

from __future__ import annotations

import asyncio
import json
import random
import socket as sockets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from websockets.asyncio.client import connect

from gateway.seat_maps.snapshot import ShowTerms
from ops.local.embedded import run_servers
from ops.local.embedded_redis import EmbeddedRedis
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import PATIENCE_S, Live, Replay, live, make_show, refusal

SEATS = 40


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2, rate_limits=False
    )


@pytest.fixture
async def server(made: Settings) -> AsyncIterator[Server]:
    async with serving(made) as running:
        yield running


@pytest.fixture
async def show_id(server: Server) -> int:
    return await make_show(server, SEATS)


def path_of(show_id: int) -> str:
    return f"/api/shows/{show_id}/live"


async def seats_of(server: Server, show_id: int) -> dict[str, Any]:
    async with server.client() as client:
        answer = await client.get(f"/api/shows/{show_id}/seats")
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        assert answer.headers["etag"] == f'"{show_id}.{body["version"]}"'
        return body


async def stored_states(server: Server, show_id: int) -> tuple[int, str]:
    """Reads version and letters from PostgreSQL."""
    version = (await server.sql("SELECT version FROM show_states WHERE show_id = $1", show_id))[0]["version"]
    letters = ["a"] * SEATS
    for row in await server.sql("SELECT seat, state::text AS state FROM claims WHERE show_id = $1", show_id):
        letters[row["seat"]] = row["state"]
    return version, "".join(letters)


async def customer(server: Server, show_id: int, seed: int, steps: int) -> None:
    """A customer that books, holds, confirms and cancels, and reads the map after every response."""
    chance = random.Random(seed)
    mine: list[str] = []
    async with server.client(100 + seed) as http:
        for _ in range(steps):
            if mine and chance.random() < 0.5:
                booking_id = mine.pop(chance.randrange(len(mine)))
                what = chance.choice(["cancel", "cancel", "confirm"])
                answer = await http.post(f"/api/bookings/{booking_id}/{what}")
            else:
                what = chance.choice(["bookings", "holds"])
                wanted = [str(seat) for seat in chance.sample(range(1, SEATS + 1), chance.randint(1, 3))]
                answer = await http.post(f"/api/shows/{show_id}/{what}", json={"seats": wanted})
                if answer.status_code == 201:
                    mine.append(answer.json()["id"])
            assert answer.status_code < 500
            shown = (await http.get(f"/api/shows/{show_id}/seats")).json()
            if answer.status_code < 300:
                assert shown["version"] >= answer.json()["decided"]["offset"], "older than an answer before"


async def test_every_socket_receives_every_change_in_order(server: Server, show_id: int) -> None:
    async with AsyncExitStack() as stack:
        early = [Replay(await stack.enter_async_context(live(server, path_of(show_id)))) for _ in range(5)]
        for replay in early:
            await replay.step()
        customers = asyncio.gather(*(customer(server, show_id, seed, 25) for seed in range(6)))
        late = [Replay(await stack.enter_async_context(live(server, path_of(show_id)))) for _ in range(5)]
        await customers
        version, states = await stored_states(server, show_id)
        for replay in early + late:
            await replay.until(version, states)
        shown = await seats_of(server, show_id)
        assert (shown["version"], shown["states"]) == (version, states)
        assert any(len(replay.versions) > 3 for replay in early), "changes came one after the other"


async def test_a_second_and_a_restarted_gateway_send_the_same(
    server: Server, made: Settings, show_id: int
) -> None:
    async with serving(made, worker=False) as other, live(other, path_of(show_id)) as socket:
        replay = Replay(socket)
        await customer(server, show_id, 1, 25)
        version, states = await stored_states(server, show_id)
        await replay.until(version, states)
        other.stop.set()
        async with asyncio.timeout(PATIENCE_S):
            assert (await socket.closed())[0] == 1012
        await customer(server, show_id, 2, 25)
    async with serving(made, worker=False) as again, live(again, path_of(show_id)) as socket:
        await Replay(socket).until(*await stored_states(server, show_id))


async def test_changes_come_from_postgresql_without_redis_and_from_redis_again(
    settings: Callable[..., Settings], database_url: str, tmp_path: Path
) -> None:
    redis = EmbeddedRedis(tmp_path)
    made = settings(
        database_url=database_url, redis_url=redis.url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    async with AsyncExitStack() as stack:
        with run_servers(redis):
            server = await stack.enter_async_context(serving(made))
            show_id = await make_show(server, SEATS)
            socket = await stack.enter_async_context(live(server, path_of(show_id)))
            replay = Replay(socket)
            await customer(server, show_id, 1, 10)
            await replay.until(*await stored_states(server, show_id))
        await customer(server, show_id, 2, 10)
        await replay.until(*await stored_states(server, show_id))
        with run_servers(redis):
            await customer(server, show_id, 3, 10)
            await replay.until(*await stored_states(server, show_id))


async def test_no_change_is_lost_while_redis_restarts(
    settings: Callable[..., Settings], database_url: str, tmp_path: Path
) -> None:
    redis = EmbeddedRedis(tmp_path)
    made = settings(
        database_url=database_url, redis_url=redis.url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    async with AsyncExitStack() as stack:
        with run_servers(redis):
            server = await stack.enter_async_context(serving(made))
            other = await stack.enter_async_context(serving(made, worker=False))
            show_id = await make_show(server, SEATS)
            replays = [
                Replay(await stack.enter_async_context(live(gateway, path_of(show_id))))
                for gateway in (server, other)
            ]
            customers = asyncio.gather(*(customer(server, show_id, seed, 20) for seed in range(3)))
            await replays[0].until(*await first_change(replays[0]))
        for _ in range(2):
            with run_servers(redis):
                await asyncio.sleep(0.5)
        await customers
        for replay in replays:
            await replay.until(*await stored_states(server, show_id))


async def first_change(replay: Replay) -> tuple[int, str]:
    """Waits for the first change."""
    async with asyncio.timeout(PATIENCE_S):
        while len(replay.versions) < 2:
            await replay.step()
    return replay.versions[-1], replay.states


async def test_changes_arrive_when_a_worker_cannot_publish(server: Server, show_id: int) -> None:
    async with live(server, path_of(show_id)) as socket, server.client(7) as http:
        replay = Replay(socket)
        await replay.step()
        with mock.patch("seat_workers.publisher.Publisher._notify_gateways", mock.AsyncMock()):
            booked = await http.post(f"/api/shows/{show_id}/bookings", json={"seats": ["5"]})
            assert booked.status_code == 201
            assert (await seats_of(server, show_id))["states"][4] == "s"
            await replay.until(*await stored_states(server, show_id))


async def test_the_map_has_every_answered_booking_also_after_a_look_up(made: Settings) -> None:
    with mock.patch("gateway.seat_maps.cache.COMPARE_EVERY_S", 1_000.0):
        async with serving(made) as server, serving(made, worker=False) as other:
            show_id = await make_show(server, SEATS)
            path = f"/api/shows/{show_id}"
            async with server.client(7) as here, other.client(7) as there:
                for http in (here, there):
                    assert (await http.get(f"{path}/seats")).json()["states"] == "a" * SEATS
                with mock.patch("seat_workers.publisher.Publisher._notify_gateways", mock.AsyncMock()):
                    booked = await here.post(f"{path}/bookings", json={"seats": ["5"]})
                    assert booked.status_code == 201, "looked up"
                    assert (await here.get(f"{path}/seats")).json()["states"][4] == "s"
                    seen = await there.get(f"/api/bookings/{booked.json()['id']}")
                    assert seen.status_code == 200, "read from PostgreSQL"
                    assert (await there.get(f"{path}/seats")).json()["states"][4] == "s"
                await here.delete(f"/api/bookings/{booked.json()['id']}")
                assert (await here.get(f"{path}/seats")).json()["states"][4] == "a"


async def test_a_status_change_by_staff_is_sent_and_to_later_sockets(server: Server, show_id: int) -> None:
    async with live(server, path_of(show_id)) as socket, server.client(1, "staff") as staff:
        for what, status in (("close", "closed"), ("reopen", "on_sale"), ("cancel", "cancelled")):
            assert (await staff.post(f"/api/shows/{show_id}/{what}")).status_code == 200
            changed = await socket.next(lambda message: message["type"] == "show")
            assert changed == {"type": "show", "status": status}
        async with live(server, path_of(show_id)) as later:
            assert [json.loads(await later.connection.recv())["type"] for _ in range(2)] == ["seats", "show"]


async def test_a_status_change_by_the_clock_is_sent(
    server: Server, show_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live(server, path_of(show_id)) as socket:
        assert (await socket.next(lambda message: True))["type"] == "seats"
        with monkeypatch.context() as patched:
            patched.setattr(ShowTerms, "status_at", lambda *_: "past")
            assert await socket.next(lambda message: True) == {"type": "show", "status": "past"}


async def test_cancelling_a_show_sends_every_seat(server: Server, show_id: int) -> None:
    async with live(server, path_of(show_id)) as socket, server.client(7) as http:
        await http.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1", "2"]})
        async with server.client(1, "staff") as staff:
            await staff.post(f"/api/shows/{show_id}/block", json={"seats": ["9"]})
            await staff.post(f"/api/shows/{show_id}/cancel")
        wanted = dict(enumerate("aaaaaaaab" + "a" * (SEATS - 9)))
        seen: dict[int, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            while seen != wanted or (await stored_states(server, show_id))[1] != "".join(wanted.values()):
                message = json.loads(await socket.connection.recv())
                if message["type"] == "seats":
                    seen = dict(enumerate(message["states"]))
                elif message["type"] == "changes":
                    seen |= {int(label) - 1: letter for label, letter in message["changes"].items()}


async def test_an_unchanged_map_is_304(server: Server, show_id: int) -> None:
    path = f"/api/shows/{show_id}/seats"
    async with server.client(7) as http:
        first = await http.get(path)
        assert first.headers["cache-control"] == "no-cache"
        tag = first.headers["etag"]
        for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            unchanged = await http.get(path, headers={"If-None-Match": given})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"] == tag
        assert (await http.get(path, headers={"If-None-Match": '"x"'})).content == first.content
        assert (await http.head(path)).headers["content-length"] == str(len(first.content))
        await http.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        changed = await http.get(path, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag
        assert (await http.get(f"{path}?x=1")).json()["code"] == "validation"
        assert (await http.get("/api/shows/99/seats")).json()["code"] == "not_found"


async def test_all_seats_of_an_unopened_show_are_available(made: Settings) -> None:
    async with serving(made, worker=False) as server:
        async with server.client(1, "staff") as staff:
            staff.headers["Prefer"] = "respond-async"
            movie = await staff.post("/api/movies", json={"title": "Night", "duration_minutes": 90})
            wanted = {"movie_id": movie.json()["id"], "screen_name": "A", "starts_at": "2098-06-01T20:00:00Z"}
            answer = await staff.post("/api/shows", json=wanted | {"total_seats": SEATS})
            assert answer.status_code == 202
            show_id = answer.json()["show_id"]
        assert (await seats_of(server, show_id))["version"] == -1
        async with live(server, path_of(show_id)) as socket:
            first = await socket.next(lambda message: message["type"] == "seats")
            assert first == {"type": "seats", "version": -1, "states": "a" * SEATS}
            async with serving(made):
                assert (await socket.next(lambda message: message.get("status") == "on_sale")) is not None


async def test_unknown_shows_and_parameters_are_refused_in_the_handshake(
    server: Server, show_id: int
) -> None:
    assert (await refusal(server, path_of(show_id + 1)))[0] == 404
    assert (await refusal(server, "/api/shows/0/live"))[0] == 404
    status, problem = await refusal(server, path_of(show_id) + "?since=3")
    assert (status, problem["code"]) == (400, "validation")


async def test_client_messages_are_ignored_up_to_a_limit(server: Server, show_id: int) -> None:
    async with live(server, path_of(show_id)) as socket, server.client(7) as http:
        for _ in range(30):
            await socket.send("hello?")
        await http.post(f"/api/shows/{show_id}/bookings", json={"seats": ["3"]})
        assert (await socket.next(lambda message: message["type"] == "changes"))["changes"] == {"3": "s"}
        for _ in range(40):
            await socket.send("hello?")
        assert (await socket.closed())[0] == 1008
    async with live(server, path_of(show_id)) as socket:
        await socket.send(b"\x00")
        assert (await socket.closed())[0] == 1003
    async with live(server, path_of(show_id)) as socket:
        await socket.send("x" * 70_000)
        assert (await socket.closed())[0] == 1009


async def test_a_client_that_does_not_read_is_dropped_alone(server: Server) -> None:
    show_id = await make_show(server, 2_000)
    url = f"ws://127.0.0.1:{server.port}{path_of(show_id)}"
    many = {"seats": [str(seat) for seat in range(1, 1_501)]}
    small = sockets.socket()
    small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", server.port))
    with (
        mock.patch("gateway.server.websocket_protocol._KERNEL_BUFFER", 4_096),
        mock.patch("gateway.server.websocket_protocol.MAX_UNSENT", 16_000),
    ):
        async with (
            connect(url, sock=small, compression=None, proxy=None) as slow,
            live(server, path_of(show_id)) as socket,
            server.client(1, "staff") as staff,
        ):
            slow.transport.pause_reading()
            await socket.next(lambda message: message["type"] == "seats")
            for what, letter in [("block", "b"), ("unblock", "a")] * 5:
                assert (await staff.post(f"/api/shows/{show_id}/{what}", json=many)).status_code == 200
                blocked = await socket.next(lambda message: message["type"] == "changes")
                assert blocked["changes"] == dict.fromkeys(many["seats"], letter)
            slow.transport.resume_reading()
            assert (await Live(slow).closed())[0] == 1013

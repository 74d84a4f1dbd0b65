"""Two gateways behind one port act as one service for clients that change between them."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.running import RunningAisle
from tests.e2e.two_gateways import at_each, sockets_at_each

SOON_S = 20
FROZEN_S = 13
"""Longer than the time for which a gateway could afford to read old revocations again by its clock."""
PASSWORD = "correct horse 1"
_users = itertools.count(5_000)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAisle]:
    """Yields an instance with two gateways and two workers, rate limits on."""
    home: Path = tmp_path_factory.mktemp("two") / "home"
    aisle = RunningAisle(home, {"AISLE_GATEWAYS": "2"})
    asyncio.run(aisle.start())
    try:
        yield aisle
        assert aisle.command("verify").returncode == 0
    finally:
        assert aisle.stop() == 0


async def soon(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + SOON_S
    while not await holds():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def account(client: httpx.AsyncClient) -> dict[str, str]:
    """Creates an account; returns its user name and password."""
    name = f"user{next(_users)}"
    new = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    answer = await client.post("/api/signup", json=new)
    assert answer.status_code == 201, answer.text
    return {"username": name, "password": PASSWORD}


def bearer(pair: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access']}"}


async def test_a_key_used_at_one_is_known_at_the_other(pair: RunningAisle) -> None:
    path = f"/api/shows/{await pair.make_show(20)}/bookings"
    async with at_each(pair, next(_users)) as clients:
        for here, there in (clients, clients[::-1]):
            for number, body in enumerate(({"seats": ["3", "4"]}, {"quantity": 1}, {"seats": ["3"]})):
                key = {"Idempotency-Key": f"{id(here)}-{number}"}
                first = await here.post(path, json=body, headers=key)
                again = await there.post(path, json=body, headers=key)
                assert (again.status_code, again.content) == (first.status_code, first.content)
                assert "idempotency-replayed" not in first.headers
                assert again.headers["idempotency-replayed"] == "true"
                other = await there.post(path, json={"seats": ["20"]}, headers=key)
                assert (other.status_code, other.json()["code"]) == (422, "key_reused")
        key = {"Idempotency-Key": "at-once"}
        answers = await asyncio.gather(
            *(client.post(path, json={"seats": ["9"]}, headers=key) for client in clients * 5)
        )
        assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}


async def test_a_command_accepted_by_one_can_be_polled_and_changed_at_the_other(pair: RunningAisle) -> None:
    show = f"/api/shows/{await pair.make_show(20)}"
    async with at_each(pair, next(_users)) as clients:
        for seat, (here, there) in enumerate((clients, clients[::-1]), 1):
            taken = await here.post(
                f"{show}/holds", json={"seats": [str(seat)]}, headers={"Prefer": "respond-async"}
            )
            assert taken.status_code == 202
            fate = await there.get(taken.headers["location"], headers={"Prefer": "wait=10"})
            booking = fate.json()["booking"]
            assert (await there.get(f"/api/bookings/{booking['id']}")).json() == booking
            confirmed = await there.post(f"/api/bookings/{booking['id']}/confirm")
            assert confirmed.json()["status"] == "confirmed"
            assert (await here.get(f"/api/bookings/{booking['id']}")).json() == confirmed.json()
            cancelled = await here.delete(f"/api/bookings/{booking['id']}")
            assert (await there.get("/api/me/bookings?limit=1")).json()["items"] == [cancelled.json()]


async def test_no_seat_is_sold_at_both(pair: RunningAisle) -> None:
    path = f"/api/shows/{await pair.make_show(30)}/bookings"
    async with at_each(pair, next(_users)) as (one, two):
        for seat in range(1, 31):
            answers = await asyncio.gather(
                one.post(path, json={"seats": [str(seat)]}), two.post(path, json={"seats": [str(seat)]})
            )
            assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_login_at_one_is_refreshed_and_ended_at_the_other(pair: RunningAisle) -> None:
    async with at_each(pair, None) as (one, two):
        login = await account(one)
        tokens = (await two.post("/api/login", json=login)).json()
        for client in (one, two):
            assert (await client.get("/api/me", headers=bearer(tokens))).status_code == 200
        fresh = await one.post("/api/token/refresh", json={"refresh": tokens["refresh"]})
        assert fresh.status_code == 200
        spent = await two.post("/api/token/refresh", json={"refresh": tokens["refresh"]})
        assert (spent.status_code, spent.json()["code"]) == (401, "token_invalid")
        for client in (one, two):
            ended = await client.post("/api/token/refresh", json={"refresh": fresh.json()["refresh"]})
            assert ended.status_code == 401, "one that came back after it was spent ends the family"
        tokens = (await one.post("/api/login", json=login)).json()
        assert (await two.post("/api/logout", json={"refresh": tokens["refresh"]})).status_code == 204
        assert (await one.post("/api/token/refresh", json={"refresh": tokens["refresh"]})).status_code == 401


async def test_a_deactivated_account_is_rejected_by_both_gateways(pair: RunningAisle) -> None:
    async with at_each(pair, None) as clients, at_each(pair, 2, "admin") as (admin, _):
        login = await account(clients[0])
        for client in clients:
            tokens = (await client.post("/api/login", json=login)).json()

            async def back(client: httpx.AsyncClient = client, tokens: dict[str, str] = tokens) -> bool:
                return (await client.get("/api/me", headers=bearer(tokens))).status_code == 200

            await soon(back, "an account that is active again may come in")
            user = (await client.get("/api/me", headers=bearer(tokens))).json()["id"]
            await admin.patch(f"/api/users/{user}", json={"active": False})
            for other in clients:

                async def out(other: httpx.AsyncClient = other, tokens: dict[str, str] = tokens) -> bool:
                    return (await other.get("/api/me", headers=bearer(tokens))).status_code == 401

                await soon(out, "a deactivated account's token ends")
                assert (await other.post("/api/login", json=login)).status_code == 401
            await admin.patch(f"/api/users/{user}", json={"active": True})


async def test_a_gateway_that_was_frozen_does_not_miss_a_deactivation(pair: RunningAisle) -> None:
    async with at_each(pair, None) as clients, at_each(pair, 2, "admin") as bosses:
        login = await account(clients[0])
        tokens = (await clients[0].post("/api/login", json=login)).json()
        user = (await clients[0].get("/api/me", headers=bearer(tokens))).json()["id"]
        frozen = sorted(pair.pids("gateway"))[1]
        os.kill(frozen, signal.SIGSTOP)
        try:
            answer = await bosses[0].patch(f"/api/users/{user}", json={"active": False})
            assert answer.status_code == 200
            asked = asyncio.create_task(clients[1].get("/api/me", headers=bearer(tokens)))
            await asyncio.sleep(FROZEN_S)
        finally:
            os.kill(frozen, signal.SIGCONT)
        first = await asked
        assert (first.status_code, first.json()["code"]) == (401, "token_invalid")


async def test_a_seat_sold_at_one_is_sold_in_the_seat_map_and_sockets_of_the_other(
    pair: RunningAisle,
) -> None:
    show_id = await pair.make_show(20)
    path, customer = f"/api/shows/{show_id}", next(_users)
    async with (
        at_each(pair, customer) as clients,
        sockets_at_each(pair, f"{path}/live") as watchers,
        sockets_at_each(pair, user_id=customer) as mine,
    ):
        for watcher in watchers:
            assert (await watcher.next(lambda one: one["type"] == "seats"))["states"] == "a" * 20
        for seat, (here, there) in enumerate((clients, clients[::-1]), 1):
            booked = (await here.post(f"{path}/bookings", json={"seats": [str(seat)]})).json()
            seen = (await here.get(f"{path}/seats")).json()
            assert seen["states"][seat - 1] == "s", "never older than an answer of the same gateway"

            async def sold(there: httpx.AsyncClient = there, seat: int = seat) -> bool:
                states: str = (await there.get(f"{path}/seats")).json()["states"]
                return states[seat - 1] == "s"

            await soon(sold, "the other gateway's seat map shows it")
            for watcher in watchers:
                change = await watcher.next(lambda one: one["type"] == "changes")
                assert change["changes"] == {str(seat): "s"}
            for socket in mine:
                await socket.change(booked["id"], "confirmed")
        answer = await mine[0].ask(type="book", show_id=show_id, seats=["9"], key="over-a-socket")
        body, key = {"seats": ["9"]}, {"Idempotency-Key": "over-a-socket"}
        for client in clients:
            again = await client.post(f"{path}/bookings", json=body, headers=key)
            assert (again.status_code, again.json()) == (201, answer["booking"])
        cancelled = await mine[1].ask(type="cancel", booking_id=answer["booking"]["id"])
        assert cancelled["booking"]["status"] == "cancelled"
        await mine[0].change(answer["booking"]["id"], "cancelled")


async def test_changes_of_the_catalogue_reach_both_gateways(pair: RunningAisle) -> None:
    async with at_each(pair, 2, "admin") as clients:
        for here, there in (clients, clients[::-1]):
            movie = (await here.post("/api/movies", json={"title": "New", "duration_minutes": 9})).json()
            path = f"/api/movies/{movie['id']}"
            for title in ("New", "Newer"):
                changed = await here.patch(path, json={"title": title})
                assert (await here.get(path)).json() == changed.json(), "at once where it was changed"

                async def known(
                    there: httpx.AsyncClient = there, path: str = path, wanted: bytes = changed.content
                ) -> bool:
                    return (await there.get(path)).content == wanted

                await soon(known, "a change is known at the other")
            await here.delete(path)

            async def gone(there: httpx.AsyncClient = there, path: str = path) -> bool:
                return (await there.get(path)).status_code == 404

            await soon(gone, "a deletion is known at the other")


async def test_password_guesses_at_both_count_together(pair: RunningAisle) -> None:
    async with at_each(pair, None) as clients:
        login = await account(clients[0]) | {"password": "wrong password"}
        answers = [await client.post("/api/login", json=login) for client in clients * 6]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert answers[-1].json()["code"] == "rate_limited"
        assert int(answers[-1].headers["retry-after"]) >= 1

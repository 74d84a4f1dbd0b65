"""The limit of holds per customer and show: over HTTP, sockets and gateways, and in the report for staff."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import redis.asyncio
import structlog

from gateway.commands.hold_limit import HoldLimit
from gateway.limits.rate_limits import RateLimits
from runtime.settings import Settings
from schemas.commands import HoldSeats
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import live, make_show

STAFF = 1


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)


@pytest.fixture
async def server(made: Settings) -> AsyncIterator[Server]:
    async with serving(made) as running:
        yield running


async def hold(client: httpx.AsyncClient, show: int, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(f"/api/shows/{show}/holds", json=body or {"quantity": 1}, headers=headers)


async def hold_and_release(client: httpx.AsyncClient, show: int) -> httpx.Response:
    """Returns the response to the hold, whose seats are released at once."""
    answer = await hold(client, show, quantity=10)
    if answer.status_code == 201:
        assert (await client.delete(f"/api/bookings/{answer.json()['id']}")).status_code == 200
    return answer


def limited(problem: dict[str, Any]) -> bool:
    return bool(problem["code"] == "rate_limited" and 100 <= problem["retry_after_s"] <= 120)


async def test_repeated_holding_and_releasing_is_limited(server: Server) -> None:
    show, other = await make_show(server), await make_show(server)
    async with server.client(7) as customer, server.client(8) as somebody:
        for _ in range(30):
            assert (await hold_and_release(customer, show)).status_code == 201
        refused = await hold(customer, show)
        assert refused.status_code == 429
        assert limited(refused.json())
        assert refused.headers["retry-after"] == str(refused.json()["retry_after_s"])
        # Other customers, other shows and other requests are not limited.
        assert (await hold(somebody, show)).status_code == 201
        assert (await hold(customer, other)).status_code == 201
        booked = await customer.post(f"/api/shows/{show}/bookings", json={"quantity": 1})
        assert booked.status_code == 201
        async with live(server, user_id=7) as socket:
            problem = (await socket.ask(type="hold", show_id=show, quantity=1))["problem"]
            assert limited(problem)


async def test_holds_over_the_socket_count_alike(server: Server) -> None:
    show = await make_show(server)
    async with live(server, user_id=7) as socket, server.client(7) as customer:
        for n in range(30):
            made = await socket.ask(type="hold", show_id=show, seats=[str(n + 1)])
            if n < 10:
                assert made["type"] == "accepted"
            else:
                assert made["problem"]["code"] == "limit_exceeded", "refusals of the seat worker cost nothing"
        for _ in range(20):
            answer = await socket.ask(type="hold", show_id=show, quantity=1)
            assert answer["problem"]["code"] == "limit_exceeded"
        mine = (await customer.get("/api/me/bookings?status=held")).json()["items"]
        for booking in mine:
            await socket.ask(type="cancel", booking_id=booking["id"])
        for _ in range(20):
            made = await socket.ask(type="hold", show_id=show, seats=["1"])
            await socket.ask(type="cancel", booking_id=made["booking"]["id"])
        assert limited((await socket.ask(type="hold", show_id=show, seats=["1"]))["problem"])
        assert (await hold(customer, show)).status_code == 429


async def test_repeats_are_answered_and_cost_no_token(server: Server) -> None:
    show = await make_show(server)
    async with server.client(7) as customer, live(server, user_id=7) as socket:
        first = await hold(customer, show, key="first")
        path = f"/api/bookings/{first.json()['id']}"
        for _ in range(40):
            again = await hold(customer, show, key="first")
            assert (again.status_code, again.json()) == (201, first.json())
        assert (await customer.delete(path)).status_code == 200
        for _ in range(29):
            assert (await hold_and_release(customer, show)).status_code == 201
        assert (await hold(customer, show)).status_code == 429
        late = await hold(customer, show, key="late")
        assert late.status_code == 429
        for _ in range(5):
            again = await hold(customer, show, key="first")
            assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
            by_message = await socket.ask(type="hold", show_id=show, quantity=1, key="first")
            assert by_message["replayed"] is True
        other = await hold(customer, show, key="first", quantity=2)
        assert (other.status_code, other.json()["code"]) == (422, "key_reused")
        assert limited((await hold(customer, show, key="late")).json()), (
            "a 429 is not stored, and owes no token"
        )
        answers = await asyncio.gather(*(hold(customer, show, key="first") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {201}


async def test_a_repeat_of_an_undecided_hold_is_not_rejected(made: Settings) -> None:
    async with serving(made) as server:
        show = await make_show(server)
    async with serving(made, worker=False) as server, server.client(7) as customer:
        headers = {"Prefer": "respond-async"}
        path, body = f"/api/shows/{show}/holds", {"quantity": 1}
        for n in range(30):
            answer = await customer.post(path, json=body, headers=headers | {"Idempotency-Key": f"k{n}"})
            assert answer.status_code == 202
        again = await customer.post(path, json=body, headers=headers | {"Idempotency-Key": "k3"})
        assert again.status_code == 202
        more = await customer.post(path, json=body, headers=headers | {"Idempotency-Key": "k30"})
        # The repeat overdraws a token until it is decided.
        assert (more.status_code, more.json()["code"]) == (429, "rate_limited")


async def test_staff_are_exempt(server: Server) -> None:
    show = await make_show(server, seats_per_customer=1000)
    await server.add_users(7)
    async with server.client(STAFF, "staff") as staff:
        for n in range(32):
            body: dict[str, Any] = {"quantity": 1, "user_id": 7 if n % 2 else None}
            answer = await hold(staff, show, **body)
            assert answer.status_code == 201
    async with server.client(7) as customer:
        assert (await hold(customer, show)).status_code == 201, "holds by staff do not count for the customer"


async def test_rate_limits_off_lifts_the_limit(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> None:
    off = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    async with serving(off) as server, server.client(7) as customer:
        show = await make_show(server)
        for _ in range(35):
            assert (await hold_and_release(customer, show)).status_code == 201


async def test_the_limit_applies_across_gateways_at_once(made: Settings) -> None:
    async with serving(made) as one, serving(made, worker=False) as other:
        show = await make_show(one, 200, seats_per_customer=1000)
        async with (
            one.client(7) as here,
            other.client(7) as there,
            live(one, user_id=7) as socket,
        ):
            answers = await asyncio.gather(
                *(hold(client, show, quantity=1) for _ in range(40) for client in (here, there))
            )
            had = Counter(answer.status_code for answer in answers)
            assert had.keys() == {201, 429}
            assert 30 <= had[201] <= 32, "30, and two that the second gateway did not ask for"
            by_message = await socket.ask(type="hold", show_id=show, quantity=1)
            assert by_message["problem"]["code"] == "rate_limited"
            named = [hold(client, show, seats=[str(n + 100)]) for n in range(5) for client in (here, there)]
            assert {answer.status_code for answer in await asyncio.gather(*named)} == {429}
        # A customer that spent all tokens at one gateway is rejected by another.
        async with one.client(8) as here, other.client(8) as there:
            for _ in range(30):
                assert (await hold_and_release(here, show)).status_code == 201
            statuses = [(await hold_and_release(there, show)).status_code for _ in range(5)]
            assert statuses == [201, 201, 429, 429, 429]


async def test_three_accounts_have_three_limits_and_staff_see_them(server: Server) -> None:
    """The limit is per account: three accounts have three limits. The report shows their rejections."""
    show = await make_show(server)
    await server.add_users(7, 8, 9)
    had: dict[int, int] = {7: 0, 8: 0, 9: 0}
    with structlog.testing.capture_logs() as entries:
        for user in (*had, *had):
            async with server.client(user) as customer:
                for _ in range(20):
                    had[user] += (await hold_and_release(customer, show)).status_code == 201
    assert had == {7: 30, 8: 30, 9: 30}
    lines = [entry for entry in entries if entry["event"] == "rate_limited"]
    assert [(line["limit"], line["log_level"]) for line in lines] == [("holds", "info")], "one for many"
    async with server.client(10) as other, server.client(STAFF, "staff") as staff:
        confirmed = (await hold(other, show)).json()["id"]
        assert (await other.post(f"/api/bookings/{confirmed}/confirm")).status_code == 200
        assert (await hold(other, show)).status_code == 201
        booked = await other.post(f"/api/shows/{show}/bookings", json={"quantity": 1})
        assert booked.status_code == 201, "booked at once: no hold"
        for _ in range(100):  # rejections are written every few seconds
            report = (await staff.get(f"/api/reports/holds?show={show}")).json()
            if report["totals"]["refused"] == 30:
                break
            await asyncio.sleep(0.2)
        nothing = {"held": 0, "confirmed": 0, "expired": 0}
        assert report["items"] == [
            {"user_id": user, "username": f"user{user}", "holds": 30, "released": 30, "refused": 10} | nothing
            for user in had
        ] + [
            {
                "user_id": 10,
                "username": None,
                "holds": 2,
                "held": 1,
                "confirmed": 1,
                "released": 0,
                "expired": 0,
                "refused": 0,
            }
        ]
        totals = {"holds": 92, "held": 1, "confirmed": 1, "released": 90, "expired": 0, "refused": 30}
        assert (report["show_id"], report["totals"], report["next_cursor"]) == (show, totals, None)
        page = (await staff.get(f"/api/reports/holds?show={show}&limit=3")).json()
        rest = await staff.get("/api/reports/holds", params={"show": show, "cursor": page["next_cursor"]})
        assert page["items"] + rest.json()["items"] == report["items"]
        table = await staff.get(f"/api/reports/holds?show={show}", headers={"Accept": "text/csv"})
        assert table.text.lstrip("\ufeff").splitlines()[:2] == [
            "user_id,username,holds,held,confirmed,released,expired,refused",
            "7,user7,30,0,0,30,0,10",
        ]
        assert (await staff.get("/api/reports/holds")).status_code == 400
        assert (await staff.get("/api/reports/holds?show=999")).json()["items"] == []
        assert (await other.get(f"/api/reports/holds?show={show}")).status_code == 403


async def test_rejections_for_shows_that_do_not_exist_are_not_recorded(
    server: Server, database_url: str, redis_url: str
) -> None:
    show = await make_show(server)
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool,
        redis.asyncio.from_url(redis_url) as client,
    ):
        hold_limit = HoldLimit(RateLimits(client, server.settings).holds, pool)
        for show_id in (show, show, show + 1000):
            hold_limit.rejection(
                HoldSeats(
                    command_id=UUID(int=1), show_id=show_id, user_id=7, booking_id=UUID(int=1), hold_ms=60_000
                )
            )
        await hold_limit.write_rejections()
    rows = await server.sql("SELECT show_id, user_id, refused FROM hold_refusals")
    assert [tuple(row) for row in rows] == [(show, 7, 2)]

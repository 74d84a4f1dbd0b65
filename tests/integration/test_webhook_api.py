"""The endpoints of webhooks, and what a real sale sends to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.webhooks.endpoints import MAX_SECRETS, MAX_WEBHOOKS
from runtime import postgres
from runtime.log.opening import open_log
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.webhook_environment import LOOPBACK
from tests.integration.webhook_receiver import WebhookReceiver, answering
from webhooks.service import Webhooks

PATH = "/api/webhooks"
ALL: dict[str, Any] = {"url": "http://127.0.0.1:9/hook", "events": ["*"]}


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    """Yields a server whose webhooks may have addresses in 127.0.0.0/8."""
    made = settings(
        database_url=database_url,
        redis_url=redis_url,
        jwt_keys=KEYS,
        partitions=2,
        webhook_private_networks=LOOPBACK,
    )
    async with serving(made) as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    await receiver.open()
    yield receiver
    await receiver.close()


@contextlib.asynccontextmanager
async def delivering(server: Server) -> AsyncIterator[None]:
    """Runs webhooks beside the server, on its log."""
    assert server.settings.database_url is not None
    log = await open_log(None, server.settings.database_url)
    pool = await postgres.create_pool(server.settings.database_url, "webhooks", min_size=1, max_size=4)
    webhooks, stop = Webhooks(server.settings, pool, log), asyncio.Event()
    tasks = webhooks.tasks(stop)
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await webhooks.close()
        await pool.close()
        await log.close()


async def added(staff: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await staff.post(PATH, json=ALL | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    problem: dict[str, Any] = answer.json()
    return problem


async def test_a_webhook_is_added_listed_changed_and_deleted(staff: httpx.AsyncClient) -> None:
    made = await added(staff)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["public_key"].startswith("whpk_")
    path = f"{PATH}/{made['id']}"
    assert (await staff.get(path)).json() == made
    assert (await staff.get(PATH)).json() == {"items": [made], "next_cursor": None}
    assert secret not in (await staff.get(PATH)).text
    changed = (await staff.patch(path, json={"events": ["show.sold_out"], "active": False})).json()
    assert changed == made | {"events": ["show.sold_out"], "active": False}
    assert (await staff.delete(path)).status_code == 204
    await refused(await staff.get(path), 404, "not_found")
    await refused(await staff.delete(path), 404, "not_found")


async def test_the_list_is_in_pages(staff: httpx.AsyncClient) -> None:
    ids = [(await added(staff))["id"] for _ in range(3)]
    first = (await staff.get(PATH, params={"limit": 2})).json()
    second = (await staff.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [one["id"] for one in first["items"] + second["items"]] == ids
    assert second["next_cursor"] is None


CALLS = [
    ("POST", PATH, ALL),
    ("GET", PATH, None),
    ("GET", f"{PATH}/1", None),
    ("PATCH", f"{PATH}/1", {"active": False}),
    ("DELETE", f"{PATH}/1", None),
    ("POST", f"{PATH}/1/rotate", None),
    ("POST", f"{PATH}/1/test", None),
    ("GET", f"{PATH}/1/deliveries", None),
    ("POST", f"{PATH}/1/deliveries/1/replay", None),
    ("POST", f"{PATH}/1/replay", {"from": "2026-11-01T00:00:00Z"}),
]


async def test_every_call_is_for_staff_and_admins(server: Server) -> None:
    for role, status in ((None, 401), ("customer", 403)):
        async with server.client(None if role is None else 3, role or "") as client:
            for method, path, body in CALLS:
                answer = await client.request(method, path, json=body)
                assert answer.status_code == status, (method, path)
    async with server.client(1, "admin") as admin:
        for method, path, body in CALLS[1:]:
            assert (await admin.request(method, path, json=body)).status_code in (200, 404), (method, path)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "ftp://127.0.0.1/"}, "url"),
        ({"url": ""}, "url"),
        ({"url": "http://127.0.0.1/" + "x" * 2000}, "url"),
        ({"url": 7}, "url"),
        ({"events": []}, "events"),
        ({"events": ["booking.made"]}, "events[0]"),
        ({"events": ["*", "show.closed"]}, "events"),
        ({"events": ["show.closed", "show.closed"]}, "events[1]"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"active": True}, "active"),
    ],
)
async def test_a_body_with_a_fault_is_refused_with_its_field(
    staff: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    problem = await refused(await staff.post(PATH, json=ALL | body), 400, "validation")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_an_address_in_a_private_network_is_refused_unless_the_setting_names_it(
    staff: httpx.AsyncClient,
) -> None:
    for url in ("http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest"):
        await refused(await staff.post(PATH, json=ALL | {"url": url}), 400, "webhook_address")
    made = await added(staff)
    await refused(
        await staff.patch(f"{PATH}/{made['id']}", json={"url": "http://[::ffff:10.0.0.1]/"}),
        400,
        "webhook_address",
    )


async def test_an_idempotency_key_makes_one_webhook_and_one_secret(staff: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    first, second = [await staff.post(PATH, json=ALL, headers=key) for _ in range(2)]
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    await refused(
        await staff.post(PATH, json=ALL | {"events": ["show.closed"]}, headers=key), 422, "key_reused"
    )
    path = f"{PATH}/{first.json()['id']}"
    rotated, again = [await staff.post(f"{path}/rotate", headers=key) for _ in range(2)]
    assert rotated.json() == again.json()
    assert rotated.json()["secret"] != first.json()["secret"]
    tested, once = [await staff.post(f"{path}/test", headers=key) for _ in range(2)]
    assert tested.json() == once.json()


async def test_the_numbers_of_webhooks_and_of_their_secrets_are_bounded(
    server: Server, staff: httpx.AsyncClient
) -> None:
    made = await added(staff)
    for _ in range(MAX_SECRETS + 3):
        assert (await staff.post(f"{PATH}/{made['id']}/rotate")).status_code == 200
    [[secrets]] = await server.sql("SELECT count(*) FROM webhook_secrets")
    assert secrets == MAX_SECRETS
    await server.sql(
        "INSERT INTO webhooks (url, events) SELECT 'http://x', '{}' FROM generate_series(2, $1)", MAX_WEBHOOKS
    )
    await refused(await staff.post(PATH, json=ALL), 400, "validation")


async def test_a_test_event_is_sent_and_listed(
    server: Server, staff: httpx.AsyncClient, receiver: WebhookReceiver
) -> None:
    made = await added(staff, url=receiver.url, events=["show.closed"])
    path = f"{PATH}/{made['id']}"
    async with delivering(server):
        answer = await staff.post(f"{path}/test")
        assert answer.status_code == 202
        (received,) = await receiver.until(1)
        received.verify(made["secret"], made["public_key"])
        assert received.json["type"] == "webhook.test"
        listed = await until_listed(staff, path, "delivered")
        receiver.answer = answering(500)
        await staff.post(f"{path}/test")
        await receiver.until(2)
        pending = await until_listed(staff, path, "pending")
    assert [one["event_id"] for one in listed] == [answer.json()["event_id"]]
    assert (pending[0]["status"], pending[0]["next_try_at"] is not None) == ("pending", True)
    every = (await staff.get(f"{path}/deliveries", params={"limit": 1})).json()
    assert [one["id"] for one in every["items"]] == [pending[0]["id"]], "newest first"
    rest = (await staff.get(f"{path}/deliveries", params={"cursor": every["next_cursor"]})).json()
    assert [one["id"] for one in rest["items"]] == [listed[0]["id"]]
    await refused(await staff.get(f"{path}/deliveries", params={"status": "sent"}), 400, "validation")
    await refused(await staff.get(f"{PATH}/99/deliveries"), 404, "not_found")


async def until_listed(
    staff: httpx.AsyncClient, path: str, status: str, count: int = 1
) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        while True:
            listed = (await staff.get(f"{path}/deliveries", params={"status": status})).json()["items"]
            if len(listed) >= count and all(one["attempts"] for one in listed):
                return list(listed)
            await asyncio.sleep(0.05)


async def test_deliveries_are_sent_again_singly_and_by_period_under_the_same_id(
    server: Server, staff: httpx.AsyncClient, receiver: WebhookReceiver
) -> None:
    made = await added(staff, url=receiver.url)
    path = f"{PATH}/{made['id']}"
    async with delivering(server):
        for _ in range(3):
            await staff.post(f"{path}/test")
        delivered = await until_listed(staff, path, "delivered", 3)
        answer = await staff.post(f"{path}/deliveries/{delivered[0]['id']}/replay")
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        await receiver.until(4)
        assert receiver.ids[3] == delivered[0]["event_id"]
        await until_listed(staff, path, "delivered", 3)
        now = datetime.now(UTC)
        period = {
            "from": (now - timedelta(hours=1)).isoformat(),
            "to": (now + timedelta(hours=1)).isoformat(),
        }
        answer = await staff.post(f"{path}/replay", json=period | {"status": "failed"})
        assert answer.json() == {"replayed": 0, "more": False, "next_from": None}
        answer = await staff.post(f"{path}/replay", json=period)
        assert (answer.status_code, answer.json()["replayed"]) == (202, 3)
        await receiver.until(7)
        await until_listed(staff, path, "delivered", 3)
    assert len(set(receiver.ids)) == 3
    await refused(await staff.post(f"{path}/deliveries/999/replay"), 404, "not_found")
    await refused(await staff.post(f"{path}/replay", json={}), 400, "validation")
    await refused(await staff.post(f"{path}/replay", json={"from": "yesterday"}), 400, "validation")


async def test_one_that_is_off_is_neither_tested_nor_sent_again_and_gets_events_from_its_return_on(
    server: Server, staff: httpx.AsyncClient, receiver: WebhookReceiver
) -> None:
    made = await added(staff, url=receiver.url)
    path = f"{PATH}/{made['id']}"
    receiver.answer = answering(410)
    async with delivering(server):
        test = (await staff.post(f"{path}/test")).json()
        await until_listed(staff, path, "failed")
        shown = (await staff.get(path)).json()
        assert (shown["active"], shown["disabled"]) == (False, "the receiver answered 410 Gone")
        await refused(await staff.post(f"{path}/test"), 409, "webhook_inactive")
        await refused(await staff.post(f"{path}/deliveries/{test['id']}/replay"), 409, "webhook_inactive")
        await refused(
            await staff.post(f"{path}/replay", json={"from": "2026-01-01T00:00:00Z"}), 409, "webhook_inactive"
        )
        receiver.answer = answering(200)
        on = (await staff.patch(path, json={"active": True})).json()
        assert (on["active"], on["disabled"]) == (True, None)
        await staff.post(f"{path}/deliveries/{test['id']}/replay")
        await until_listed(staff, path, "delivered")
    assert receiver.ids == [test["event_id"]] * 2


async def test_a_sale_is_reported_in_order_up_to_sold_out_once(
    server: Server, staff: httpx.AsyncClient, receiver: WebhookReceiver
) -> None:
    await added(staff, url=receiver.url)
    await server.add_users(3)
    movie = (await staff.post("/api/movies", json={"title": "One", "duration_minutes": 90})).json()
    async with delivering(server), server.client(3) as customer:
        show = {
            "movie_id": movie["id"],
            "screen_name": "1",
            "starts_at": "2098-01-01T20:00:00Z",
            "total_seats": 3,
        }
        path = (await staff.post("/api/shows", json=show)).headers["Location"]
        held = (await customer.post(f"{path}/holds", json={"seats": ["1", "2"]})).json()
        booked = (await customer.post(f"{path}/bookings", json={"seats": ["3"]})).json()
        await receiver.until(3)
        assert [one.json["type"] for one in receiver.received] == [
            "show.opened",
            "hold.created",
            "booking.confirmed",
        ]
        assert receiver.received[2].json["data"]["booking"] == booked, "the booking as in the API"
        confirmed = (await customer.post(f"/api/bookings/{held['id']}/confirm")).json()
        await receiver.until(5)
        assert (await customer.post(f"/api/bookings/{held['id']}/cancel")).status_code == 200
        await receiver.until(6)
        assert (await customer.post(f"{path}/bookings", json={"seats": ["1", "2"]})).status_code == 201
        await receiver.until(8)
    types = [one.json["type"] for one in receiver.received]
    assert types[3:] == [
        *("booking.confirmed", "show.sold_out", "booking.cancelled", "booking.confirmed", "show.sold_out")
    ]
    assert receiver.received[3].json["data"]["booking"] == confirmed
    assert receiver.received[4].json["data"] == {"show": {"id": int(path.rpartition("/")[2])}}
    assert len(set(receiver.ids)) == len(receiver.ids)

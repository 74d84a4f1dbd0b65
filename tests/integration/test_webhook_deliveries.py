"""Deliveries to webhooks, with a real PostgreSQL and receivers that are slow, down or odd."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
from aiohttp import web

from runtime.settings import Settings
from schemas.events import BookingCancelled, BookingConfirmed, SeatsSwapped
from tests.integration.webhook_environment import LOOPBACK, WebhookEnvironment, opened
from tests.integration.webhook_receiver import Received, WebhookReceiver, answering, taken
from webhooks.deliveries import Deliveries
from webhooks.sender import LANES


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: Callable[..., Settings]
) -> AsyncIterator[WebhookEnvironment]:
    async with opened(database, database_url, settings(webhook_private_networks=LOOPBACK)) as environment:
        yield environment


@contextlib.asynccontextmanager
async def another_receiver() -> AsyncIterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    await receiver.open()
    try:
        yield receiver
    finally:
        await receiver.close()


async def test_an_event_is_delivered_signed_by_both_keys(environment: WebhookEnvironment) -> None:
    webhook = await environment.add()
    async with environment.running():
        environment.confirmed("0-5-0")
        (received,) = await environment.receiver.until(1)
        (row,) = await environment.until_status("delivered")
    received.verify(webhook.secret, webhook.public_key)
    assert received.id == "0-5-0"
    assert received.headers["Content-Type"] == "application/json"
    assert received.json["type"] == "booking.confirmed"
    assert received.json["data"]["booking"]["decided"] == {"partition": 0, "offset": 5}
    assert (row["attempts"], row["response_status"], row["error"]) == (1, 204, None)


async def test_a_webhook_gets_the_events_it_names_from_its_start_on_and_each_once(
    environment: WebhookEnvironment,
) -> None:
    before = environment.booking()
    environment.publish(BookingConfirmed(before), "0-1-0", at_ms=time.time_ns() // 1_000_000 - 10_000)
    await environment.add(None, "booking.cancelled", "booking.changed")
    async with environment.running():
        one, other = environment.booking(), environment.booking()
        environment.publish(BookingConfirmed(one), "0-2-0")
        for _ in range(3):
            environment.publish(BookingCancelled(one), "0-3-0")
        environment.publish(SeatsSwapped(one, other), "0-4-0")
        await environment.until_status("delivered", 3)
        environment.publish(BookingCancelled(one), "0-3-0")
        environment.publish(BookingCancelled(other), "0-5-0")
        await environment.until_status("delivered", 4)
    assert environment.receiver.ids == ["0-3-0", "0-4-0", "0-4-0-other", "0-5-0"]


async def test_events_of_a_show_arrive_in_their_order_and_shows_side_by_side(
    environment: WebhookEnvironment,
) -> None:
    under_way, most = 0, 0

    async def slowly(_received: Received) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return web.Response()

    environment.receiver.answer = slowly
    await environment.add()
    for number in range(60):
        environment.confirmed(f"0-{number}-0", show_id=7 + number % 3)
    async with environment.running():
        await environment.until_status("delivered", 60)
    assert len(environment.receiver.ids) == 60
    for show_id in (7, 8, 9):
        of_show = [
            one.id
            for one in environment.receiver.received
            if one.json["data"]["booking"]["show_id"] == show_id
        ]
        assert of_show == [f"0-{number}-0" for number in range(show_id - 7, 60, 3)]
    assert 1 < most <= 3, "one request of each show at a time"


async def test_a_failed_delivery_is_retried_after_1_s_and_5_s_with_the_same_id_and_new_signatures(
    environment: WebhookEnvironment,
) -> None:
    environment.receiver.answer = answering(500)
    webhook = await environment.add()
    async with environment.running():
        environment.confirmed("0-5-0")
        await environment.receiver.until(2)
        await environment.until_tried(2)
        environment.receiver.answer = taken
        first, second, third = await environment.receiver.until(3)
        (row,) = await environment.until_status("delivered")
    assert row["attempts"] == 3
    assert second.at_s - first.at_s >= 1
    assert third.at_s - second.at_s >= 5
    assert first.id == second.id == third.id
    assert first.body == third.body
    assert first.headers["webhook-timestamp"] != third.headers["webhook-timestamp"]
    assert first.signatures != third.signatures
    for received in (first, second, third):
        received.verify(webhook.secret, webhook.public_key)


async def test_later_events_of_a_show_wait_during_the_first_minute_and_no_longer(
    environment: WebhookEnvironment,
) -> None:
    async def but_the_first(received: Received) -> web.StreamResponse:
        return web.Response(status=500 if received.id == "0-1-0" else 200)

    environment.receiver.answer = but_the_first
    await environment.add()
    environment.confirmed("0-1-0")
    environment.confirmed("0-2-0")
    environment.confirmed("0-3-0", show_id=8)
    async with environment.running():
        await environment.until_status("delivered")
        await environment.until_tried(2)
        assert set(environment.receiver.ids) == {"0-1-0", "0-3-0"}
        await environment.database.execute(
            "UPDATE webhook_deliveries SET first_try_at = first_try_at - interval '1 minute'"
        )
        await environment.until_status("delivered", 2)
        environment.receiver.answer = taken
        await environment.make_due()
        await environment.until_status("delivered", 3)
    assert environment.receiver.ids.index("0-2-0") < len(environment.receiver.ids) - 1
    assert environment.receiver.ids[-1] == "0-1-0"


async def test_a_slow_receiver_delays_no_other(environment: WebhookEnvironment) -> None:
    hangs = asyncio.Event()

    async def never(_received: Received) -> web.StreamResponse:
        await hangs.wait()
        return web.Response()

    async with another_receiver() as slow:
        slow.answer = never
        webhook = await environment.add(slow)
        await environment.add()
        async with environment.running():
            for number in range(40):
                environment.confirmed(f"0-{number}-0", show_id=number + 1)
            await environment.receiver.until(40)
            assert len(slow.received) <= LANES
            assert await environment.endpoints.get(webhook.id)
            hangs.set()
            await environment.until_status("delivered", 80)


async def test_a_receiver_that_is_down_gets_everything_once_it_is_back(
    environment: WebhookEnvironment,
) -> None:
    await environment.add()
    await environment.receiver.close()
    async with environment.running():
        for number in range(5):
            environment.confirmed(f"0-{number}-0")
        rows = await environment.until_tried(1)
        assert "no connection" in rows[0]["error"]
        assert {row["status"] for row in rows} == {"pending"}
        await environment.receiver.open()
        await environment.make_due()
        await environment.until_status("delivered", 5)
    assert environment.receiver.ids == [f"0-{number}-0" for number in range(5)]


async def test_a_redirect_is_a_failure_and_is_not_followed(environment: WebhookEnvironment) -> None:
    async with another_receiver() as other:
        environment.receiver.answer = answering(307, Location=other.url)
        await environment.add()
        async with environment.running():
            environment.confirmed("0-1-0")
            (row,) = await environment.until_tried(1)
        assert row["status"] == "pending"
        assert "redirects are not followed" in row["error"]
        assert other.received == []


async def test_410_switches_a_webhook_off_and_nothing_more_is_sent(environment: WebhookEnvironment) -> None:
    environment.receiver.answer = answering(410)
    webhook = await environment.add()
    for number in range(3):
        environment.confirmed(f"0-{number}-0")
    async with environment.running():
        rows = await environment.until_status("failed", 3)
        environment.confirmed("0-9-0")
        while await environment.database.fetchval("SELECT sum(next_offset) FROM consumer_offsets") != 4:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert rows[0]["response_status"] == 410
    assert environment.receiver.ids == ["0-0-0"]
    assert len(await environment.rows()) == 3
    found = await environment.endpoints.get(webhook.id)
    assert (found.active, found.disabled) == (False, "the receiver answered 410 Gone")


@pytest.mark.parametrize("status", [429, 503])
async def test_an_overloaded_receiver_is_left_alone_for_as_long_as_it_asks(
    environment: WebhookEnvironment, status: int
) -> None:
    environment.receiver.answer = answering(status, Retry_After="3600")
    await environment.add()
    environment.confirmed("0-1-0")
    async with environment.running():
        await environment.until_tried(1)
        environment.confirmed("0-2-0", show_id=8)
        (first, *_) = await environment.until(lambda rows: len(rows) == 2)
        pause = "SELECT extract(epoch FROM paused_until - now())::float FROM webhooks"
        assert 3500 < await environment.database.fetchval(pause) <= 3600
        assert 3500 < (first["due_at"] - first["last_try_at"]).total_seconds() <= 3601
        assert environment.receiver.ids == ["0-1-0"], "nothing else is sent meanwhile"
        environment.receiver.answer = taken
        await environment.make_due()
        await environment.until_status("delivered", 2)
    assert await environment.database.fetchval("SELECT slowdowns FROM webhooks") == 0


async def test_a_response_is_not_read_to_its_end(environment: WebhookEnvironment) -> None:
    written = 0

    async def endless(received: Received) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(received.request)
        with contextlib.suppress(ConnectionError):
            while written < 100_000_000:
                await response.write(b"x" * 10_000)
                written += 10_000
        return response

    environment.receiver.answer = endless
    await environment.add()
    async with environment.running():
        environment.confirmed("0-1-0")
        await environment.until_status("delivered")
    assert written < 50_000_000


async def test_both_secrets_sign_while_they_rotate_and_the_old_one_stops_after_24_hours(
    environment: WebhookEnvironment,
) -> None:
    old = await environment.add()
    new = await environment.rotate(old.id)
    assert (old.secret, old.public_key) != (new.secret, new.public_key)
    async with environment.running():
        environment.confirmed("0-1-0")
        (both,) = await environment.receiver.until(1)
        left = "SELECT extract(epoch FROM retires_at - now())::float FROM webhook_secrets WHERE retires_at IS NOT NULL"
        assert 86_000 < await environment.database.fetchval(left) <= 86_400
        await environment.database.execute(
            "UPDATE webhook_secrets SET retires_at = now() WHERE retires_at > now()"
        )
        environment.confirmed("0-2-0")
        after = (await environment.receiver.until(2))[1]
        await environment.until_status("delivered", 2)
    for keys in (old, new):
        both.verify(keys.secret, keys.public_key)
    assert len(both.signatures) == 4
    after.verify(new.secret, new.public_key)
    assert len(after.signatures) == 2


async def test_the_tenth_failure_is_the_last_and_a_webhook_without_a_success_is_switched_off(
    environment: WebhookEnvironment,
) -> None:
    environment.receiver.answer = answering(500)
    webhook = await environment.add()
    environment.confirmed("0-1-0")
    async with environment.running():
        for attempts in range(1, 10):
            await environment.until_tried(attempts)
            await environment.make_due()
        (row,) = await environment.until_status("failed")
    assert row["attempts"] == len(environment.receiver.received) == 10
    found = await environment.endpoints.get(webhook.id)
    assert (found.active, found.disabled) == (False, "no delivery has succeeded for three days")


async def test_a_webhook_that_takes_other_events_stays_on_when_one_has_failed(
    environment: WebhookEnvironment,
) -> None:
    async def but_one(received: Received) -> web.StreamResponse:
        return web.Response(status=500 if received.id == "0-1-0" else 200)

    environment.receiver.answer = but_one
    webhook = await environment.add()
    environment.confirmed("0-1-0")
    async with environment.running():
        await environment.until_tried(1)
        environment.confirmed("0-2-0", show_id=8)
        await environment.until_status("delivered")
        await environment.database.execute(
            "UPDATE webhook_deliveries SET attempts = 9 WHERE status = 'pending'"
        )
        await environment.make_due()
        await environment.until_status("failed")
    assert (await environment.endpoints.get(webhook.id)).active


async def test_two_notifiers_share_the_work_and_deliver_once_and_in_order(
    environment: WebhookEnvironment,
) -> None:
    await environment.add()
    for number in range(100):
        environment.confirmed(f"0-{number}-0", show_id=7 + number % 5)
    async with environment.running(), environment.running():
        await environment.until_status("delivered", 100)
    assert len(environment.receiver.ids) == len(set(environment.receiver.ids)) == 100
    for rest in range(5):
        of_show = [one for one in environment.receiver.ids if int(one.split("-")[1]) % 5 == rest]
        assert of_show == sorted(of_show, key=lambda one: int(one.split("-")[1]))


async def test_a_lost_lease_is_taken_over_and_sent_under_the_same_id(environment: WebhookEnvironment) -> None:
    await environment.add()
    environment.confirmed("0-1-0")
    async with environment.running():
        await environment.until_status("delivered")
    await environment.database.execute(
        "UPDATE webhook_deliveries SET status = 'pending', taken_by = 'a killed one',"
        " leased_until = now() + interval '1 s'"
    )
    async with environment.running():
        await environment.until_status("delivered")
    assert environment.receiver.ids == ["0-1-0", "0-1-0"]


async def test_old_deliveries_are_removed_and_pending_ones_stay(
    environment: WebhookEnvironment, database_url: str
) -> None:
    environment.receiver.answer = answering(500)
    await environment.add()
    environment.confirmed("0-1-0")
    async with environment.running():
        await environment.until_tried(1)
        environment.receiver.answer = taken
        environment.confirmed("0-2-0", show_id=8)
        environment.confirmed("0-3-0", show_id=9)
        await environment.until_status("delivered", 2)
    await environment.database.execute(
        "UPDATE webhook_deliveries SET last_try_at = now() - interval '31 days' WHERE event_id <> '0-3-0'"
    )
    assert await Deliveries(environment.pool, "test").prune(30 * 86_400) == 1
    assert [row["event_id"] for row in await environment.rows()] == ["0-1-0", "0-3-0"]
    await environment.database.execute(
        "UPDATE webhooks SET active = false; UPDATE webhook_deliveries SET created_at = now() - interval '31 days'"
    )
    assert await Deliveries(environment.pool, "test").prune(30 * 86_400) == 1
    assert [row["event_id"] for row in await environment.rows()] == ["0-3-0"]

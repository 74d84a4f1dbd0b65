"""Deliveries with deferrals, rejections, and notifiers that stop, are killed or share the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from notifier.deliveries import Deliveries
from runtime import postgres
from tests.integration.notifier_environment import MakeSettings, NotifierEnvironment, opened


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[NotifierEnvironment]:
    async with opened(database, database_url, settings) as environment:
        yield environment


async def test_a_notifier_continues_at_the_stored_offset(environment: NotifierEnvironment) -> None:
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "sent")
    environment.confirmed("0-2-0")
    async with environment.notifier():
        await environment.until_status("0-2-0", "sent")
    assert len(environment.mail_server.messages) == 2
    assert (
        await environment.database.fetchval("SELECT next_offset FROM consumer_offsets WHERE partition = 0")
        == 2
    )


async def test_deliveries_wait_for_an_unavailable_mail_server(environment: NotifierEnvironment) -> None:
    await environment.mail_server.close()
    async with environment.notifier():
        for number in range(3):
            environment.confirmed(f"0-{number}-0")
        await environment.until_status("0-2-0", "due")
        await asyncio.sleep(1.2)
        assert environment.mail_server.messages == []
        await environment.mail_server.open()
        for number in range(3):
            delivery = await environment.until_status(f"0-{number}-0", "sent")
            assert delivery["attempts"] == 1
    assert len(set(environment.mail_server.ids)) == 3


async def test_a_broken_idle_connection_is_reopened(
    environment: NotifierEnvironment,
) -> None:
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "sent")
        await environment.mail_server.close()
        await environment.mail_server.open()
        await asyncio.sleep(2.1)
        environment.confirmed("0-2-0")
        await environment.until_status("0-2-0", "sent")
    assert len(environment.mail_server.messages) == 2


async def test_a_rejected_message_fails_and_others_are_sent(
    environment: NotifierEnvironment,
) -> None:
    environment.mail_server.refusals["bob@example.org"] = "550 5.1.1 no such mailbox"
    async with environment.notifier():
        environment.confirmed("0-1-0", user_id=4)
        environment.confirmed("0-2-0", user_id=3)
        failed = await environment.until_status("0-1-0", "failed")
        await environment.until_status("0-2-0", "sent")
    assert failed["last_error"] == "550 5.1.1 no such mailbox"
    assert failed["attempts"] == 1


async def test_a_deferred_message_is_retried_under_the_same_id(
    environment: NotifierEnvironment,
) -> None:
    seen: list[str] = []

    def greylist(message: Any) -> str | None:
        seen.append(message["Message-ID"])
        return "451 4.7.1 try again" if len(seen) == 1 else None

    environment.mail_server.on_message = greylist
    async with environment.notifier():
        environment.confirmed("0-1-0")
        environment.confirmed("0-2-0")
        await environment.until_status("0-2-0", "sent")
        delivery = await environment.database.fetchrow(
            "SELECT *, due_at > now() AS later FROM deliveries ORDER BY 1 LIMIT 1"
        )
        assert (delivery["status"], delivery["later"], delivery["attempts"]) == ("due", True, 1)
        assert "451" in delivery["last_error"]
        await environment.make_due()
        assert (await environment.until_status("0-1-0", "sent"))["attempts"] == 2
    assert seen[0] == seen[2]
    assert len(set(seen)) == 2


async def test_two_notifiers_share_the_work_and_send_each_e_mail_once(
    environment: NotifierEnvironment,
) -> None:
    async with environment.notifier(), environment.notifier():
        for number in range(60):
            environment.confirmed(f"{number % 4}-{number}-0", user_id=3 + number % 2, partition=number % 4)
        for number in range(60):
            await environment.until_status(f"{number % 4}-{number}-0", "sent")
    assert len(environment.mail_server.ids) == 60
    assert len(set(environment.mail_server.ids)) == 60


async def test_a_delivery_of_a_killed_notifier_is_sent_after_its_lease_expires(
    environment: NotifierEnvironment,
) -> None:
    pool = await postgres.create_pool(environment.database_url, "dead", min_size=1, max_size=1)
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "sent")
    # As a notifier leaves it that is killed after the mail server's yes and before its own note of it.
    await environment.database.execute("UPDATE deliveries SET status = 'due', due_at = now(), sent_at = NULL")
    dead = Deliveries(pool, "dead", lease_s=1)
    (in_hand,) = await dead.take_due(10)
    assert await Deliveries(pool, "other").take_due(10) == []
    async with environment.notifier():
        delivery = await environment.until_status("0-1-0", "sent")
    assert delivery["attempts"] == 3
    assert len(environment.mail_server.ids) == 2
    assert len(set(environment.mail_server.ids)) == 1, "a repeat can be recognised by its Message-ID"
    await dead.defer(in_hand, "woken up too late")
    assert await environment.status("0-1-0") == "sent"
    await pool.close()


async def test_a_lease_is_renewed_while_its_holder_lives(environment: NotifierEnvironment) -> None:
    pool = await postgres.create_pool(environment.database_url, "holder", min_size=1, max_size=1)
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "sent")
    await environment.database.execute("UPDATE deliveries SET status = 'due', due_at = now(), sent_at = NULL")
    mine, other = Deliveries(pool, "mine", lease_s=1), Deliveries(pool, "other", lease_s=1)
    (in_hand,) = await mine.take_due(10)
    for _ in range(4):
        await asyncio.sleep(0.4)
        await mine.renew([in_hand.delivery_id])
        assert await other.take_due(10) == []
    await other.release([in_hand.delivery_id])
    assert await other.take_due(10) == [], "nobody can give back what another holds"
    await mine.release([in_hand.delivery_id])
    assert [delivery.attempts for delivery in await other.take_due(10)] == [in_hand.attempts]
    await pool.close()


async def test_the_notifier_survives_its_database_connections(environment: NotifierEnvironment) -> None:
    async with environment.notifier():
        environment.confirmed("0-1-0")
        await environment.until_status("0-1-0", "sent")
        await environment.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'notifier'"
        )
        environment.confirmed("0-2-0")
        await environment.until_status("0-2-0", "sent")
    assert len(set(environment.mail_server.ids)) == 2


async def test_a_stop_finishes_the_current_delivery_and_releases_the_others(
    environment: NotifierEnvironment,
) -> None:
    for number in range(5):
        environment.confirmed(f"0-{number}-0")
    arrived = asyncio.Event()

    def note(_message: Any) -> None:
        arrived.set()

    environment.mail_server.on_message = note
    async with environment.notifier():
        await arrived.wait()
    rows = await environment.database.fetch(
        "SELECT status, attempts, taken_by, due_at <= now() AS due FROM deliveries"
    )
    assert sum(row["status"] == "sent" for row in rows) == len(environment.mail_server.messages)
    assert all(row["taken_by"] is None for row in rows)
    assert all(row["attempts"] == 0 and row["due"] for row in rows if row["status"] == "due")

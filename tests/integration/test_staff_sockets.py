"""/api/events/live: all events, for staff."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from runtime.log.opening import open_log
from runtime.settings import Settings
from schemas.wire import EVENTS_TOPIC, decode_published_event
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import Live, live, make_show

ADA, STAFF = 7, 1


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)


@pytest.fixture
async def server(made: Settings) -> AsyncIterator[Server]:
    async with serving(made) as running:
        yield running


async def book(server: Server, show_id: int, seat: str) -> str:
    """Books a seat for a customer of its own."""
    async with server.client(ADA + int(seat)) as http:
        answer = await http.post(f"/api/shows/{show_id}/bookings", json={"seats": [seat]})
        assert answer.status_code == 201, answer.text
        booking_id: str = answer.json()["id"]
        return booking_id


async def events(socket: Live, count: int) -> list[dict[str, Any]]:
    """Returns the next events in the order of arrival."""
    return [await socket.next(lambda message: "event_id" in message) for _ in range(count)]


async def opened_show(server: Server, socket: Live, total_seats: int = 50) -> int:
    """Makes a show on sale whose opening a socket has received."""
    show_id = await make_show(server, total_seats, seats_per_customer=10_000)
    event = (await events(socket, 1))[0]["event"]
    assert (event["type"], event["show_id"]) == ("ShowOpened", show_id)
    return show_id


async def stored_ids(settings: Settings, partition: int) -> list[str]:
    """Reads the ids of all events of a partition from the log."""
    log = await open_log(None, settings.database_url)
    try:
        first, end = (await log.bounds(EVENTS_TOPIC))[partition]
        records = await log.read(EVENTS_TOPIC, partition, first, end - first)
        return [decode_published_event(record.body).event_id for record in records]
    finally:
        await log.close()


async def test_events_are_those_of_the_log(server: Server, made: Settings) -> None:
    async with live(server, "/api/events/live", user_id=STAFF, role="staff") as socket:
        show_id = await make_show(server)
        opened = (await events(socket, 1))[0]
        assert (opened["event"]["type"], opened["event"]["show_id"]) == ("ShowOpened", show_id)
        booking_id = await book(server, show_id, "1")
        async with server.client(STAFF, "staff") as staff:
            await staff.post(f"/api/bookings/{booking_id}/cancel")
            await staff.post(f"/api/shows/{show_id}/close")
        received = await events(socket, 3)
        assert [one["event"]["type"] for one in received] == [
            "BookingConfirmed",
            "BookingCancelled",
            "ShowClosed",
        ]
        assert received[0]["event"]["booking"]["booking_id"] == booking_id
        partition = int(opened["event_id"].split("-")[0])
        assert [one["event_id"] for one in [opened, *received]] == await stored_ids(made, partition)


async def test_events_can_be_limited_to_one_show(server: Server) -> None:
    async with live(server, "/api/events/live", user_id=STAFF, role="staff") as all_shows:
        watched, other = await opened_show(server, all_shows), await opened_show(server, all_shows)
    path = f"/api/events/live?show={watched}"
    async with live(server, path, user_id=STAFF, role="staff") as socket:
        booked = []
        for seat in ("1", "2", "3"):
            await book(server, other, seat)
            booked.append(await book(server, watched, seat))
        received = await events(socket, 3)
        assert [one["event"]["booking"]["booking_id"] for one in received] == booked
        assert not socket.unread


async def test_every_event_of_many_is_sent_once(server: Server, made: Settings) -> None:
    async with (
        live(server, "/api/events/live", user_id=STAFF, role="staff") as first,
        live(server, "/api/events/live", user_id=STAFF, role="staff") as second,
    ):
        show_id = await opened_show(server, first, 200)
        await events(second, 1)
        await asyncio.gather(*(book(server, show_id, str(n)) for n in range(1, 101)))
        received = await events(first, 100)
        assert [one["event_id"] for one in received] == [one["event_id"] for one in await events(second, 100)]
        partition = int(received[0]["event_id"].split("-")[0])
        assert [one["event_id"] for one in received] == (await stored_ids(made, partition))[-100:]


async def test_no_event_is_lost_when_the_database_ends_connections(server: Server, database_url: str) -> None:
    async with live(server, "/api/events/live", user_id=STAFF, role="staff") as socket:
        show_id = await opened_show(server, socket)
        admin = await asyncpg.connect(database_url)
        ended = await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'aisle log, live-%'"
        )
        await admin.close()
        assert ended == 1
        booking_id = await book(server, show_id, "2")
        assert (await events(socket, 1))[0]["event"]["booking"]["booking_id"] == booking_id
        assert not socket.unread


async def test_the_status_of_a_show_is_the_apis_word(server: Server) -> None:
    async with (
        live(server, "/api/events/live", user_id=STAFF, role="staff") as socket,
        server.client(STAFF, "staff") as staff,
    ):
        show_id = await make_show(server)
        path = f"/api/shows/{show_id}"
        later = {"sales_start_at": "2090-01-01T00:00:00Z"}
        past = {"starts_at": "2000-01-01T00:00:00Z", "sales_start_at": None, "past": True}
        seen = [((await staff.get(path)).json()["status"])]
        for method, call, body in (
            ("POST", "/close", None),
            ("POST", "/reopen", None),
            ("PATCH", "", later),
            ("PATCH", "", past),
            ("POST", "/cancel", None),
        ):
            answer = await staff.request(method, path + call, json=body)
            assert answer.status_code == 200, answer.text
            seen.append(answer.json()["status"])
        assert seen == ["on_sale", "closed", "on_sale", "scheduled", "past", "cancelled"]
        received = [one["event"] for one in await events(socket, 6)]
        assert [event["status"] for event in received] == seen
        assert all(event["terms"]["seats_per_customer"] == 10 for event in received)
        stored = await server.sql("SELECT body FROM log WHERE topic = $1", EVENTS_TOPIC)
        assert any(b'"status":"open"' in row["body"] for row in stored), "records keep the writer's word"

"""A database restored from a backup beside the intact log in Kafka: nothing that the log has is lost or differs."""

from __future__ import annotations

import asyncio
import email
import os
import secrets
import time
from collections.abc import Callable, Iterator
from email.policy import default
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka.admin import NewPartitions

from ops.kafka.node import KafkaCluster
from runtime.log.kafka import KafkaLog
from runtime.log.kafka_topics import administer
from schemas.commands import BookSeats
from schemas.ids import keyed_command_id, new_booking_id
from schemas.wire import COMMANDS_TOPIC, EVENTS_TOPIC, encode
from tests.chaos.chaos_instance import ChaosInstance, eventually
from tests.kafka_fixture import need_kafka

pytestmark = pytest.mark.kafka

_APPENDED = int(os.environ.get("AISLE_TEST_RESTORED", "4000"))
"""Commands that the backup lacks; with a million the time to decide them is a measurement."""

_DECISIONS = (
    "SELECT partition, log_offset, at_ms, command, answer FROM decisions ORDER BY partition, log_offset"
)
_BOOKINGS = (
    "SELECT booking_id, show_id, user_id, status, seats, total, created_ms FROM bookings ORDER BY booking_id"
)
_SHOWS = """
SELECT s.show_id, s.movie_id, m.title, m.description, m.genres, s.screen_name, s.starts_at, s.timezone, s.layout_id,
       s.seats_per_customer, s.sales_start_at, s.partition, s.request_id, s.request_digest, l.digest, l.body, l.prices,
       l.listed_prices, l.total_seats
  FROM shows s JOIN movies m USING (movie_id) JOIN layouts l USING (layout_id) ORDER BY show_id
"""
_DECIDED = "SELECT coalesce(sum(next_offset), 0)::int FROM partitions"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Yields one node of Kafka of its own."""
    need_kafka()
    cluster = KafkaCluster(tmp_path / "kafka", nodes=1)
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture
def instance_of(cluster: KafkaCluster, tmp_path: Path) -> Iterator[Callable[[str], ChaosInstance]]:
    """Yields a function that makes an instance with a home of this name; none runs after the test."""
    made: list[ChaosInstance] = []

    def make(name: str) -> ChaosInstance:
        made.append(ChaosInstance(tmp_path / name, cluster, workers=1, gateways=1))
        return made[-1]

    yield make
    for instance in made:
        instance.end()


async def test_restore_beside_the_intact_log_brings_back_what_the_log_has(
    instance_of: Callable[[str], ChaosInstance], cluster: KafkaCluster, tmp_path: Path, record_property: Any
) -> None:
    before, after = instance_of("before"), instance_of("after")
    await before.start()
    old_show = await before.make_show(300)
    early = await _sign_up(before, "early")
    await _book(before, old_show, early, ["1"])
    backup = tmp_path / "backup"
    made = await asyncio.to_thread(before.command, "backup", str(backup))
    assert made.returncode == 0, made.stderr

    # What the backup lacks: an account, a movie with a show and a layout, bookings, a cancellation, partitions.
    lost = await _sign_up(before, "lost")
    new_show, key = await _new_show(before)
    await _book(before, new_show, early, ["B-3"])
    kept = await _book(before, old_show, lost, ["2"])
    await _book(before, new_show, lost, ["B-2"])
    await _emails_once_sent(
        before, 4
    )  # nobody hears of a booking that was cancelled before its e-mail went out
    await _cancel(before, kept, lost["access"])
    await _more_partitions(cluster, 6)
    await _append_bookings(before, cluster, old_show, new_show)
    written = await _state_once_decided(before, cluster)
    emails = await _emails_once_sent(before, 5)
    assert before.stop() == 0

    restored = await asyncio.to_thread(after.command, "restore", str(backup))
    assert restored.returncode == 0, restored.stderr
    assert "1 shows are in the catalogue again" in restored.stdout
    assert "Accounts made since the backup are lost" in restored.stdout

    after.launch()
    took_s = await _time_to_decide(after, len(written["decisions"]))
    record_property("decided_again_per_s", round(_APPENDED / took_s))
    await after.wait_until_ready()
    decided_again = await _state_once_decided(after, cluster)
    known = {row[:2] for row in written["decisions"]}
    # The start itself appends: it opens shows that are not decided yet again.
    decided_again["decisions"] = [row for row in decided_again["decisions"] if row[:2] in known]
    assert decided_again == written

    new = await _sign_up(after, "new")
    assert new["id"] > lost["id"] + 1000
    async with httpx.AsyncClient(base_url=after.url, headers=_bearer(new["access"])) as client:
        assert (await client.get("/api/me/bookings")).json()["items"] == []
    again, _ = await _new_show(after, key)
    assert again == new_show, "the Idempotency-Key of the lost request still names its show"
    assert (await _new_show(after))[0] > new_show

    repeated = await _emails_once_sent(after, 1)
    assert repeated == {event: emails[event] for event in repeated}
    verified = await asyncio.to_thread(after.command, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert after.stop() == 0


async def test_backup_of_another_log_is_refused(
    instance_of: Callable[[str], ChaosInstance], cluster: KafkaCluster, tmp_path: Path
) -> None:
    instance = instance_of("before")
    await instance.start()
    made = await asyncio.to_thread(instance.command, "backup", str(tmp_path / "backup"))
    assert made.returncode == 0, made.stderr
    assert "The log is in Kafka and is not part of it" in made.stdout
    assert instance.stop() == 0
    async with administer(cluster.address) as admin:
        await admin.delete_topics([COMMANDS_TOPIC, EVENTS_TOPIC])
    other = instance_of("other")
    await other.start()
    assert other.stop() == 0
    refused = await asyncio.to_thread(instance_of("after").command, "restore", str(tmp_path / "backup"))
    assert refused.returncode == 1
    assert "the backup belongs to the kafka log" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "after").exists()


def _bearer(access: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access}"}


async def _book(instance: ChaosInstance, show: int, account: dict[str, Any], seats: list[str]) -> str:
    headers = _bearer(account["access"])
    async with httpx.AsyncClient(base_url=instance.url, headers=headers, timeout=30) as client:
        answer = await client.post(f"/api/shows/{show}/bookings", json={"seats": seats})
    assert answer.status_code == 201, answer.text
    booking: str = answer.json()["id"]
    return booking


async def _cancel(instance: ChaosInstance, booking: str, token: str) -> None:
    async with httpx.AsyncClient(base_url=instance.url, headers=_bearer(token), timeout=30) as client:
        assert (await client.post(f"/api/bookings/{booking}/cancel")).status_code == 200


async def _sign_up(instance: ChaosInstance, name: str) -> dict[str, Any]:
    account = {"username": name, "password": "a long password", "email": f"{name}@example.org"}
    async with httpx.AsyncClient(base_url=instance.url, timeout=30) as client:
        made = await client.post("/api/signup", json=account)
        assert made.status_code == 201, made.text
        login = await client.post("/api/login", json={"username": name, "password": "a long password"})
    return {"id": made.json()["id"], "access": login.json()["access"]}


async def _new_show(instance: ChaosInstance, key: str | None = None) -> tuple[int, str]:
    """Creates a show of the movie "After the Backup", in a hall with a layout of its own; returns its id and key."""
    key = key or secrets.token_hex(8)
    rows = [{"name": name, "seats": 200} for name in "ABCDEFGHIJ"]
    layout = {
        "sections": [{"name": "Stalls", "price": {"amount": 1250, "currency": "EUR"}, "rows": rows}],
        "label": "{row}-{seat}",
    }
    async with instance.client(2, "admin") as staff:
        movies = (await staff.get("/api/movies", params={"search": "After the Backup"})).json()["items"]
        if not movies:
            movie = {"title": "After the Backup", "duration_minutes": 90, "genres": ["Drama"]}
            movies = [(await staff.post("/api/movies", json=movie)).json()]
        wanted = {
            "movie_id": movies[0]["id"],
            "screen_name": "New Hall",
            "starts_at": "2099-01-01T20:00:00.000Z",
            "layout": layout,
            "seats_per_customer": 10_000,
        }
        answer = await staff.post("/api/shows", json=wanted, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], key


async def _more_partitions(cluster: KafkaCluster, count: int) -> None:
    async with administer(cluster.address) as admin:
        for topic in (COMMANDS_TOPIC, EVENTS_TOPIC):
            await admin.create_partitions({topic: NewPartitions(total_count=count)})


async def _append_bookings(instance: ChaosInstance, cluster: KafkaCluster, *shows: int) -> None:
    """Appends bookings of single seats to the log, many more than there are seats, so that most are refused."""
    database = await asyncpg.connect(instance.database_url)
    try:
        partitions = [
            await database.fetchval("SELECT partition FROM shows WHERE show_id = $1", s) for s in shows
        ]
    finally:
        await database.close()
    now_ms = int(time.time() * 1000)
    records = []
    for number in range(_APPENDED):
        show, partition = shows[number % len(shows)], partitions[number % len(shows)]
        seat = (
            f"{'ABCDEFGHIJ'[number % 10]}-{number // 10 % 200 + 1}"
            if number % len(shows)
            else f"{number % 300 + 1}"
        )
        command = BookSeats(
            command_id=keyed_command_id(number % 997 + 5000, f"restore-{number}"),
            show_id=show,
            user_id=number % 997 + 5000,
            booking_id=new_booking_id(show, now_ms, secrets.randbits(42)),
            seats=(seat,),
        )
        records.append((partition, encode(command)))
    log = KafkaLog(cluster.address)
    appender = log.appender(COMMANDS_TOPIC)
    try:
        for first in range(0, len(records), 2_000):
            await appender.append_many(records[first : first + 2_000])
    finally:
        await appender.close()
        await log.close()


async def _state_once_decided(instance: ChaosInstance, cluster: KafkaCluster) -> dict[str, list[Any]]:
    """Returns decisions, bookings and shows, once all commands of the log are decided."""
    log = KafkaLog(cluster.address)
    try:
        wanted = sum(end for _, end in (await log.bounds(COMMANDS_TOPIC)).values())
    finally:
        await log.close()
    database = await asyncpg.connect(instance.database_url)
    try:

        async def decided() -> bool:
            return bool(await database.fetchval(_DECIDED) >= wanted)

        await eventually(decided, "the log is not decided", within_s=120)
        queries = {"decisions": _DECISIONS, "bookings": _BOOKINGS, "shows": _SHOWS}
        return {name: [tuple(row) for row in await database.fetch(sql)] for name, sql in queries.items()}
    finally:
        await database.close()


async def _time_to_decide(instance: ChaosInstance, wanted: int) -> float:
    """Returns the seconds from the first decision after the start to the last one of the log."""
    began: float | None = None
    decided_at_start: int | None = None

    async def decided() -> bool:
        nonlocal began, decided_at_start
        try:
            database = await asyncpg.connect(instance.database_url)
        except (OSError, asyncpg.PostgresError):
            return False  # it is starting
        try:
            done = await database.fetchval(_DECIDED)
        finally:
            await database.close()
        if decided_at_start is None:
            decided_at_start = done
        if began is None and done > decided_at_start:
            began = time.monotonic()
        return bool(done >= wanted)

    await eventually(decided, "the log is not decided", within_s=120)
    assert began is not None
    return max(time.monotonic() - began, 0.001)


async def _emails_once_sent(instance: ChaosInstance, at_least: int) -> dict[str, str]:
    """Returns the Message-ID of each e-mail of an event, by event and kind, once there are so many."""
    found: dict[str, str] = {}

    async def sent() -> bool:
        for path in (instance.home / "inbox").glob("*.eml"):
            message_id = email.message_from_bytes(path.read_bytes(), policy=default)["Message-ID"]
            kind, event, _ = message_id.strip("<>").split(".", 2)
            if not event.startswith("letter"):
                assert found.setdefault(f"{kind} {event}", message_id) == message_id
        return len(found) >= at_least

    await eventually(sent, "e-mails are missing")
    return found

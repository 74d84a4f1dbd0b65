"""The notifier on a real PostgreSQL and over real SMTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from notifier.deliveries import Deliveries
from notifier.service import notify
from runtime import postgres
from runtime.log.memory import MemoryLog
from runtime.settings import Settings
from schemas.events import Booking, BookingCancelled, BookingConfirmed, BookingStatus, PublishedEvent
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section, encode_layout, layout_digest
from schemas.wire import EVENTS_TOPIC, encode
from tests.integration.post import Post

LAYOUT = Layout((Section("Stalls", Money(1250, "EUR"), (Row("C", 20),)),))
MakeSettings = Callable[..., Settings]


class Venue:
    """A database with a show and two customers, a log, a post office; events that happen."""

    def __init__(self, database: asyncpg.Connection, database_url: str, log: MemoryLog, post: Post) -> None:
        self.database = database
        self.database_url = database_url
        self.log = log
        self.post = post
        self.settings: Settings
        self._bookings = 0

    async def furnish(self, title: str = "The Lighthouse at Noon") -> None:
        body = encode_layout(LAYOUT)
        await self.database.execute(
            "INSERT INTO users (user_id, username, email, name, password_hash) "
            "VALUES (3, 'ada', 'ada@example.org', 'Ada', 'x'), (4, 'bob', 'bob@example.org', '', 'x')"
        )
        await self.database.execute(
            "INSERT INTO movies (movie_id, title, duration_minutes) VALUES (1, $1, 128)", title
        )
        await self.database.execute(
            "INSERT INTO layouts (layout_id, digest, total_seats, body) VALUES (1, $1, 20, $2)",
            layout_digest(body),
            body,
        )
        await self.database.execute(
            "INSERT INTO shows (show_id, movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer, "
            "partition) VALUES (7, 1, 'Screen 3', $1, 'Europe/Berlin', 1, 10, 0)",
            datetime.now(UTC) + timedelta(days=3),
        )

    def booking(self, user_id: int = 3) -> Booking:
        self._bookings += 1
        return Booking(
            booking_id=new_booking_id(7, 1_795_000_000_000, self._bookings),
            show_id=7,
            user_id=user_id,
            status=BookingStatus.CONFIRMED,
            seats=("C12", "C13"),
            total=2500,
            currency="EUR",
            created_ms=1_795_000_000_000,
        )

    def happens(self, event: Any, event_id: str, partition: int = 0) -> None:
        self.log.put(EVENTS_TOPIC, partition, encode(PublishedEvent(event_id, 1, event)))

    def confirmed(self, event_id: str, user_id: int = 3, partition: int = 0) -> None:
        self.happens(BookingConfirmed(self.booking(user_id)), event_id, partition)

    @contextlib.asynccontextmanager
    async def notifier(self, **changes: Any) -> AsyncIterator[asyncio.Task[None]]:
        """A notifier that runs; stopped in good order at the end."""
        pool = await postgres.create_pool(self.database_url, "notifier", min_size=1, max_size=4)
        stop = asyncio.Event()
        task = asyncio.create_task(notify(self.settings, pool, self.log, stop))
        try:
            yield task
        finally:
            stop.set()
            await asyncio.wait([task])
            await pool.close()
            if not task.cancelled():
                task.result()

    async def status(self, event_id: str) -> str | None:
        status: str | None = await self.database.fetchval(
            "SELECT status FROM deliveries WHERE event_id = $1", event_id
        )
        return status

    async def until_status(self, event_id: str, status: str) -> asyncpg.Record:
        async with asyncio.timeout(20):
            while await self.status(event_id) != status:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return await self.database.fetchrow("SELECT * FROM deliveries WHERE event_id = $1", event_id)

    async def make_due(self) -> None:
        await self.database.execute("UPDATE deliveries SET due_at = now() WHERE status = 'due'")


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    post = Post()
    await post.open()
    yield post
    await post.close()


@pytest.fixture
async def venue(database: asyncpg.Connection, database_url: str, post: Post, settings: MakeSettings) -> Venue:
    log = MemoryLog(lambda: time.time_ns() // 1_000_000)
    await log.create(4)
    venue = Venue(database, database_url, log, post)
    venue.settings = settings(smtp_url=post.url, mail_from="Aisle <tickets@venue.example>")
    await venue.furnish()
    return venue


async def test_a_confirmed_booking_brings_a_letter_with_its_tickets(venue: Venue) -> None:
    async with venue.notifier():
        venue.confirmed("0-5-0")
        delivery = await venue.until_status("0-5-0", "sent")
    (letter,) = venue.post.letters
    assert letter["To"] == "Ada <ada@example.org>"
    assert "The Lighthouse at Noon" in letter["Subject"]
    (pdf,) = letter.iter_attachments()
    assert pdf.get_content().startswith(b"%PDF-")
    assert delivery["sent_at"] is not None
    assert delivery["taken_by"] is None
    assert b"ada" not in delivery["payload"]


async def test_a_repeated_event_sends_nothing_twice(venue: Venue) -> None:
    async with venue.notifier():
        event = BookingConfirmed(venue.booking())
        for _ in range(5):
            venue.happens(event, "0-5-0")
        venue.confirmed("0-6-0")
        await venue.until_status("0-6-0", "sent")
        venue.happens(event, "0-5-0")
        venue.confirmed("0-7-0")
        await venue.until_status("0-7-0", "sent")
    assert len(venue.post.letters) == 3
    assert len(set(venue.post.ids)) == 3


async def test_a_notifier_goes_on_where_the_last_one_stopped(venue: Venue) -> None:
    async with venue.notifier():
        venue.confirmed("0-1-0")
        await venue.until_status("0-1-0", "sent")
    venue.confirmed("0-2-0")
    async with venue.notifier():
        await venue.until_status("0-2-0", "sent")
    assert len(venue.post.letters) == 2
    assert await venue.database.fetchval("SELECT next_offset FROM consumer_offsets WHERE partition = 0") == 2


async def test_letters_wait_for_a_mail_server_that_is_away(venue: Venue) -> None:
    await venue.post.close()
    async with venue.notifier():
        for number in range(3):
            venue.confirmed(f"0-{number}-0")
        await venue.until_status("0-2-0", "due")
        await asyncio.sleep(1.2)
        assert venue.post.letters == []
        await venue.post.open()
        for number in range(3):
            delivery = await venue.until_status(f"0-{number}-0", "sent")
            assert delivery["attempts"] == 1
    assert len(set(venue.post.ids)) == 3


async def test_a_connection_that_breaks_between_letters_is_opened_again(venue: Venue) -> None:
    async with venue.notifier():
        venue.confirmed("0-1-0")
        await venue.until_status("0-1-0", "sent")
        await venue.post.close()
        await venue.post.open()
        await asyncio.sleep(2.1)
        venue.confirmed("0-2-0")
        await venue.until_status("0-2-0", "sent")
    assert len(venue.post.letters) == 2


async def test_a_letter_refused_for_good_has_failed_and_the_others_go_on(venue: Venue) -> None:
    venue.post.refusals["bob@example.org"] = "550 5.1.1 no such mailbox"
    async with venue.notifier():
        venue.confirmed("0-1-0", user_id=4)
        venue.confirmed("0-2-0", user_id=3)
        failed = await venue.until_status("0-1-0", "failed")
        await venue.until_status("0-2-0", "sent")
    assert failed["last_error"] == "550 5.1.1 no such mailbox"
    assert failed["attempts"] == 1


async def test_a_letter_that_is_deferred_is_tried_again_later_under_the_same_id(venue: Venue) -> None:
    seen: list[str] = []

    def greylist(letter: Any) -> str | None:
        seen.append(letter["Message-ID"])
        return "451 4.7.1 try again" if len(seen) == 1 else None

    venue.post.on_letter = greylist
    async with venue.notifier():
        venue.confirmed("0-1-0")
        venue.confirmed("0-2-0")
        await venue.until_status("0-2-0", "sent")
        delivery = await venue.database.fetchrow(
            "SELECT *, due_at > now() AS later FROM deliveries ORDER BY 1 LIMIT 1"
        )
        assert (delivery["status"], delivery["later"], delivery["attempts"]) == ("due", True, 1)
        assert "451" in delivery["last_error"]
        await venue.make_due()
        assert (await venue.until_status("0-1-0", "sent"))["attempts"] == 2
    assert seen[0] == seen[2]
    assert len(set(seen)) == 2


async def test_two_notifiers_share_the_work_and_send_each_letter_once(venue: Venue) -> None:
    async with venue.notifier(), venue.notifier():
        for number in range(60):
            venue.confirmed(f"{number % 4}-{number}-0", user_id=3 + number % 2, partition=number % 4)
        for number in range(60):
            await venue.until_status(f"{number % 4}-{number}-0", "sent")
    assert len(venue.post.ids) == 60
    assert len(set(venue.post.ids)) == 60


async def test_a_letter_in_the_hand_of_a_killed_notifier_is_sent_when_its_lease_runs_out(
    venue: Venue,
) -> None:
    pool = await postgres.create_pool(venue.database_url, "dead", min_size=1, max_size=1)
    async with venue.notifier():
        venue.confirmed("0-1-0")
        await venue.until_status("0-1-0", "sent")
    # As a notifier leaves it that is killed after the mail server's yes and before its own note of it.
    await venue.database.execute("UPDATE deliveries SET status = 'due', due_at = now(), sent_at = NULL")
    dead = Deliveries(pool, "dead", lease_s=1)
    (in_hand,) = await dead.take_due(10)
    assert await Deliveries(pool, "other").take_due(10) == []
    async with venue.notifier():
        delivery = await venue.until_status("0-1-0", "sent")
    assert delivery["attempts"] == 3
    assert len(venue.post.ids) == 2
    assert len(set(venue.post.ids)) == 1, "a repeat can be recognised by its Message-ID"
    await dead.put_off(in_hand, "woken up too late")
    assert await venue.status("0-1-0") == "sent"
    await pool.close()


async def test_a_lease_is_kept_as_long_as_its_holder_lives(venue: Venue) -> None:
    pool = await postgres.create_pool(venue.database_url, "holder", min_size=1, max_size=1)
    async with venue.notifier():
        venue.confirmed("0-1-0")
        await venue.until_status("0-1-0", "sent")
    await venue.database.execute("UPDATE deliveries SET status = 'due', due_at = now(), sent_at = NULL")
    mine, other = Deliveries(pool, "mine", lease_s=1), Deliveries(pool, "other", lease_s=1)
    (in_hand,) = await mine.take_due(10)
    for _ in range(4):
        await asyncio.sleep(0.4)
        await mine.renew([in_hand.delivery_id])
        assert await other.take_due(10) == []
    await other.give_back([in_hand.delivery_id])
    assert await other.take_due(10) == [], "nobody can give back what another holds"
    await mine.give_back([in_hand.delivery_id])
    assert [delivery.attempts for delivery in await other.take_due(10)] == [in_hand.attempts]
    await pool.close()


async def test_letters_about_one_booking_go_out_in_order(venue: Venue) -> None:
    answers = ["451 later", None, None, None]
    venue.post.on_letter = lambda _letter: answers.pop(0)
    booking = venue.booking()
    async with venue.notifier():
        venue.happens(BookingConfirmed(booking), "0-1-0")
        venue.happens(BookingCancelled(booking), "0-2-0")
        venue.confirmed("0-3-0")
        await venue.until_status("0-3-0", "sent")
        assert await venue.status("0-2-0") == "due"
        await venue.make_due()
        await venue.until_status("0-2-0", "sent")
    subjects = [letter["Subject"].partition(":")[0] for letter in venue.post.letters]
    assert subjects == ["Your tickets", "Your tickets", "Cancelled"]


async def test_who_has_forgotten_their_account_gets_nothing(venue: Venue) -> None:
    await venue.database.execute(
        "UPDATE users SET email = NULL, username = NULL, name = '', password_hash = NULL WHERE user_id = 3"
    )
    async with venue.notifier():
        venue.confirmed("0-1-0")
        venue.confirmed("0-2-0", user_id=99)
        skipped = await venue.until_status("0-1-0", "skipped")
        await venue.until_status("0-2-0", "skipped")
    assert skipped["last_error"] == "the account is forgotten"
    assert venue.post.letters == []


async def test_records_that_cannot_be_read_are_passed_over(venue: Venue) -> None:
    async with venue.notifier():
        for body in (
            b"",
            b"\xff\x00",
            b"{}",
            b'{"event_id":"1-1-0","at_ms":1,"event":{"type":"FromTheFuture"}}',
        ):
            venue.log.put(EVENTS_TOPIC, 0, body)
        venue.confirmed("0-9-0")
        await venue.until_status("0-9-0", "sent")
    assert len(venue.post.letters) == 1


async def test_a_letter_that_cannot_be_written_does_not_stop_the_others(venue: Venue) -> None:
    booking = venue.booking()
    async with venue.notifier():
        venue.happens(BookingConfirmed(Booking(**{**_fields(booking), "show_id": 8})), "0-1-0")
        venue.confirmed("0-2-0")
        await venue.until_status("0-2-0", "sent")
    delivery = await venue.database.fetchrow("SELECT * FROM deliveries WHERE event_id = '0-1-0'")
    assert (delivery["status"], delivery["attempts"]) == ("due", 1)
    assert "there is no show 8" in delivery["last_error"]


async def test_line_ends_in_a_title_make_no_headers(venue: Venue) -> None:
    await venue.database.execute(
        "UPDATE movies SET title = E'Evil\\r\\nBcc: eve@example.org\\r\\n\\r\\nhello'"
    )
    async with venue.notifier():
        venue.confirmed("0-1-0")
        await venue.until_status("0-1-0", "sent")
    (letter,) = venue.post.letters
    assert letter["Bcc"] is None
    assert "Evil Bcc: eve@example.org hello" in letter["Subject"]
    assert len(list(letter.iter_attachments())) == 1


async def test_letters_that_the_gateways_want_are_sent_and_their_secrets_forgotten(venue: Venue) -> None:
    async with venue.notifier():
        await venue.database.execute(
            "INSERT INTO letters_wanted (user_id, kind, data) VALUES (3, 'welcome', '{}')"
        )
        await venue.database.execute(
            """INSERT INTO letters_wanted (user_id, kind, data) VALUES (3, 'password_reset', '{"token": "s3cret"}')"""
        )
        await venue.until_status("letter-1", "sent")
        reset = await venue.until_status("letter-2", "sent")
    assert [letter["Subject"] for letter in venue.post.letters] == ["Welcome to Aisle", "Set a new password"]
    assert "s3cret" in str(venue.post.letters[1])
    assert reset["payload"] == b"{}"
    assert await venue.database.fetchval("SELECT count(*) FROM letters_wanted") == 0


async def test_a_reset_link_that_is_too_old_is_not_sent(venue: Venue) -> None:
    await venue.database.execute(
        "INSERT INTO letters_wanted (user_id, kind, data, created_at) "
        """VALUES (3, 'password_reset', '{"token": "s3cret"}', now() - interval '31 minutes')"""
    )
    async with venue.notifier():
        skipped = await venue.until_status("letter-1", "skipped")
    assert skipped["payload"] == b"{}"
    assert venue.post.letters == []


async def test_the_notifier_survives_its_database_connections(venue: Venue) -> None:
    async with venue.notifier():
        venue.confirmed("0-1-0")
        await venue.until_status("0-1-0", "sent")
        await venue.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'notifier'"
        )
        venue.confirmed("0-2-0")
        await venue.until_status("0-2-0", "sent")
    assert len(set(venue.post.ids)) == 2


async def test_a_stop_finishes_the_letter_in_hand_and_gives_the_others_back(venue: Venue) -> None:
    for number in range(5):
        venue.confirmed(f"0-{number}-0")
    arrived = asyncio.Event()

    def note(_letter: Any) -> None:
        arrived.set()

    venue.post.on_letter = note
    async with venue.notifier():
        await arrived.wait()
    rows = await venue.database.fetch(
        "SELECT status, attempts, taken_by, due_at <= now() AS due FROM deliveries"
    )
    assert sum(row["status"] == "sent" for row in rows) == len(venue.post.letters)
    assert all(row["taken_by"] is None for row in rows)
    assert all(row["attempts"] == 0 and row["due"] for row in rows if row["status"] == "due")


def _fields(booking: Booking) -> dict[str, Any]:
    return {field: getattr(booking, field) for field in booking.__struct_fields__}

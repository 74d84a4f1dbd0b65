"""Data of earlier releases stay readable, verify clean and are decided to the very same decisions."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest

from gateway.catalogue.show_notes import ShowNotes
from gateway.catalogue.zones import read_zones
from gateway.reports.figures import ReportFigures
from gateway.seat_maps.layout import EncodedLayout
from notifier.composition import Composer, DeliverySkipped
from notifier.deliveries import Deliveries, Delivery
from notifier.facts import Facts
from notifier.message import parse_mailbox
from ops.audit.rebuild import rebuild
from ops.audit.verify import verify
from ops.migrations import migrate, read_migrations
from runtime import postgres
from runtime.log.postgres import PostgresLog
from schemas.commands import BookSeats, ChangeSeats, Command, ExtendHold, OpenShow, SwapSeats
from schemas.events import (
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingStatus,
    Decision,
    Reason,
    SeatsSwapped,
    ShowOpened,
)
from schemas.ids import Position, new_booking_id
from schemas.layout import decode_layout
from schemas.seating import Seating
from schemas.wire import (
    COMMANDS_TOPIC,
    EVENTS_TOPIC,
    decode_command,
    decode_decision,
    decode_published_event,
    encode,
)
from seat_workers.command_ids import ID_LIFETIME_MS, FirstDecision
from seat_workers.decider import decode_record
from seat_workers.fold import DecidedRecord
from seat_workers.ledger import Ledger
from seat_workers.publisher import Publisher
from seat_workers.show import step
from seat_workers.show_state import Show
from seat_workers.timers import Timers
from seat_workers.worker import SeatWorker
from tests.conftest import Servers
from tests.integration.worker_environment import NoRedis
from tests.recorded.recorded_catalogue import FORGOTTEN
from tests.recorded.recording import header, recordings, restore

UNCHANGED = {
    "58bd606.copy.xz": "f0d9254666441be0c4fe7cf3d13d23a03aba6fd14e81ffedcbe8a697a2ebdde6",
    "91590b9.copy.xz": "4764ff2084c3aeb887e4cd6a32a6f61bd552b983a176aa5da530dea47f1a3f74",
}
"""SHA-256 of every recording. A recording is never made again: a release adds one of its own."""

LATER_THAN: dict[str, tuple[set[type[Any]], set[Reason]]] = {
    "58bd606.copy.xz": (
        {ExtendHold, ChangeSeats, SwapSeats},
        {Reason.COMPANION_ONLY, Reason.PAYMENT_REQUIRED, Reason.PRICE_DIFFERS, Reason.HOLD_LIMIT},
    ),
}
"""The commands and reasons that came after a recording."""

_DECISIONS = (
    "SELECT partition, log_offset, at_ms, command, answer FROM decisions ORDER BY partition, log_offset"
)


class Recorded(NamedTuple):
    """A recording, restored and migrated to what this release has."""

    name: str
    database: Any
    url: str

    async def decisions(self) -> list[DecidedRecord]:
        return [DecidedRecord.stored(*row) for row in await self.database.fetch(_DECISIONS)]

    async def opened(self) -> int:
        """The number of shows that were opened."""
        events = [event for one in await self.decisions() for event in one.decision.events]
        return sum(isinstance(event, ShowOpened) for event in events)

    async def layouts(self) -> dict[str, Seating]:
        rows = await self.database.fetch("SELECT digest, body FROM layouts")
        return {digest: Seating(decode_layout(body)) for digest, body in rows}


@pytest.fixture(params=recordings(), ids=lambda path: path.name)
async def recorded(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Recorded]:
    path: Path = request.param
    name = f"recorded_{uuid4().hex}"
    admin = await asyncpg.connect(servers.postgres.url_of("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    url = servers.postgres.url_of(name)
    try:
        await migrate(url, read_migrations()[: header(path).migrations])
        await restore(url, path)
        await migrate(url)
        database = await asyncpg.connect(url)
        yield Recorded(path.name, database, url)
        await database.close()
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def test_no_recording_has_changed() -> None:
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in recordings()}
    assert digests == UNCHANGED


async def test_a_recording_has_every_kind_of_command_and_every_reason(recorded: Recorded) -> None:
    decisions = await recorded.decisions()
    later_kinds, later_reasons = LATER_THAN.get(recorded.name, (set(), set()))
    kinds: set[type[Any]] = {type(one.command) for one in decisions if one.command is not None}
    assert kinds == set(Command.__args__) - later_kinds
    reasons = {one.decision.reason for one in decisions} - {None}
    assert reasons == set(Reason) - later_reasons
    assert len(decisions) > 3_000


@pytest.mark.parametrize("from_start", [True, False])
async def test_a_recording_verifies_clean(recorded: Recorded, from_start: bool) -> None:
    log = PostgresLog(recorded.url)
    result = await verify(recorded.url, log, from_start=from_start)
    await log.close()
    assert result.differences == []
    assert result.shows == await recorded.opened() >= 9
    assert (result.failed >= 1) == from_start
    assert (result.before_checkpoint > 0) != from_start
    count = await recorded.database.fetchval("SELECT count(*) FROM decisions")
    assert result.commands + result.before_checkpoint == count


async def test_a_recording_is_decided_to_the_same_bytes(recorded: Recorded) -> None:
    seatings = await recorded.layouts()
    decisions = await recorded.decisions()
    firsts: dict[UUID, list[FirstDecision]] = defaultdict(list)
    for one in decisions:
        if one.first and one.command is not None:
            firsts[one.command.command_id].append(
                FirstDecision(one.position, one.at_ms, one.body, one.answer)
            )
    shows: dict[tuple[int, int], Show] = {}
    for one in decisions:
        again = (
            one.decision
            if one.decision.reason is Reason.INTERNAL_ERROR
            else _again(one, shows, firsts, seatings)
        )
        assert encode(again) == one.answer, one.position


def _again(
    one: DecidedRecord,
    shows: dict[tuple[int, int], Show],
    firsts: dict[UUID, list[FirstDecision]],
    seatings: dict[str, Seating],
) -> Decision:
    command = one.command
    if command is None:
        return Decision(Reason.MALFORMED)
    if one.decision.repeats is not None or one.decision.reason is Reason.KEY_REUSED:
        first = next(
            first
            for first in reversed(firsts[command.command_id])
            if first.is_before(one.position)
            and abs(one.at_ms - first.at_ms) <= ID_LIFETIME_MS
            and one.decision.repeats in (None, first.position)
        )
        return first.answer_to(command)
    key = one.position.partition, command.show_id
    show = shows.get(key)
    if show is None:
        seating = seatings.get(command.layout_digest) if isinstance(command, OpenShow) else None
        if seating is None:
            return Decision(Reason.NOT_FOUND)
        show = shows[key] = Show(command.show_id, seating)
    decision = step(show, command, one.at_ms)
    if decision.events:
        show.version = one.position.offset
    return decision


async def test_tables_rebuilt_from_a_recording_are_those_recorded(recorded: Recorded) -> None:
    shows = [row[0] for row in await recorded.database.fetch("SELECT show_id FROM show_states ORDER BY 1")]
    assert len(shows) == await recorded.opened() >= 9
    for show_id in shows:
        for table in await rebuild(recorded.url, show_id, "again"):
            assert (table.only_stored, table.only_rebuilt) == (0, 0), (show_id, table)


async def test_records_of_a_recording_decode_as_they_did(recorded: Recorded) -> None:
    decisions = {one.position: one for one in await recorded.decisions()}
    rows = await recorded.database.fetch("SELECT * FROM log ORDER BY topic, partition, log_offset")
    commands = [row for row in rows if row["topic"] == COMMANDS_TOPIC]
    assert {Position(row["partition"], row["log_offset"]) for row in commands} == set(decisions)
    for row in commands:
        one = decisions[Position(row["partition"], row["log_offset"])]
        assert row["body"] == one.body
        assert (one.decision.reason is Reason.MALFORMED) == (one.command is None)
        if one.command is not None:
            assert decode_command(encode(one.command)) == one.command
        assert encode(decode_decision(one.answer)) == one.answer
    published = [decode_published_event(row["body"]) for row in rows if row["topic"] == EVENTS_TOPIC]
    by_id = {event.event_id: event.event for event in published}
    assert by_id == {
        f"{position}-{n}": event
        for position, one in decisions.items()
        for n, event in enumerate(one.decision.events)
    }


async def test_emails_of_a_recording_can_be_written_and_carry_their_tickets(recorded: Recorded) -> None:
    pool = await postgres.create_pool(recorded.url, "test", min_size=1, max_size=2)
    composer = Composer(
        Facts(pool, "UTC"), parse_mailbox("Aisle <tickets@venue.example>"), "https://tickets.example", "a log"
    )
    deliveries = Deliveries(pool, "test")
    assert await deliveries.take_requested(10) == 2
    rows = await recorded.database.fetch(
        "SELECT DISTINCT ON (d.kind, u.language, b.show_id, d.status, b.status) d.*, b.status AS booking"
        " FROM deliveries d JOIN users u USING (user_id) LEFT JOIN bookings b USING (booking_id)"
        " ORDER BY d.kind, u.language, b.show_id, d.status, b.status, d.delivery_id DESC"
    )
    seen = set()
    try:
        assert {row["status"] for row in rows} == {"sent", "due", "skipped"}
        for row in rows:
            fields = {name: row[name] for name in Delivery.__struct_fields__ if name != "age_s"}
            delivery = Delivery(**fields, age_s=1.0)
            ended = row["kind"] == "booking_confirmed" and row["booking"] != "confirmed"
            if row["user_id"] == FORGOTTEN or ended:
                with pytest.raises(DeliverySkipped):
                    await composer.compose(delivery)
                continue
            if row["kind"] == "password_reset" and row["status"] == "sent":
                continue  # its link was taken out when it was sent
            outgoing = await composer.compose(delivery)
            message = message_from_bytes(outgoing.message)
            pdfs = [part for part in message.walk() if part.get_content_type() == "application/pdf"]
            assert len(pdfs) == (row["kind"] == "booking_confirmed")
            assert all(pdf.get_payload(decode=True)[:5] == b"%PDF-" for pdf in pdfs)  # type: ignore[index]
            seen.add(row["kind"])
    finally:
        composer.close()
        await pool.close()
    assert seen == {"booking_confirmed", "booking_cancelled", "welcome", "password_reset"}


async def test_figures_of_a_recording_are_aggregated_to_its_end(recorded: Recorded) -> None:
    pool = await postgres.create_pool(recorded.url, "test", min_size=1, max_size=2)
    figures = ReportFigures(pool, await read_zones(pool, "UTC"))
    while await figures.aggregate():
        pass
    await pool.close()
    events = [event for one in await recorded.decisions() for event in one.decision.events]
    confirmed = [event.booking for event in events if isinstance(event, BookingConfirmed)]
    cancelled = [event.booking for event in events if isinstance(event, BookingCancelled)]
    changed = [event for event in events if isinstance(event, BookingChanged)]
    swapped = [event for event in events if isinstance(event, SeatsSwapped)]
    moves = [(one.booking, len(one.old_seats), one.old_total) for one in changed]
    moves += [(one.booking, len(one.other.seats), one.other.total) for one in swapped]
    moves += [(one.other, len(one.booking.seats), one.booking.total) for one in swapped]
    differences = [
        (len(booking.seats) - seats, booking.total - total)
        for booking, seats, total in moves
        if booking.status is BookingStatus.CONFIRMED
    ]
    row = await recorded.database.fetchrow(
        "SELECT sum(bookings), sum(seats), sum(gross), sum(cancelled_bookings), sum(cancelled) FROM report_sales"
    )
    assert tuple(row) == (
        len(confirmed),
        sum(len(booking.seats) for booking in confirmed) + sum(seats for seats, _ in differences),
        sum(booking.total for booking in confirmed) + sum(total for _, total in differences),
        len(cancelled),
        sum(booking.total for booking in cancelled),
    )


async def test_the_catalogue_of_a_recording_is_shown(recorded: Recorded) -> None:
    pool = await postgres.create_pool(recorded.url, "test", min_size=1, max_size=2)
    [note] = (await ShowNotes(pool).page(7, 20, None)).items
    await pool.close()
    assert (note.action, note.seats, note.note) == ("block", ["70", "71"], "Kamera – „Süd“")
    for row in await recorded.database.fetch("SELECT body, total_seats FROM layouts"):
        assert len(EncodedLayout(row["body"]).seating) == row["total_seats"]


async def test_a_seat_worker_goes_on_from_a_recording(recorded: Recorded) -> None:
    log = PostgresLog(recorded.url)
    appender = log.appender(COMMANDS_TOPIC)
    events = log.appender(EVENTS_TOPIC)
    ledger = Ledger(lambda name: asyncpg.connect(recorded.url, server_settings={"application_name": name}))
    timers = Timers(ledger, appender, lambda: 0, lambda _: uuid4())
    worker = SeatWorker(ledger, Publisher(NoRedis(), events), timers, "test")
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(log.reader(COMMANDS_TOPIC, "workers", worker), stop))
    free = await recorded.database.fetchval(
        "SELECT min(n) FROM generate_series(1, 80) n WHERE n - 1 NOT IN (SELECT seat FROM claims WHERE show_id = 7)"
    )
    command = BookSeats(
        command_id=uuid4(), show_id=7, user_id=77, booking_id=new_booking_id(7, 1, 1), seats=(str(free),)
    )
    offset = await appender.append(0, encode(command))
    query = "SELECT answer FROM decisions WHERE partition = 0 AND log_offset = $1"
    async with asyncio.timeout(30):
        while (answer := await recorded.database.fetchval(query, offset)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    stop.set()
    await running
    for closing in (appender, events, ledger):
        await closing.close()
    assert decode_decision(answer).reason is None
    assert (await verify(recorded.url, log, from_start=True)).differences == []
    await log.close()


async def test_malformed_records_of_a_recording_are_malformed_still(recorded: Recorded) -> None:
    log = PostgresLog(recorded.url)
    malformed = {
        one.position for one in await recorded.decisions() if one.decision.reason is Reason.MALFORMED
    }
    found = set()
    for partition in range(3):
        for record in await log.read(COMMANDS_TOPIC, partition, 0, 10_000):
            if decode_record(record) is None:
                found.add(Position(record.partition, record.offset))
    await log.close()
    assert found == malformed
    assert len(malformed) > 20

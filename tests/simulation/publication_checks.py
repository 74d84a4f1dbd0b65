"""Checks of invariants 3, 9 and 12: the order, completeness and contents of what was published."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from notifier.event_emails import deliveries_of
from schemas.events import BookingStatus, PublishedEvent
from schemas.ids import Position, parse_position
from schemas.wire import (
    EVENTS_TOPIC,
    SEATS_CHANNEL,
    decode_decision,
    decode_published_event,
    decode_replies,
    decode_seat_changes,
)
from seat_workers.fold import DecidedRecord
from seat_workers.publisher import seat_changes
from tests.simulation.instance import SimulatedInstance
from tests.simulation.seat_history import SeatHistory


def check_commit_before_publish(instance: SimulatedInstance) -> Iterator[str]:
    """3. Everything published was committed before."""
    committed: dict[Position, tuple[int, bytes]] = {}
    for commit in instance.observations.commits:
        if commit.refused is None:
            for one in commit.batch.decided:
                committed.setdefault(one.position, (commit.at, one.answer))
    for message in instance.observations.published:
        for position, answer in _decisions_in(instance, message.channel, message.body):
            known = committed.get(position)
            if known is None or known[0] > message.at:
                yield f"3. commit, then publish: {message.part} publishes {position} before its commit"
            elif answer is not None and answer != known[1]:
                yield f"3. commit, then publish: {message.part} publishes another answer at {position}"


def _decisions_in(
    instance: SimulatedInstance, channel: str, body: bytes
) -> Iterator[tuple[Position, bytes | None]]:
    if channel == "events":
        published = decode_published_event(body)
        yield parse_position(published.event_id.rpartition("-")[0]), None
    elif channel == SEATS_CHANNEL:
        for change in decode_seat_changes(body):
            yield Position(instance.database.partition_of_show[change.show_id], change.to_version), None
    else:
        for reply in decode_replies(body):
            yield reply.position, bytes(reply.decision)


def check_events(instance: SimulatedInstance) -> Iterator[str]:
    """3. Every event is on the topic at least once, unchanged, and leads to one e-mail of each kind."""
    wanted: dict[str, PublishedEvent] = {}
    for position, row in instance.database.decisions.items():
        for n, event in enumerate(decode_decision(row.answer).events):
            wanted[f"{position}-{n}"] = PublishedEvent(f"{position}-{n}", row.at_ms, event)
    seen: set[str] = set()
    for partition in instance.partitions:
        for record in instance.log.records(EVENTS_TOPIC, partition, 0, 10**6):
            published = decode_published_event(record.body)
            seen.add(published.event_id)
            if wanted.get(published.event_id) != published:
                yield f"3. commit, then publish: the event {published.event_id} is not as it was decided"
    for event_id in wanted.keys() - seen:
        yield f"3. commit, then publish: the event {event_id} was never published"
    emails = {(email.event_id, email.kind) for one in wanted.values() for email in deliveries_of(one)}
    if emails != instance.database.deliveries.keys():
        odd = emails ^ instance.database.deliveries.keys()
        yield f"3. commit, then publish: e-mails missing or too many: {sorted(odd)}"
    bookings = [booking for booking, _ in instance.database.bookings.values()]
    confirmed = {one.booking_id for one in bookings if one.status is BookingStatus.CONFIRMED and one.owned}
    if confirmed != instance.database.reminders:
        odd_ones = sorted(confirmed ^ instance.database.reminders)
        yield f"3. commit, then publish: reminders missing or too many: {odd_ones}"


def check_seat_changes(instance: SimulatedInstance) -> Iterator[str]:
    """9. Seat changes between two versions equal the decisions between them."""
    rows: dict[int, list[DecidedRecord]] = {}
    for position, row in sorted(instance.database.decisions.items()):
        one = DecidedRecord.stored(position.partition, position.offset, row.at_ms, row.command, row.answer)
        if one.command is not None and one.decision.events:
            rows.setdefault(one.command.show_id, []).append(one)
    for message in instance.observations.published:
        if message.channel != SEATS_CHANNEL:
            continue
        for change in decode_seat_changes(message.body):
            if change.from_version < 0:
                continue
            between = [
                one
                for one in rows.get(change.show_id, [])
                if change.from_version < one.position.offset <= change.to_version
            ]
            true = {c.show_id: c.changes for c in seat_changes(between, {})}.get(change.show_id, {})
            if true != change.changes:
                yield f"9. Redis may vanish: {message.part} publishes {change}, correct is {true}"


def check_states_follow(instance: SimulatedInstance) -> Iterator[str]:
    """9. Seat changes lead from the states of one version to those of another: all seats of a change or none."""
    history = SeatHistory(instance.database, instance.hall)
    for message in instance.observations.published:
        if message.channel != SEATS_CHANNEL:
            continue
        for change in decode_seat_changes(message.body):
            states = history.states(change.show_id, change.to_version)
            before = states
            if change.from_version >= 0:
                before = history.states(change.show_id, change.from_version)
            if before | change.changes != states:
                yield (
                    f"9. Redis may vanish: {message.part} publishes {change}, which leads from {before} to"
                    f" {before | change.changes}, should be {states}"
                )


NAMES = frozenset({"name", "username", "email", "phone", "address", "language", "password"})


def check_no_personal_data(instance: SimulatedInstance) -> Iterator[str]:
    """12. No record of the log and no decision has a field for personal data."""
    for topic in ("aisle.commands", EVENTS_TOPIC):
        for partition in instance.partitions:
            for record in instance.log.records(topic, partition, 0, 10**6):
                yield from _named(f"{topic} {partition}-{record.offset}", record.body)
    for position, row in instance.database.decisions.items():
        yield from _named(f"the decision at {position}", row.answer)


def _named(where: str, body: bytes) -> Iterator[str]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    stack = [document]
    while stack:
        match stack.pop():
            case dict() as fields:
                if named := NAMES & fields.keys():
                    yield f"12. no personal data in the log: {where} has {sorted(named)}"
                stack += fields.values()
            case list() as items:
                stack += items
            case str() as text if "@" in text:
                yield f"12. no personal data in the log: {where} contains {text!r}"
            case _:
                pass

"""Data of a later release: additional fields are ignored, unknown events and reasons are kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, get_args
from unittest import mock
from uuid import UUID

import msgspec
import pytest

from gateway.commands.pending import AwaitedDecision, PendingRequests
from gateway.commands.refusals import refusal_of
from gateway.commands.replies import ReplyListener
from gateway.live.customer_sockets import CustomerSockets
from gateway.live.event_stream import EventStream, StreamEvent
from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import SeatMapSnapshot
from notifier import composition, kinds
from notifier.composition import Composer, UnknownKind
from notifier.deliveries import Delivery
from notifier.facts import Recipient
from notifier.intake import _deliveries_of, _read
from ops.audit import checkpoints
from ops.audit.rebuilt import RebuiltShow
from runtime.log import Record
from runtime.log.in_memory import MemoryLog
from runtime.process import CannotStart
from schemas import commands, events
from schemas.api_catalogue import NewShowBody
from schemas.events import (
    Booking,
    BookingStatus,
    Decision,
    PublishedEvent,
    Reason,
    ShowStatus,
    Terms,
    is_from_later_release,
)
from schemas.ids import Position
from schemas.layout import Layout, Money, Row, Section, decode_layout, encode_layout
from schemas.seating import Seating
from schemas.wire import (
    EVENT_TYPES,
    EVENTS_TOPIC,
    Reply,
    ShowSeatChanges,
    decode_command,
    decode_decision,
    decode_published_event,
    decode_replies,
    decode_seat_changes,
    encode,
    replies_channel,
)
from seat_workers.batch import arguments
from seat_workers.command_ids import FirstDecision, RecentCommandIds
from seat_workers.decider import Decider, OwnedPartition, decode_record
from seat_workers.fold import DecidedRecord
from seat_workers.publisher import UNKNOWN_VERSION, events_of, seat_changes
from seat_workers.show_cache import ShowCache

ID = UUID(int=7)
BOOKING = Booking(ID, 3, 5, BookingStatus.CONFIRMED, ("1", "2"), 100, "EUR", 9, None, {"1": 8})
TERMS = Terms(1, "0" * 64, 5, 6, 7, 8)
ASKED: dict[str, Any] = {
    "command_id": ID,
    "show_id": 3,
    "user_id": 5,
    "staff": True,
    "reply_to": commands.ReplyTo("9f", 4),
}
FIELDS: dict[str, Any] = {
    "booking_id": ID,
    "with_booking_id": UUID(int=8),
    "seats": ("1",),
    "seat": "1",
    "seat_index": 1,
    "runs_ms": 7,
    "hold_ms": 1_000,
    "layout_id": 1,
    "layout_digest": "0" * 64,
    "starts_ms": 5,
    "seats_per_customer": 6,
}
LAYOUT = Layout((Section("Stalls", Money(5, "EUR"), (Row("A", 3, (1,)), Row("B", ("x", "y")))),))
DECIDED_LATER = (
    b'{"events":[{"type":"HoldExpired","booking":%(b)s},{"type":"BookingMoved","booking":%(b)s,"was":{"seats":["7"]}}],'
    b'"about_last":true,"later":1}' % {b"b": encode(BOOKING)}
)
CHANGED_LATER = b'{"event_id":"0-5-1","at_ms":9,"event":{"type":"BookingMoved","booking":%s}}' % encode(
    BOOKING
)


def command_of(kind: type[Any]) -> Any:
    names = {field.name for field in msgspec.structs.fields(kind)}
    return kind(**ASKED, **{name: value for name, value in FIELDS.items() if name in names})


def event_of(kind: type[Any]) -> Any:
    given = {
        "booking": BOOKING,
        "show_id": 3,
        "seats": ("1",),
        "status": ShowStatus.OPEN,
        "terms": TERMS,
        "seat": "1",
        "old_seats": ("7",),
        "old_total": 5,
        "other": BOOKING,
    }
    names = {field.name for field in msgspec.structs.fields(kind)}
    return kind(**{name: value for name, value in given.items() if name in names})


COMMANDS = [command_of(kind) for kind in get_args(commands.Command)]
EVENTS = [event_of(kind) for kind in get_args(events.Event)]


def grown(value: Any) -> Any:
    """JSON as a later release might write it: with an additional field in every object that is no mapping."""
    if isinstance(value, dict):
        return {name: inner if name == "checked_in" else grown(inner) for name, inner in value.items()} | {
            "later": {"deep": [None, 1.5, "\x00"]}
        }
    return [grown(one) for one in value] if isinstance(value, list) else value


def later(message: Any) -> bytes:
    return msgspec.json.encode(grown(msgspec.json.decode(encode(message))))


# --- fields of a later release ---


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: type(one).__name__)
def test_an_additional_field_of_a_command_is_ignored(command: Any) -> None:
    assert decode_command(later(command)) == command


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: type(one).__name__)
def test_an_additional_field_of_an_event_or_decision_is_ignored(event: Any) -> None:
    published = PublishedEvent("0-1-0", 5, event)
    assert decode_published_event(later(published)) == published
    decision = Decision(events=(event,), about_last=hasattr(event, "booking"), repeats=Position(1, 2))
    assert decode_decision(later(decision)) == decision


def test_an_additional_field_of_a_layout_is_ignored() -> None:
    body = later(LAYOUT)
    assert b'"later"' in body
    assert decode_layout(body) == LAYOUT
    assert Seating(decode_layout(body)).labels == ("A1", "A2", "A3", "x", "y")
    assert EncodedLayout(body).head == EncodedLayout(encode_layout(LAYOUT)).head


def test_an_additional_value_of_a_reply_or_seat_changes_is_ignored() -> None:
    reply = Reply(4, Position(1, 2), msgspec.Raw(encode(Decision(Reason.SEAT_TAKEN, ("1",)))))
    [read] = decode_replies(b'[[4,[1,2,"later"],{"reason":"seat_taken","seats":["1"],"later":1},"later"]]')
    assert (read.request, read.position) == (reply.request, reply.position)
    assert decode_decision(read.decision) == decode_decision(reply.decision)
    assert decode_seat_changes(b'[[3,4,5,{"1":"s"},"later",{}]]') == [ShowSeatChanges(3, 4, 5, {"1": "s"})]
    command = decode_command(encode(COMMANDS[0]).replace(b'["9f",4]', b'["9f",4,"trace",{}]'))
    assert command == COMMANDS[0]


def test_an_additional_field_of_a_checkpoint_is_ignored() -> None:
    state = checkpoints.ShowState(ShowStatus.CLOSED, TERMS, 4, [(BOOKING, 3)], [1, 2])
    assert checkpoints._decode(later(state)) == state


def test_an_additional_field_of_a_delivery_is_ignored() -> None:
    event = events.BookingConfirmed(BOOKING)
    assert composition._decode_event(later(event)) == event
    assert composition._decode_link(b'{"token":"t","expires_s":1800,"device":null}').token == "t"


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("", {}),
        ("layout", {}),
        ("layout.sections[0]", {}),
        ("layout.sections[0].price", {}),
        ("layout.sections[0].rows[0]", {}),
        ("price", {}),
    ],
)
def test_request_bodies_are_strict(path: str, inner: dict[str, Any]) -> None:
    body: dict[str, Any] = {
        "movie_id": 1,
        "screen_name": "S",
        "starts_at": "2031-01-01T00:00:00Z",
        "price": {"amount": 1, "currency": "EUR"},
        "layout": msgspec.to_builtins(LAYOUT),
    }
    decode = msgspec.json.Decoder(NewShowBody).decode
    wanted = decode(msgspec.json.encode(body))
    assert wanted.layout is not None
    assert encode_layout(wanted.layout) == encode_layout(LAYOUT)
    at: Any = body
    for step in path.replace("[0]", ".0").split(".") if path else ():
        at = at[int(step)] if step.isdigit() else at[step]
    at["later"] = inner
    with pytest.raises(msgspec.ValidationError, match="unknown field `later`"):
        decode(msgspec.json.encode(body))


# --- tags of a later release ---


async def test_a_command_of_a_later_release_is_malformed_and_the_next_one_is_decided() -> None:
    body = encode(COMMANDS[0]).replace(b'"OpenShow"', b'"JoinWaitingList"')
    ledger = mock.Mock()
    decider = Decider(ShowCache(ledger), RecentCommandIds())
    records = [Record(0, 0, 5, body), Record(0, 1, 5, encode(commands.ExpireHolds(**ASKED)))]
    read = [(record, decode_record(record)) for record in records]
    batch = decider.decide(read, {0: OwnedPartition(1, 0, 0)}, {0: 0})
    assert [one.decision.reason for one in batch.decided] == [Reason.MALFORMED, Reason.NOT_FOUND]
    assert len(arguments(batch)) == 63


def test_an_event_of_a_later_release_is_kept_undecoded() -> None:
    decision = decode_decision(DECIDED_LATER)
    assert [is_from_later_release(event) for event in decision.events] == [False, True]
    assert decision.booking == BOOKING
    again = decode_decision(encode(decision))
    assert bytes(again.events[1]) == bytes(decision.events[1])  # type: ignore[call-overload]
    assert again.booking == BOOKING
    assert {type(event).__name__ for event in EVENTS} == EVENT_TYPES


def test_an_invalid_decision_is_refused() -> None:
    for answer in (
        b'{"events":[{"type":"BookingHeld"}]}',
        b'{"events":[{}]}',
        b'{"events":7}',
        b'{"reason":7}',
    ):
        with pytest.raises(msgspec.ValidationError):
            decode_decision(answer)


def test_a_decision_of_a_later_release_is_republished_completely() -> None:
    one = DecidedRecord.stored(0, 5, 9, encode(COMMANDS[5]), DECIDED_LATER)
    bodies = [body for _, body in events_of([one])]
    assert [msgspec.json.decode(body)["event"]["type"] for body in bodies] == [
        "HoldExpired",
        "BookingMoved",
    ]
    assert msgspec.json.decode(bodies[1])["event"]["was"] == {"seats": ["7"]}
    assert seat_changes([one], {3: 4}) == [ShowSeatChanges(3, UNKNOWN_VERSION, 5, {"1": "a", "2": "a"})]
    unknown = DecidedRecord.stored(0, 6, 9, b'{"type":"ChangeSeats"}', DECIDED_LATER)
    assert unknown.command is None
    assert len(events_of([unknown])) == 2
    assert [change.show_id for change in seat_changes([unknown], {})] == [3]


def test_a_reason_of_a_later_release_is_returned_under_its_own_code() -> None:
    answer = b'{"reason":"companion_only","seats":["7"]}'
    assert encode(decode_decision(answer)) == answer
    command = COMMANDS[5]
    repeated = FirstDecision(Position(0, 1), 5, encode(command), answer).answer_to(command)
    assert b'"companion_only"' in encode(repeated)
    refusal = refusal_of(encode(repeated), Position(0, 9))
    document = msgspec.json.decode(refusal.body)
    assert (refusal.status, document["code"], document["seats"]) == (409, "companion_only", ["7"])
    assert all(refusal_of(encode(Decision(reason, limit=5)), Position(0, 9)).status for reason in Reason)
    with pytest.raises(ValueError, match="is not a valid Reason"):
        Reason(7)


def test_the_notifier_skips_an_event_of_a_later_release() -> None:
    for body in (CHANGED_LATER, b'{"event_id":"0-1-0","at_ms":1,"event":{"type":"ShowMoved"}}', b"[" * 9_000):
        assert _read(Record(0, 1, 5, body)) is None
    known = PublishedEvent("0-1-0", 5, events.BookingConfirmed(BOOKING))
    record = Record(0, 2, 5, later(known))
    read = _read(record)
    assert read is not None
    (delivery,) = _deliveries_of(read, record)
    assert composition._decode_event(delivery.payload) == known.event


async def test_a_delivery_of_a_kind_of_a_later_release_is_left_to_a_later_notifier() -> None:
    facts = mock.Mock()
    facts.recipient = mock.AsyncMock(return_value=Recipient("a@example.org", "A", "en"))
    composer = Composer(facts, mock.Mock(), "https://tickets.example", "a log", mock.Mock(), mock.Mock())
    delivery = Delivery(1, "0-1-0", "booking_moved", 5, b"[]", 1, mock.Mock(), 1.0)
    with pytest.raises(UnknownKind):
        await composer.compose(delivery)
    composer.close()
    assert not hasattr(kinds, "BOOKING_MOVED")


@pytest.fixture
async def stream() -> AsyncIterator[tuple[MemoryLog, EventStream, asyncio.Task[None]]]:
    log = MemoryLog(lambda: 0)
    await log.create(1)
    made = EventStream(log)
    running = asyncio.create_task(made.run())
    yield log, made, running
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_live_events_continue_after_one_of_a_later_release(
    stream: tuple[MemoryLog, EventStream, asyncio.Task[None]],
) -> None:
    log, made, running = stream
    received: list[StreamEvent] = []
    mine = CustomerSockets(mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), made)
    socket = mock.Mock()
    mine._sockets[5].add(socket)
    made.subscribe(received.append)
    unreadable = encode(PublishedEvent("0-6-0", 9, events.BookingConfirmed(BOOKING))).replace(
        b'"status":"confirmed"', b'"status":"paid"'
    )
    async with made.reading():
        log.put(EVENTS_TOPIC, 0, CHANGED_LATER)
        log.put(EVENTS_TOPIC, 0, unreadable)
        log.put(EVENTS_TOPIC, 0, encode(PublishedEvent("0-7-0", 9, events.BookingConfirmed(BOOKING))))
        async with asyncio.timeout(10):
            while len(received) < 3 and not running.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert not running.done()
    assert [msgspec.json.decode(one.body)["event_id"] for one in received] == ["0-5-1", "0-6-0", "0-7-0"]
    assert socket.push.call_count == 1


def test_a_seat_state_of_a_later_release_reloads_the_seat_map_snapshot() -> None:
    snapshot = mock.Mock(spec=SeatMapSnapshot, version=4, listener=None, states=bytearray(b"aaaaa"))
    snapshot.layout = EncodedLayout(encode_layout(LAYOUT))
    assert SeatMapSnapshot.apply(snapshot, ShowSeatChanges(3, 4, 5, {"A1": "s"}))
    assert not SeatMapSnapshot.apply(snapshot, ShowSeatChanges(3, 4, 6, {"A2": "w"}))
    assert not SeatMapSnapshot.apply(snapshot, ShowSeatChanges(3, 4, 6, {"A2": "sold"}))


class Messages:
    """A fake subscription that yields these messages and then waits."""

    def __init__(self, *messages: tuple[str, bytes]) -> None:
        self._messages = messages
        self.subscriptions = 0

    def pubsub(self, **_: Any) -> Any:
        return SimpleNamespace(subscribe=self._subscribe, listen=self._listen, aclose=mock.AsyncMock())

    async def _subscribe(self, _: str) -> None:
        self.subscriptions += 1

    async def _listen(self) -> AsyncIterator[dict[str, Any]]:
        for channel, data in self._messages:
            yield {"type": "message", "channel": channel.encode(), "data": data}
        await asyncio.get_running_loop().create_future()


async def test_an_unreadable_message_of_a_worker_is_skipped() -> None:
    redis = Messages()
    seats = mock.Mock()
    seats.receive.side_effect = msgspec.ValidationError("a later release")
    pending = PendingRequests()
    channel = replies_channel(pending.gateway_id)
    awaited = AwaitedDecision()
    pending.add(awaited, 10)
    good = encode([Reply(awaited.number, Position(0, 1), msgspec.Raw(b"{}"))])
    redis._messages = (
        ("aisle.seats", b"[[3]]"),
        (channel, b'[{"request":1}]'),
        (channel, b"\xff"),
        (channel, b"[" * 9_000),
        (channel, good),
    )
    listening = asyncio.create_task(ReplyListener(redis, pending, seats).run())
    async with asyncio.timeout(10):
        decided = await awaited.outcome
    assert decided is not None
    assert decided.position == Position(0, 1)
    assert redis.subscriptions == 2  # to replies and to seats, once each
    assert seats.invalidate.call_count == 4
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


def test_a_show_with_events_of_a_later_release_is_not_rebuilt_wrongly() -> None:
    with pytest.raises(CannotStart, match="0-5 has an event of a later release"):
        RebuiltShow(3, 0).take(DecidedRecord.stored(0, 5, 9, encode(COMMANDS[5]), DECIDED_LATER))

"""The trace context of a record: an optional last field, which no decoder of commands and events sees."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.public_events import public_event
from runtime.log import Record
from schemas.commands import BookSeats, request_of
from schemas.events import Booking, BookingConfirmed, BookingStatus, PublishedEvent
from schemas.ids import Position
from schemas.trace_context import read_traceparent, trace_of, with_trace, without_trace
from schemas.wire import decode_command, decode_published_event, encode
from seat_workers.decider import decode_record

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
OTHER = f"00-{'01' * 16}-{'23' * 8}-01"
COMMAND = BookSeats(command_id=UUID(int=1), show_id=7, user_id=3, booking_id=UUID(int=2), seats=("A1",))


def test_a_context_is_carried_beside_the_command() -> None:
    body = encode(COMMAND)
    traced = with_trace(body, TRACE)
    assert trace_of(body) is None
    assert trace_of(traced) == TRACE
    assert without_trace(traced) == body
    assert without_trace(body) is body
    assert with_trace(traced, OTHER) == with_trace(body, OTHER)


def test_a_decision_cannot_see_it() -> None:
    traced = with_trace(encode(COMMAND), TRACE)
    record = Record(0, 0, 0, traced)
    assert decode_record(record) == COMMAND
    assert request_of(decode_command(with_trace(encode(COMMAND), OTHER))) == request_of(
        decode_command(traced)
    )


def test_events_are_read_as_without_it_and_clients_do_not_get_it() -> None:
    booking = Booking(
        booking_id=UUID(int=2), show_id=7, user_id=3, status=BookingStatus.CONFIRMED, seats=("A1",),
        total=1, currency="EUR", created_ms=0, expires_ms=None,
    )  # fmt: skip
    event = PublishedEvent(f"{Position(0, 1)}-0", 5, BookingConfirmed(booking))
    body = encode(event)
    traced = with_trace(body, TRACE)
    assert decode_published_event(traced) == event
    assert public_event(traced) == public_event(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"a":1}',
        b'-01"}',
        b'{"trace":"00-01"}',
        b'{"a":1,"trace":"' + TRACE.replace("ab", "AB").encode() + b'"}',
        b'{"a":1,"trace":"' + TRACE.replace("00-", "xx-", 1).encode() + b'"}',
        b'{"a":1,"trace":"' + TRACE[:-2].encode() + b'00"}',
        b'{"a":1,"tracy":"' + TRACE.encode() + b'"}',
    ],
)
def test_anything_else_is_no_context(body: bytes) -> None:
    assert trace_of(body) is None
    assert without_trace(body) is body


@given(st.binary(max_size=200))
def test_any_body_is_read_without_an_error(body: bytes) -> None:
    assert trace_of(body) is None or without_trace(body) != body


def test_only_a_sampled_context_of_a_client_is_continued() -> None:
    assert read_traceparent(TRACE.encode()) == TRACE
    for header in (
        None,
        b"",
        TRACE[:-1].encode() + b"0",
        TRACE.encode() + b"\n",
        b"\xff" * 55,
        TRACE.encode() + b"-x",
    ):
        assert read_traceparent(header) is None

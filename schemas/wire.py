"""How messages are written: topics, channels and codecs.

JSON throughout: a record of the log or a row of `decisions` can be read with the naked eye, and a field
that a reader does not know is passed over.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from schemas.commands import Command
from schemas.events import Booking, Decision, Event, PublishedEvent, Reason
from schemas.ids import Position

COMMANDS_TOPIC = "aisle.commands"
EVENTS_TOPIC = "aisle.events"

SEATS_CHANNEL = "aisle.seats"
"""Redis: `SeatChanges` of every batch, to all gateways."""


def replies_channel(gateway: str) -> str:
    """Redis: where one gateway hears the replies to what it asked."""
    return f"aisle.replies.{gateway}"


_encoder = msgspec.json.Encoder()
encode = _encoder.encode

decode_command = msgspec.json.Decoder(Command).decode
"""Raises msgspec.DecodeError (of which ValidationError is one) or UnicodeDecodeError for what is not one."""
decode_published_event = msgspec.json.Decoder(PublishedEvent).decode
"""Raises as `decode_command` does, also for an event of a later release."""

EVENT_TYPES = frozenset(event.__name__ for event in get_args(Event))
"""The tags of the events that this release knows."""

_decode_known = msgspec.json.Decoder(Decision).decode


class _Later(msgspec.Struct):
    """A decision whose events are not looked into."""

    reason: Reason | None = None
    seats: tuple[str, ...] = ()
    limit: int | None = None
    events: tuple[msgspec.Raw, ...] = ()
    about_last: bool = False
    booking: Booking | None = None
    repeats: Position | None = None


class _Head(msgspec.Struct):
    type: str
    booking: msgspec.Raw = msgspec.Raw(b"null")


_decode_later = msgspec.json.Decoder(_Later).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_booking = msgspec.json.Decoder(Booking | None).decode


def decode_decision(answer: bytes | memoryview | msgspec.Raw) -> Decision:
    """A decision from its stored form. Raises as `decode_command` does.

    Events of a later release are kept as they stand, `msgspec.Raw`; everything else of the decision is read.
    """
    try:
        known: Decision = _decode_known(answer)
    except msgspec.ValidationError:
        return _with_later_events(answer)
    return known


def _with_later_events(answer: bytes | memoryview | msgspec.Raw) -> Decision:
    later: _Later = _decode_later(answer)
    events: list[Any] = [_event(event) for event in later.events]
    booking, about_last = later.booking, later.about_last
    if about_last and events and isinstance(events[-1], msgspec.Raw):
        about_last = False
        booking = _booking(_decode_head(events[-1]).booking)
    return Decision(later.reason, later.seats, later.limit, tuple(events), about_last, booking, later.repeats)


def _booking(body: msgspec.Raw) -> Booking | None:
    try:
        booking: Booking | None = _decode_booking(body)
    except msgspec.ValidationError:
        return None  # another thing in that release
    return booking


def _event(event: msgspec.Raw) -> Any:
    if _decode_head(event).type in EVENT_TYPES:
        return _decode_event(event)
    return event.copy()


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The answer to one waiting request of a gateway. `decision` is the stored JSON of the decision."""

    request: int
    position: Position
    decision: msgspec.Raw


class ShowSeatChanges(msgspec.Struct, frozen=True, array_like=True):
    """What changed in one show: from which version to which, label → `a`, `h`, `s` or `b`."""

    show_id: int
    from_version: int
    to_version: int
    changes: dict[str, str]


decode_replies = msgspec.json.Decoder(list[Reply]).decode
decode_seat_changes = msgspec.json.Decoder(list[ShowSeatChanges]).decode

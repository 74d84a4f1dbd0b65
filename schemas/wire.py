"""Topics, channels and codecs of messages.

All messages are JSON: records of the log and rows of `decisions` are human-readable, and readers ignore unknown fields.
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
"""Redis channel: the seat changes of every batch, to all gateways."""


def replies_channel(gateway: str) -> str:
    """Redis channel: the replies to one gateway's requests."""
    return f"aisle.replies.{gateway}"


_encoder = msgspec.json.Encoder()
encode = _encoder.encode

decode_command = msgspec.json.Decoder(Command).decode
"""Raises msgspec.DecodeError (or its subclass ValidationError) or UnicodeDecodeError for anything else."""
decode_published_event = msgspec.json.Decoder(PublishedEvent).decode
"""Raises as `decode_command` does, also for an event of a later release."""

EVENT_TYPES = frozenset(event.__name__ for event in get_args(Event))
"""The tags of the events that this release knows."""

_decode_known = msgspec.json.Decoder(Decision).decode


class _LaterDecision(msgspec.Struct):
    """A decision whose events are not decoded."""

    reason: Reason | None = None
    seats: tuple[str, ...] = ()
    limit: int | None = None
    events: tuple[msgspec.Raw, ...] = ()
    about_last: bool = False
    booking: Booking | None = None
    repeats: Position | None = None
    yours: tuple[Booking, ...] = ()
    unshared: tuple[int, ...] = ()


class _EventHead(msgspec.Struct):
    type: str
    booking: msgspec.Raw = msgspec.Raw(b"null")


_decode_later = msgspec.json.Decoder(_LaterDecision).decode
_decode_head = msgspec.json.Decoder(_EventHead).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_booking = msgspec.json.Decoder(Booking | None).decode


def decode_decision(answer: bytes | memoryview | msgspec.Raw) -> Decision:
    """Decodes a stored decision. Raises as `decode_command` does.

    Events of a later release are kept undecoded, as `msgspec.Raw`; the rest of the decision is decoded.
    """
    try:
        known: Decision = _decode_known(answer)
    except msgspec.ValidationError:
        return _decode_with_later_events(answer)
    return known


def _decode_with_later_events(answer: bytes | memoryview | msgspec.Raw) -> Decision:
    later: _LaterDecision = _decode_later(answer)
    events: list[Any] = [_event(event) for event in later.events]
    booking, about_last = later.booking, later.about_last
    if about_last and events and isinstance(events[-1], msgspec.Raw):
        about_last = False
        booking = _booking(_decode_head(events[-1]).booking)
    return Decision(
        later.reason,
        later.seats,
        later.limit,
        tuple(events),
        about_last,
        booking,
        later.repeats,
        later.yours,
        later.unshared,
    )


def _booking(body: msgspec.Raw) -> Booking | None:
    try:
        booking: Booking | None = _decode_booking(body)
    except msgspec.ValidationError:
        return None  # a later release may store something else there
    return booking


def _event(event: msgspec.Raw) -> Any:
    if _decode_head(event).type in EVENT_TYPES:
        return _decode_event(event)
    return event.copy()


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The reply to one pending request of a gateway. `decision` is the stored JSON of the decision."""

    request: int
    position: Position
    decision: msgspec.Raw


class ShowSeatChanges(msgspec.Struct, frozen=True, array_like=True):
    """Seat changes of one show between two versions. `changes`: label → state, see seat_states.py."""

    show_id: int
    from_version: int
    to_version: int
    changes: dict[str, str]


decode_replies = msgspec.json.Decoder(list[Reply]).decode
decode_seat_changes = msgspec.json.Decoder(list[ShowSeatChanges]).decode

"""How messages are written: topics, channels and codecs.

JSON throughout: a record of the log or a row of `decisions` can be read with the naked eye, and a field
that a reader does not know is passed over.
"""

from __future__ import annotations

import msgspec

from schemas.commands import Command
from schemas.events import Decision, PublishedEvent
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
decode_decision = msgspec.json.Decoder(Decision).decode
decode_published_event = msgspec.json.Decoder(PublishedEvent).decode


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

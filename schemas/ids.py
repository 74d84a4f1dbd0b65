"""Booking and command ids, and positions in the log.

A booking id is a UUID of version 8 (RFC 9562): 48 bits of Unix milliseconds, so that later ids sort
later and index pages fill in order; 32 bits of the show's id, so that confirm, cancel and look-ups find the show's
partition without a read; the rest random.

A command id is random, or derived from customer and Idempotency-Key, so that a key has the same command id on every
gateway.
"""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import UUID, SafeUUID

import msgspec

MAX_SHOW_ID = 2**31 - 1
MAX_PARTITIONS = 4096
MAX_USER_ID = 2**53 - 1
MAX_OFFSET = 2**63 - 1

ShowId = Annotated[int, msgspec.Meta(ge=1, le=MAX_SHOW_ID)]
UserId = Annotated[int, msgspec.Meta(ge=0, le=MAX_USER_ID)]
"""0 is Aisle itself: the commands that timers append."""

_VERSION_7 = 7 << 76
_VERSION_8 = 8 << 76
_VARIANT = 2 << 62
_VERSION_AND_VARIANT = (0xF << 76) | (3 << 62)
_SHOW_HIGH_BITS = 12
_SHOW_LOW_BITS = 20
_RANDOM_BITS = 42
_new = object.__new__
_set_number, _set_safety = UUID.int.__set__, UUID.is_safe.__set__  # type: ignore[attr-defined, misc]


class Position(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A position in the log, which identifies a command and its decision. Written `partition-offset`: `3-18211`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"


def parse_position(text: str) -> Position:
    """Parses a position such as `3-18211`. Raises ValueError for anything else, other spellings included."""
    partition, dash, offset = text.partition("-")
    if not dash or not _is_number(partition, 6) or not _is_number(offset, 19):
        raise ValueError(f"{text[:40]!r} is not a position such as 3-18211")
    position = Position(int(partition), int(offset))
    if position.offset > MAX_OFFSET:
        raise ValueError(f"{text[:40]!r} is past the largest offset")
    return position


def _is_number(text: str, max_digits: int) -> bool:
    plain = text.isascii() and text.isdigit() and len(text) <= max_digits
    return plain and (text == "0" or text[0] != "0")


def new_booking_id(show_id: int, now_ms: int, random: int) -> UUID:
    """Makes a booking id. `random` needs at least 42 fresh random bits; more are cut off."""
    high, low = divmod(show_id, 1 << _SHOW_LOW_BITS)
    value = (
        ((now_ms & (2**48 - 1)) << 80)
        | _VERSION_8
        | (high << 64)
        | _VARIANT
        | (low << _RANDOM_BITS)
        | (random & ((1 << _RANDOM_BITS) - 1))
    )
    return _uuid(value)


def show_of_booking(booking_id: UUID) -> int:
    """The show id in a booking id. Raises ValueError for a UUID that is not a booking id."""
    value = booking_id.int
    if (value >> 76) & 0xF != 8 or (value >> 62) & 0x3 != 2:
        raise ValueError(f"{booking_id} is not a booking's id")
    high = (value >> 64) & ((1 << _SHOW_HIGH_BITS) - 1)
    low = (value >> _RANDOM_BITS) & ((1 << _SHOW_LOW_BITS) - 1)
    show_id = (high << _SHOW_LOW_BITS) | low
    if not 1 <= show_id <= MAX_SHOW_ID:
        raise ValueError(f"{booking_id} is not a booking's id")
    return show_id


def keyed_command_id(user_id: int, key: str) -> UUID:
    """The command id for this customer's Idempotency-Key."""
    digest = hashlib.blake2b(
        key.encode(), digest_size=16, salt=user_id.to_bytes(16, "big"), person=b"aisle.key"
    )
    bits = int.from_bytes(digest.digest(), "big")
    return _uuid((bits & ~_VERSION_AND_VARIANT) | _VERSION_8 | _VARIANT)


def scan_command_id(digest: bytes) -> UUID:
    """The command id of a scan, from a hash of 16 bytes of its ticket and nonce."""
    bits = int.from_bytes(digest, "big")
    return _uuid((bits & ~_VERSION_AND_VARIANT) | _VERSION_8 | _VARIANT)


def is_keyed(command_id: UUID) -> bool:
    """Whether a command's id comes from an Idempotency-Key, or from the nonce of a scan."""
    return command_id.int & (0xF << 76) == _VERSION_8


def fresh_command_id(now_ms: int, random: int) -> UUID:
    """Makes a command id without a key. `random` needs at least 74 fresh random bits.

    It is time-ordered (version 7 of RFC 9562), so that the unique index on ids grows at its end. The version
    distinguishes it from ids with a key.
    """
    high, low = random >> 62 & 0xFFF, random & (2**62 - 1)
    bits = ((now_ms & (2**48 - 1)) << 80) | (high << 64) | low
    return _uuid(bits | _VERSION_7 | _VARIANT)


def _uuid(number: int) -> UUID:
    """Makes UUID(int=number) without the checks of its constructor, in a quarter of the time."""
    made = _new(UUID)
    _set_number(made, number)
    _set_safety(made, SafeUUID.unknown)
    return made

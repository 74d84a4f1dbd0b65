"""Signed tokens of tickets: the content of their QR codes.

A token names a booking, its show and the index of a seat in the show's layout, and is signed with Ed25519. The public
keys are enough to tell that a ticket is genuine; whether it was used or cancelled, only the show's writer knows.

    byte   1        version, 1
    bytes  2        key: the start of the SHA-256 of the public key's 32 bytes
    bytes  16       booking id
    bytes  3        index of the seat, big-endian
    bytes  1 to 8   show id, big-endian, without leading zeros
    bytes  64       signature of all bytes before it

Each byte is two letters of ALPHABET, the high half first. QR codes have an alphanumeric mode for capitals, so that 178
letters (show ids below 2**24) fit version 7 at level M, and the longest token fits version 8.

The letters are those that a scanner which types like a keyboard gets right whatever layout the computer has: they are
at the same place on QWERTY, QWERTZ and AZERTY and need no shift. That rules out A, Q, W, M, Y, Z, digits and
punctuation. Caps lock does not matter. Without vowels no token contains a word.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALPHABET = "BCDFGHJKLNPRSTVX"
"""The hexadecimal digits of a token, in their order."""
MAX_SHOW_ID = 2**63 - 1
MAX_SEAT = 2**24 - 1

_VERSION = 1
_KEY_BYTES = 2
_BOOKING_BYTES = 16
_SEAT_BYTES = 3
_SIGNATURE_BYTES = 64
_HEAD_BYTES = 1 + _KEY_BYTES + _BOOKING_BYTES + _SEAT_BYTES
_SHORTEST = _HEAD_BYTES + 1 + _SIGNATURE_BYTES
_LONGEST = _HEAD_BYTES + 8 + _SIGNATURE_BYTES
_MAX_TEXT = 1024
"""Characters that are looked at; more is no token."""
_TO_HEX = str.maketrans(ALPHABET + ALPHABET.lower(), "0123456789abcdef" * 2)
_FROM_HEX = str.maketrans("0123456789abcdef", ALPHABET)
_LETTERS = re.compile(f"[{ALPHABET}]+", re.IGNORECASE | re.ASCII)
_UNSIGNED = re.compile(r"aisle:([0-9a-f-]{36}):(.+)", re.IGNORECASE | re.ASCII | re.DOTALL)


class InvalidToken(Exception):
    """The text is no token, or was not signed with one of the keys. The message is the reason, for logs."""


class TicketToken(msgspec.Struct, frozen=True):
    """A token whose signature was verified."""

    booking_id: UUID
    show_id: int
    seat: int
    """Index in the layout of the show."""
    key_id: str
    """The `kid` of the key that signed it."""


class UnsignedCode(msgspec.Struct, frozen=True):
    """The code of a ticket from before tokens were signed. Anybody could have made it."""

    booking_id: UUID
    label: str
    """Label of the seat, as it was read."""


class TicketSigner:
    """Makes tokens with one private key."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self._fingerprint = fingerprint(private_key.public_key())

    def sign(self, booking_id: UUID, show_id: int, seat: int) -> str:
        """The token of a seat; the same arguments give the same token. `seat` is its index in the layout."""
        if not 0 <= show_id <= MAX_SHOW_ID or not 0 <= seat <= MAX_SEAT:
            raise ValueError(f"no token for seat {seat} of show {show_id}")
        show_bytes = max(1, (show_id.bit_length() + 7) // 8)
        body = b"".join(
            (
                bytes((_VERSION,)),
                self._fingerprint,
                booking_id.bytes,
                seat.to_bytes(_SEAT_BYTES, "big"),
                show_id.to_bytes(show_bytes, "big"),
            )
        )
        return (body + self._private_key.sign(body)).hex().translate(_FROM_HEX)


def read(text: str, public_keys: Mapping[str, Ed25519PublicKey]) -> TicketToken | UnsignedCode:
    """The token that was scanned or typed, verified with the keys, given by `kid`; or an unsigned code.

    Case, blanks and line ends around it or within it do not matter. Raises InvalidToken.
    """
    if len(text) > _MAX_TEXT:
        raise InvalidToken("too long")
    if (unsigned := _unsigned_code(text.strip())) is not None:
        return unsigned
    letters = "".join(text.split())
    if not _LETTERS.fullmatch(letters) or len(letters) % 2:
        raise InvalidToken("not the letters of a token")
    token = bytes.fromhex(letters.translate(_TO_HEX))
    if not _SHORTEST <= len(token) <= _LONGEST or token[0] != _VERSION:
        raise InvalidToken("not the form of a token")
    body, signature = token[:-_SIGNATURE_BYTES], token[-_SIGNATURE_BYTES:]
    key_id = _signed_with(body, signature, public_keys)
    seat_at = 1 + _KEY_BYTES + _BOOKING_BYTES
    return TicketToken(
        booking_id=UUID(bytes=body[1 + _KEY_BYTES : seat_at]),
        show_id=int.from_bytes(body[_HEAD_BYTES:], "big"),
        seat=int.from_bytes(body[seat_at:_HEAD_BYTES], "big"),
        key_id=key_id,
    )


def fingerprint(public_key: Ed25519PublicKey) -> bytes:
    """The short name of a key in its tokens."""
    return hashlib.sha256(public_key.public_bytes_raw()).digest()[:_KEY_BYTES]


def _signed_with(body: bytes, signature: bytes, public_keys: Mapping[str, Ed25519PublicKey]) -> str:
    named = body[1 : 1 + _KEY_BYTES]
    known = False
    for key_id, public_key in public_keys.items():
        if fingerprint(public_key) != named:
            continue
        known = True
        try:
            public_key.verify(signature, body)
        except InvalidSignature:
            continue
        return key_id
    raise InvalidToken("wrong signature" if known else "signed with an unknown key")


def _unsigned_code(text: str) -> UnsignedCode | None:
    found = _UNSIGNED.fullmatch(text)
    if found is None:
        return None
    try:
        return UnsignedCode(UUID(found[1]), found[2])
    except ValueError:
        return None

"""Tickets as they are scanned: from the text of a code to a seat of a booking."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.ids import MAX_SHOW_ID, scan_command_id, show_of_booking
from schemas.seat_labels import nfc
from schemas.seating import Seating
from tickets.tokens import InvalidToken, UnsignedCode, read

MAX_SEATS = 100_000

SeatingOf = Callable[[int], Awaitable[Seating | None]]
"""Returns the seating of a show; None for an unknown show."""


class ScannedTicket(msgspec.Struct, frozen=True):
    """A seat of a booking. `signed`: by one of our keys."""

    booking_id: UUID
    show_id: int
    seat_index: int
    signed: bool

    def command_id(self, action: str, nonce: str) -> UUID:
        """The id of the command for this ticket and nonce. `action`: `scan` or `undo`."""
        content = f"{action}:{self.booking_id}:{self.show_id}:{self.seat_index}:{self.signed:d}:{nonce}"
        return scan_command_id(
            hashlib.blake2b(content.encode(), digest_size=16, person=b"aisle.scan").digest()
        )


class TicketReader:
    """Reads codes of tickets with the public keys. Unsigned ones name their seat by its label."""

    def __init__(self, public_keys: Mapping[str, Ed25519PublicKey], seating_of: SeatingOf) -> None:
        self._public_keys = public_keys
        self._seating_of = seating_of

    async def read(self, text: str) -> ScannedTicket | None:
        """The ticket of a code; None for a code that is no ticket, or that was not signed by us."""
        try:
            token = read(text, self._public_keys)
        except InvalidToken:
            return None
        if isinstance(token, UnsignedCode):
            return await self._find_seat(token)
        if not 1 <= token.show_id <= MAX_SHOW_ID or token.seat >= MAX_SEATS:
            return None
        return ScannedTicket(token.booking_id, token.show_id, token.seat, signed=True)

    async def _find_seat(self, code: UnsignedCode) -> ScannedTicket | None:
        try:
            show_id = show_of_booking(code.booking_id)
        except ValueError:
            return None
        seating = await self._seating_of(show_id)
        index = -1 if seating is None else _index_of(seating, code.label.strip())
        return None if index < 0 else ScannedTicket(code.booking_id, show_id, index, signed=False)


def _index_of(seating: Seating, label: str) -> int:
    """The index of the seat with this label, in the case of its letters if another seat has them; -1 for none."""
    for exact in (label, nfc(label)):
        if (index := seating.find(exact)) >= 0:
            return index
    folded = label.casefold()
    same = [index for index, other in enumerate(seating.labels) if other.casefold() == folded]
    return same[0] if len(same) == 1 else -1

"""Bodies of the calls at the door."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from schemas.api import BookingBody, PositionBody
from schemas.api_catalogue import Instant
from schemas.formats import Timestamp
from schemas.ids import ShowId
from schemas.text import BLOCK_CODE, NO_NUL, NONCE

Gate = Annotated[str, msgspec.Meta(pattern=BLOCK_CODE)]
Nonce = Annotated[str, msgspec.Meta(pattern=NONCE)]
TokenText = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=NO_NUL)]

ScanResult = Literal["valid", "already_used", "wrong_show", "wrong_day", "cancelled", "invalid"]
UndoResult = Literal["undone", "not_checked_in", "wrong_show", "cancelled", "invalid"]


class CheckInRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scanned ticket."""

    token: TokenText
    """The content of the QR code, or what a hand scanner typed. Case, blanks and line ends around it do not matter."""
    show_id: ShowId | None = None
    """The show that the door is for; tickets of other shows are `wrong_show`."""
    gate: Gate | None = None
    """The name of the gate, such as `north-2`: a word, never a person."""
    at: Instant | None = None
    """Time of a late scan, which its device made without a connection. A time after the decision counts as that."""
    nonce: Nonce | None = None
    """Names this scan. The same ticket with the same nonce is the same scan and gets the same answer for 48 hours;
    without one each call is a scan of its own."""


class UndoCheckInRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket whose check-in is to be taken back."""

    token: TokenText
    nonce: Nonce | None = None
    """Names this request, as with scans."""


class CheckInBody(msgspec.Struct, frozen=True):
    """The result of a scan. Only `valid` lets somebody in."""

    result: ScanResult
    booking: BookingBody | msgspec.UnsetType = msgspec.UNSET
    """The booking of the ticket, where there is one."""
    seat: str | msgspec.UnsetType = msgspec.UNSET
    """Label of the seat, where the ticket has it."""
    used_at: Timestamp | msgspec.UnsetType = msgspec.UNSET
    """With `valid` and `already_used`: when the seat was checked in."""
    gate: str | msgspec.UnsetType = msgspec.UNSET
    """With `valid` and `already_used`: the gate at which it was, where that is known."""


class UndoneBody(msgspec.Struct, frozen=True):
    """The result of taking a check-in back."""

    result: UndoResult
    booking: BookingBody | msgspec.UnsetType = msgspec.UNSET
    seat: str | msgspec.UnsetType = msgspec.UNSET


class ScanConflictBody(msgspec.Struct, frozen=True):
    """A late scan of a seat that was checked in before: two people may have been let in with one ticket."""

    booking_id: UUID
    seat: str
    used_at: Timestamp
    """When the seat was checked in."""
    used_gate: str | None
    at: Timestamp
    """When the late scan was made, by the clock of its device."""
    gate: str | None
    decided: PositionBody


class DoorBody(msgspec.Struct, frozen=True):
    """Who is in."""

    show_id: int
    sold: int
    """Seats of confirmed bookings."""
    checked_in: int
    """Those of them that are checked in."""
    conflicts: list[ScanConflictBody]
    """The newest 1,000, newest first."""

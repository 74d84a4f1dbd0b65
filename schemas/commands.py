"""What can be asked of the writer of a show: the command union.

Commands only grow: a new field comes with a default, so that records written before it still decode; a type
that a worker does not know is answered `malformed`, never a crash. Commands carry ids, never names, so that
an account can be forgotten while the log stays.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from schemas.ids import ShowId, UserId

TimeMs = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
SeatCount = Annotated[int, msgspec.Meta(ge=0, le=100_000)]


class ReplyTo(msgspec.Struct, frozen=True, array_like=True):
    """Which gateway waits for the answer, and under which number of its own."""

    gateway: str
    request: int


class CommandBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=True):
    """What every command carries: its id, its show, who asks and who waits."""

    command_id: UUID
    show_id: ShowId
    user_id: UserId = 0
    staff: bool = False
    """Whether the one who asks may act on bookings of others."""
    reply_to: ReplyTo | None = None


class OpenShow(CommandBase, frozen=True):
    """Put a show on sale: the first command of every show, sent when it is created."""

    layout_id: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    layout_digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    starts_ms: TimeMs
    seats_per_customer: SeatCount
    sales_start_ms: TimeMs | None = None
    sales_end_ms: TimeMs | None = None


class ChangeShow(CommandBase, frozen=True):
    """Change a show's times or limit. What is not given stays; 0 takes a sales time away."""

    starts_ms: TimeMs | None = None
    seats_per_customer: SeatCount | None = None
    sales_start_ms: TimeMs | None = None
    sales_end_ms: TimeMs | None = None


class CloseShow(CommandBase, frozen=True):
    """Take no more bookings for now."""


class ReopenShow(CommandBase, frozen=True):
    """Take bookings again after CloseShow."""


class CancelShow(CommandBase, frozen=True):
    """Call a show off: closed at once, then all its bookings are cancelled, a bounded number per command."""


class SeatsCommand(CommandBase, frozen=True):
    """What booking and holding have in common: which seats, as which booking, for whom."""

    booking_id: UUID
    seats: tuple[str, ...] = ()
    """The labels asked for; empty when `quantity` of the best seats are asked for instead."""
    quantity: SeatCount = 0
    section: str | None = None
    adjacent: bool = True
    customer_id: UserId = 0
    """Whose booking it becomes, where staff book for a customer; 0, or from anybody else: the one who asks."""

    @property
    def owner_id(self) -> int:
        return self.customer_id if self.customer_id and self.staff else self.user_id


class BookSeats(SeatsCommand, frozen=True):
    """Book seats for good, all or nothing."""


class HoldSeats(SeatsCommand, frozen=True, kw_only=True):
    """Keep seats for a while, to be confirmed before `hold_ms` have passed in log time."""

    hold_ms: Annotated[int, msgspec.Meta(ge=1_000, le=3_600_000)]


class ConfirmBooking(CommandBase, frozen=True):
    """Make a held booking a confirmed one."""

    booking_id: UUID


class CancelBooking(CommandBase, frozen=True):
    """Give the seats of a booking back: a confirmed one is cancelled, a held one released."""

    booking_id: UUID


class BlockSeats(CommandBase, frozen=True):
    """Withhold available seats from sale."""

    seats: tuple[str, ...]


class UnblockSeats(CommandBase, frozen=True):
    """Put blocked seats back on sale."""

    seats: tuple[str, ...]


class CheckIn(CommandBase, frozen=True):
    """Let the holder of a seat in, once."""

    booking_id: UUID
    seat: str


class ExpireHolds(CommandBase, frozen=True):
    """Release what has run out by log time. Appended by the worker itself when a hold is due."""


Command = (
    OpenShow
    | ChangeShow
    | CloseShow
    | ReopenShow
    | CancelShow
    | BookSeats
    | HoldSeats
    | ConfirmBooking
    | CancelBooking
    | BlockSeats
    | UnblockSeats
    | CheckIn
    | ExpireHolds
)


def request_of(command: Command) -> Command:
    """The command without what differs when one request is sent twice, seats as a set.

    Two commands with the same id are the same request exactly when these are equal; otherwise the key was
    used for something else.
    """
    match command:
        case BookSeats() | HoldSeats():
            return msgspec.structs.replace(
                command, booking_id=_NO_ID, reply_to=None, seats=tuple(sorted(command.seats))
            )
        case BlockSeats() | UnblockSeats():
            return msgspec.structs.replace(command, reply_to=None, seats=tuple(sorted(command.seats)))
        case _:
            return msgspec.structs.replace(command, reply_to=None)


_NO_ID = UUID(int=0)

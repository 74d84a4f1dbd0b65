"""Commands: the requests that the writer of a show decides.

Commands only grow: a new field has a default, so that older records still decode; a command of an unknown type is
answered `malformed`. Commands carry ids, never names, so that an account can be erased while the log stays.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from schemas.catalogue_rows import CatalogueRows
from schemas.ids import ShowId, UserId
from schemas.layout import Money

TimeMs = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
SeatCount = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
SeatIndex = Annotated[int, msgspec.Meta(ge=0, lt=100_000)]
"""The index of a seat in layout order."""
Code = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.\-]{1,32}$(?!\n)")]
"""A short code without blanks, so that nobody writes names into it."""
BlockCode = Code
"""The code of a block, such as `press`."""
MAX_SEATS_PER_REQUEST = 10
MAX_SEATS_OF_STAFF = 100
MAX_HOLD_MS = 30 * 24 * 3600 * 1000
"""The longest hold, of staff: 30 days."""


class ReplyTo(msgspec.Struct, frozen=True, array_like=True):
    """The return address of a reply: a gateway, and that gateway's number for the pending request."""

    gateway: str
    request: int


class CommandBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=True):
    """The fields of every command: its id, its show, its sender and the return address."""

    command_id: UUID
    show_id: ShowId
    user_id: UserId = 0
    staff: bool = False
    """Whether the sender may act on other customers' bookings and on the show."""
    reply_to: ReplyTo | None = None


class OpenShow(CommandBase, frozen=True):
    """Opens a show: the first command of every show, sent when it is created."""

    layout_id: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    layout_digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    starts_ms: TimeMs
    seats_per_customer: SeatCount
    sales_start_ms: TimeMs | None = None
    sales_end_ms: TimeMs | None = None
    payment: Literal["none", "required"] = "none"
    """Whether customers have to pay before a booking is confirmed."""
    catalogue: CatalogueRows | None = None
    """The show in the catalogue, where the log can outlive the database. Deciding ignores it."""


class ChangeShow(CommandBase, frozen=True):
    """Changes a show's times or limit. None leaves a value as it is; 0 removes a sales time."""

    starts_ms: TimeMs | None = None
    seats_per_customer: SeatCount | None = None
    sales_start_ms: TimeMs | None = None
    sales_end_ms: TimeMs | None = None


class CloseShow(CommandBase, frozen=True):
    """Stops new bookings until ReopenShow."""


class ReopenShow(CommandBase, frozen=True):
    """Allows new bookings again after CloseShow."""


class CancelShow(CommandBase, frozen=True):
    """Cancels a show: it closes at once, then all bookings are cancelled, a bounded number per command."""


class SeatsCommand(CommandBase, frozen=True):
    """The common fields of booking and holding: seats, booking id, customer."""

    booking_id: UUID
    seats: tuple[str, ...] = ()
    """Labels of the requested seats; empty when `quantity` asks for the best available seats."""
    quantity: SeatCount = 0
    section: str | None = None
    adjacent: bool = True
    customer_id: UserId = 0
    """The customer for whom staff book. 0, or a sender who is not staff: the sender."""
    walk_in: bool = False
    """Staff sell to somebody without an account: the booking has no owner, and no customer's limit applies."""
    lift_limit: bool = False
    """Staff: the limit of seats per customer does not apply."""
    max_seats: SeatCount = MAX_SEATS_PER_REQUEST
    """The most seats of one request: MAX_SEATS_OF_STAFF for staff."""
    kind: Literal["accessible"] | None = None
    """With `quantity`: accessible seats with companion seats beside them. None: ordinary seats only."""
    max_price: Money | None = None
    """With `quantity`: only seats of at most this price."""
    paid: bool = False
    """Staff: the booking is paid for. How it was paid is stored beside the log."""
    noted: bool = False
    """Staff: a note on the booking is stored beside the log, which carries no text of people."""
    yours: bool = False
    """Whether a refusal names the owner's live bookings that are in the way. False in records of the first release."""
    sharing: tuple[UserId, ...] = ()
    """With `yours`: customers with an equal request, who get the same refusal if none of their seats is in the way."""

    @property
    def owner_id(self) -> int:
        """The owner of the booking; 0 for none."""
        if not self.staff:
            return self.user_id
        return 0 if self.walk_in else self.customer_id or self.user_id


class BookSeats(SeatsCommand, frozen=True):
    """Books seats, all or nothing."""


class HoldSeats(SeatsCommand, frozen=True, kw_only=True):
    """Holds seats, all or nothing. The hold expires unless it is confirmed within `hold_ms` of log time."""

    hold_ms: Annotated[int, msgspec.Meta(ge=1_000, le=MAX_HOLD_MS)]


class ConfirmBooking(CommandBase, frozen=True):
    """Confirms a held booking."""

    booking_id: UUID


class CancelBooking(CommandBase, frozen=True):
    """Ends a booking and frees its seats: a confirmed one is cancelled, a held one released."""

    booking_id: UUID


class ExtendHold(CommandBase, frozen=True):
    """Extends a hold by its own length from now, up to 30 minutes after it was made."""

    booking_id: UUID


class ChangeSeats(CommandBase, frozen=True):
    """Gives a live booking other seats, all or nothing: as many as before, or any number for staff."""

    booking_id: UUID
    seats: tuple[str, ...]
    max_seats: SeatCount = MAX_SEATS_PER_REQUEST


class SwapSeats(CommandBase, frozen=True):
    """Exchanges the seats of two live bookings of a show. Staff only."""

    booking_id: UUID
    with_booking_id: UUID


class BlockSeats(CommandBase, frozen=True):
    """Blocks available seats from sale. Seats that are blocked already get the code and the time, if one is given."""

    seats: tuple[str, ...]
    code: BlockCode | None = None
    """What the seats are blocked for."""
    release_ms: TimeMs | None = None
    """Log time at which the seats become available by themselves; None: never."""


class UnblockSeats(CommandBase, frozen=True):
    """Makes blocked seats available again."""

    seats: tuple[str, ...]


class CheckIn(CommandBase, frozen=True):
    """Checks in one seat of a confirmed booking, once."""

    booking_id: UUID
    seat: str


class ScanTicket(CommandBase, frozen=True):
    """Scans a ticket at the door: checks in one seat of a confirmed booking, once. Its id is that of the scan."""

    booking_id: UUID
    seat_index: SeatIndex
    runs_ms: TimeMs
    """Running time of the show, which its terms do not have."""
    wanted_show_id: ShowId | None = None
    """The show that the door is for. None: that of the ticket."""
    at_ms: TimeMs | None = None
    """Time of a late scan, by the clock of its device. None: the log time of the scan."""
    gate: Code | None = None
    unsigned_until_ms: TimeMs | None = None
    """With the unsigned code of an earlier release: the moment since which tickets are signed."""


class UndoCheckIn(CommandBase, frozen=True):
    """Takes back the check-in of one seat."""

    booking_id: UUID
    seat_index: SeatIndex


class ExpireHolds(CommandBase, frozen=True):
    """Releases the holds that have expired by log time. A worker's timer appends it when a hold is due."""


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
    | ExtendHold
    | ChangeSeats
    | SwapSeats
    | BlockSeats
    | UnblockSeats
    | CheckIn
    | ScanTicket
    | UndoCheckIn
    | ExpireHolds
)


def request_of(command: Command) -> Command:
    """The command without the fields that differ between attempts of one request, and with sorted seats.

    Two commands with one id are the same request exactly if these are equal; otherwise the key was reused. Fields that
    follow from the others are left out as well: gateways of an earlier release do not set them.
    """
    match command:
        case BookSeats() | HoldSeats():
            return msgspec.structs.replace(
                command,
                booking_id=_NO_ID,
                reply_to=None,
                seats=tuple(sorted(command.seats)),
                walk_in=False,
                max_seats=MAX_SEATS_PER_REQUEST,
                yours=False,
                sharing=(),
            )
        case OpenShow():
            return msgspec.structs.replace(command, reply_to=None, catalogue=None)
        case ChangeSeats() | BlockSeats() | UnblockSeats():
            return msgspec.structs.replace(command, reply_to=None, seats=tuple(sorted(command.seats)))
        case ScanTicket() | UndoCheckIn():
            return _scan_of(command)
        case _:
            return msgspec.structs.replace(command, reply_to=None)


def _scan_of(command: ScanTicket | UndoCheckIn) -> Command:
    """The ticket that is scanned, and nothing else.

    The id of a scan comes from its ticket and its nonce. Who sends it, from which gate and when, may differ between two
    attempts: a queue may be sent by another account, after the running time of the show was corrected.
    """
    if isinstance(command, UndoCheckIn):
        return msgspec.structs.replace(command, reply_to=None, user_id=0)
    return ScanTicket(
        command_id=command.command_id,
        show_id=command.show_id,
        staff=command.staff,
        booking_id=command.booking_id,
        seat_index=command.seat_index,
        runs_ms=0,
    )


_NO_ID = UUID(int=0)

"""Decisions of a show's writer: reasons of refusals, bookings and events.

A decision has all consequences of a command: the answer to its sender, and the events that changed the show. The
writer's memory, the rows in PostgreSQL, seat changes, replies and e-mails are all derived from it, so that each of them
can be repeated from a stored decision.
"""

from __future__ import annotations

import enum
from typing import Literal
from uuid import UUID

import msgspec

from schemas.ids import Position

RULES = 3
"""The version of the rules of `decide`; stored with each decision.

Rules only grow: what a command of an earlier version says is decided as it was then. 2 adds extending holds, changing
and swapping seats, kinds of seats, walk-ins, releases of blocks and payment as a term. 3 adds scanning tickets and
undoing check-ins.
"""


class Reason(enum.Enum):
    """The reason of a refusal. The values are the `code`s of the API's problems."""

    NOT_FOUND = "not_found"
    NOT_YOURS = "not_yours"
    SHOW_CLOSED = "show_closed"
    SHOW_CANCELLED = "show_cancelled"
    NOT_ON_SALE = "not_on_sale"
    SHOW_STARTED = "show_started"
    SEAT_UNKNOWN = "seat_unknown"
    SEAT_TAKEN = "seat_taken"
    SEAT_BLOCKED = "seat_blocked"
    COMPANION_ONLY = "companion_only"
    LIMIT_EXCEEDED = "limit_exceeded"
    PAYMENT_REQUIRED = "payment_required"
    PRICE_DIFFERS = "price_differs"
    NOT_ENOUGH_SEATS = "not_enough_seats"
    TOO_MANY_SEATS = "too_many_seats"
    ALREADY_CANCELLED = "already_cancelled"
    ALREADY_CONFIRMED = "already_confirmed"
    ALREADY_OPEN = "already_open"
    HOLD_EXPIRED = "hold_expired"
    HOLD_LIMIT = "hold_limit"
    NOT_CONFIRMED = "not_confirmed"
    ALREADY_USED = "already_used"
    CHECKED_IN = "checked_in"
    NOT_CHECKED_IN = "not_checked_in"
    WRONG_SHOW = "wrong_show"
    WRONG_DAY = "wrong_day"
    TICKET_UNSIGNED = "ticket_unsigned"
    VALIDATION = "validation"
    KEY_REUSED = "key_reused"
    MALFORMED = "malformed"
    INTERNAL_ERROR = "internal_error"

    @classmethod
    def _missing_(cls, value: object) -> Reason | None:
        """A reason of a later release: it encodes to the value it was read from, and equals no known reason."""
        if not isinstance(value, str) or (
            value not in _later_reasons and len(_later_reasons) >= _MAX_LATER_REASONS
        ):
            return None
        if value not in _later_reasons:
            later = object.__new__(cls)
            later._name_, later._value_ = value.upper(), value
            _later_reasons[value] = later
        return _later_reasons[value]


_later_reasons: dict[str, Reason] = {}
_MAX_LATER_REASONS = 256


class BookingStatus(enum.Enum):
    """Status of a booking: held → confirmed → cancelled, or held → released / expired."""

    HELD = "held"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RELEASED = "released"

    @property
    def live(self) -> bool:
        """Whether a booking in this status has claims on its seats."""
        return self in LIVE


LIVE = frozenset({BookingStatus.HELD, BookingStatus.CONFIRMED})


class ShowStatus(enum.Enum):
    """Status of a show in its writer. Statuses that depend on the clock are derived when a show is displayed."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Booking(msgspec.Struct, frozen=True, omit_defaults=True):
    """A booking after a decision. Seats are labels in layout order, `total` is in minor units."""

    booking_id: UUID
    show_id: int
    user_id: int
    status: BookingStatus
    seats: tuple[str, ...]
    total: int
    currency: str
    created_ms: int
    expires_ms: int | None = None
    checked_in: dict[str, int] = {}
    """Seat → time of its check-in, in Unix milliseconds of log time."""
    hold_ms: int | None = None
    """Length of the hold, where it was extended. Otherwise it follows from the times."""
    paid: bool = False
    """Whether staff were paid for it."""

    @property
    def owned(self) -> bool:
        """Whether a customer owns it; staff sold it to a walk-in otherwise."""
        return self.user_id != 0


class _BookingEvent(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    booking: Booking


class BookingConfirmed(_BookingEvent, frozen=True):
    """A booking was confirmed, directly or from a hold."""


class BookingHeld(_BookingEvent, frozen=True):
    """Seats are held until `booking.expires_ms`."""


class BookingCancelled(_BookingEvent, frozen=True):
    """A confirmed booking was cancelled; its seats are available."""


class HoldReleased(_BookingEvent, frozen=True):
    """A hold was cancelled by its owner or staff."""


class HoldExpired(_BookingEvent, frozen=True):
    """A hold expired."""


class HoldExtended(_BookingEvent, frozen=True):
    """A hold lasts longer, until `booking.expires_ms`."""


class BookingChanged(_BookingEvent, frozen=True):
    """A live booking has other seats. Its old seats that it does not have any more are available."""

    old_seats: tuple[str, ...]
    old_total: int


class SeatsSwapped(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Two live bookings have exchanged their seats. The old seats and total of each are the new ones of the other."""

    booking: Booking
    other: Booking


class _SeatsEvent(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag=True):
    show_id: int
    seats: tuple[str, ...]


class SeatsBlocked(_SeatsEvent, frozen=True):
    """Seats were blocked."""

    code: str | None = None
    release_ms: int | None = None
    """Log time at which they become available by themselves, Unix milliseconds."""


class SeatsUnblocked(_SeatsEvent, frozen=True):
    """Blocked seats are available again."""


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """The terms on which a show is sold. Times in Unix milliseconds of log time."""

    layout_id: int
    layout_digest: str
    starts_ms: int
    seats_per_customer: int
    sales_start_ms: int | None = None
    sales_end_ms: int | None = None
    payment: Literal["none", "required"] = "none"


class _ShowEvent(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    show_id: int
    status: ShowStatus
    terms: Terms


class ShowOpened(_ShowEvent, frozen=True):
    """A show was opened and can be sold."""


class ShowChanged(_ShowEvent, frozen=True):
    """Times or limits of a show changed."""


class ShowClosed(_ShowEvent, frozen=True):
    """New bookings were stopped."""


class ShowReopened(_ShowEvent, frozen=True):
    """New bookings are allowed again."""


class ShowCancelled(_ShowEvent, frozen=True):
    """A show was cancelled."""


class TicketCheckedIn(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag=True):
    """A seat of a booking was checked in."""

    booking: Booking
    seat: str
    gate: str | None = None


class CheckInUndone(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The check-in of a seat was taken back."""

    booking: Booking
    seat: str


BookingEvent = (
    BookingConfirmed
    | BookingHeld
    | BookingCancelled
    | HoldReleased
    | HoldExpired
    | HoldExtended
    | BookingChanged
)
SeatsEvent = SeatsBlocked | SeatsUnblocked
ShowEvent = ShowOpened | ShowChanged | ShowClosed | ShowReopened | ShowCancelled
Event = (
    BookingConfirmed
    | BookingHeld
    | BookingCancelled
    | HoldReleased
    | HoldExpired
    | HoldExtended
    | BookingChanged
    | SeatsSwapped
    | SeatsBlocked
    | SeatsUnblocked
    | ShowOpened
    | ShowChanged
    | ShowClosed
    | ShowReopened
    | ShowCancelled
    | TicketCheckedIn
    | CheckInUndone
)


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """The decision on a command. It is accepted if `reason` is None."""

    reason: Reason | None = None
    seats: tuple[str, ...] = ()
    """The seats that caused the refusal, in layout order if they are seats of the show. Of a scan: the ticket's seat,
    also if it is accepted."""
    limit: int | None = None
    """With `limit_exceeded`: the seats a customer may have. With `too_many_seats`: those of a request. With
    `validation`: the number of seats that the booking has. With `not_on_sale`: the start of sales in Unix ms. With
    `already_used`: the time of the check-in in Unix ms."""
    events: tuple[Event, ...] = ()
    """The events in order. Expired holds come first, even if the command is refused. An event with a tag of a later
    release is kept undecoded, as `msgspec.Raw`."""
    about_last: bool = False
    """Whether the booking of the command is that of the last event, so that it is stored once."""
    booking_apart: Booking | None = msgspec.field(default=None, name="booking")
    """The booking of the command, if no event has it."""
    repeats: Position | None = None
    """The position of the first decision on this command id, if this one repeats it."""
    yours: tuple[Booking, ...] = ()
    """With `seat_taken` and `limit_exceeded`: live bookings of the owner that are in the way, at most ten."""
    unshared: tuple[int, ...] = ()
    """Customers of `SeatsCommand.sharing` who have one of these seats themselves: this refusal is not theirs."""

    @property
    def booking(self) -> Booking | None:
        """The booking of the command, as it is after the decision."""
        if not self.about_last:
            return self.booking_apart
        booking: Booking = self.events[-1].booking  # type: ignore[union-attr]
        return booking


def is_from_later_release(event: object) -> bool:
    """Whether an event of a decision is one of a later release, which is kept as JSON."""
    return isinstance(event, msgspec.Raw)


class PublishedEvent(msgspec.Struct, frozen=True):
    """A record of the topic `aisle.events`. Consumers drop repeats by `event_id`."""

    event_id: str
    """`partition-offset-n`: the n-th event of the decision at that position."""
    at_ms: int
    event: Event

"""What the writer answers: decisions, the reasons of refusals, bookings and events.

A decision says everything that follows from a command: the answer to who asked, and the events that changed
the show. Memory, the rows in PostgreSQL, seat changes, replies and letters are all made from it, so that a
stored decision is enough to do each of them again.
"""

from __future__ import annotations

import enum
from uuid import UUID

import msgspec

from schemas.ids import Position

RULES = 1
"""The version of the rules that `decide` follows now; stored with each decision."""


class Reason(enum.Enum):
    """Why a command was refused. The values are the `code`s of the API's problems."""

    NOT_FOUND = "not_found"
    NOT_YOURS = "not_yours"
    SHOW_CLOSED = "show_closed"
    SHOW_CANCELLED = "show_cancelled"
    NOT_ON_SALE = "not_on_sale"
    SHOW_STARTED = "show_started"
    SEAT_UNKNOWN = "seat_unknown"
    SEAT_TAKEN = "seat_taken"
    SEAT_BLOCKED = "seat_blocked"
    LIMIT_EXCEEDED = "limit_exceeded"
    NOT_ENOUGH_SEATS = "not_enough_seats"
    TOO_MANY_SEATS = "too_many_seats"
    ALREADY_CANCELLED = "already_cancelled"
    ALREADY_CONFIRMED = "already_confirmed"
    ALREADY_OPEN = "already_open"
    HOLD_EXPIRED = "hold_expired"
    NOT_CONFIRMED = "not_confirmed"
    ALREADY_USED = "already_used"
    CHECKED_IN = "checked_in"
    VALIDATION = "validation"
    KEY_REUSED = "key_reused"
    MALFORMED = "malformed"
    INTERNAL_ERROR = "internal_error"

    @classmethod
    def _missing_(cls, value: object) -> Reason | None:
        """A reason of a later release: written again as it was read, and equal to none that is known here."""
        if not isinstance(value, str) or (value not in _later_reasons and len(_later_reasons) >= _MOST_LATER):
            return None
        if value not in _later_reasons:
            later = object.__new__(cls)
            later._name_, later._value_ = value.upper(), value
            _later_reasons[value] = later
        return _later_reasons[value]


_later_reasons: dict[str, Reason] = {}
_MOST_LATER = 256


class BookingStatus(enum.Enum):
    """held → confirmed → cancelled, or held → released / expired."""

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
    """The status of a show as its writer keeps it; what depends on the clock is added by whoever shows it."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Booking(msgspec.Struct, frozen=True, omit_defaults=True):
    """A booking as one decision left it. Seats are labels in layout order, `total` is in minor units."""

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
    """Seats whose holders were let in, and when, in Unix milliseconds of log time."""


class _BookingEvent(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    booking: Booking


class BookingConfirmed(_BookingEvent, frozen=True):
    """A booking is for good: booked at once, or a hold confirmed."""


class BookingHeld(_BookingEvent, frozen=True):
    """Seats are kept until `booking.expires_ms`."""


class BookingCancelled(_BookingEvent, frozen=True):
    """A confirmed booking was given back; its seats are free."""


class HoldReleased(_BookingEvent, frozen=True):
    """A hold was given back by its owner or staff."""


class HoldExpired(_BookingEvent, frozen=True):
    """A hold ran out."""


class _SeatsEvent(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    show_id: int
    seats: tuple[str, ...]


class SeatsBlocked(_SeatsEvent, frozen=True):
    """Seats were withheld from sale."""


class SeatsUnblocked(_SeatsEvent, frozen=True):
    """Seats are on sale again."""


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """The terms on which a show is sold. Times in Unix milliseconds of log time."""

    layout_id: int
    layout_digest: str
    starts_ms: int
    seats_per_customer: int
    sales_start_ms: int | None = None
    sales_end_ms: int | None = None


class _ShowEvent(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    show_id: int
    status: ShowStatus
    terms: Terms


class ShowOpened(_ShowEvent, frozen=True):
    """A show has its writer and can be sold."""


class ShowChanged(_ShowEvent, frozen=True):
    """Times or limits of a show changed."""


class ShowClosed(_ShowEvent, frozen=True):
    """No more bookings for now."""


class ShowReopened(_ShowEvent, frozen=True):
    """Bookings are taken again."""


class ShowCancelled(_ShowEvent, frozen=True):
    """The show is called off."""


class TicketCheckedIn(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """The holder of a seat was let in."""

    booking: Booking
    seat: str


BookingEvent = BookingConfirmed | BookingHeld | BookingCancelled | HoldReleased | HoldExpired
SeatsEvent = SeatsBlocked | SeatsUnblocked
ShowEvent = ShowOpened | ShowChanged | ShowClosed | ShowReopened | ShowCancelled
Event = (
    BookingConfirmed
    | BookingHeld
    | BookingCancelled
    | HoldReleased
    | HoldExpired
    | SeatsBlocked
    | SeatsUnblocked
    | ShowOpened
    | ShowChanged
    | ShowClosed
    | ShowReopened
    | ShowCancelled
    | TicketCheckedIn
)


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one answer to a command. Accepted when `reason` is None."""

    reason: Reason | None = None
    seats: tuple[str, ...] = ()
    """All seats at fault, in layout order where they are seats of the show."""
    limit: int | None = None
    """With `limit_exceeded`: seats a customer may have. In Unix ms, with `not_on_sale`: when sales start; with
    `already_used`: when."""
    events: tuple[Event, ...] = ()
    """What happened, in order; holds that ran out before the command come first, even when it is refused. One that a
    later release has stored under a tag of its own is here as it stands there, as `msgspec.Raw`."""
    about_last: bool = False
    """Whether the last event's booking is the one that the command was about: it is told once."""
    booking_apart: Booking | None = msgspec.field(default=None, name="booking")
    """The booking that the command was about, where no event tells of it."""
    repeats: Position | None = None
    """Where the first decision on this command id stands, when this one only says it again."""

    @property
    def booking(self) -> Booking | None:
        """The booking that the command was about, as it is now."""
        if not self.about_last:
            return self.booking_apart
        booking: Booking = self.events[-1].booking  # type: ignore[union-attr]
        return booking


def is_later(event: object) -> bool:
    """Whether an event of a decision is one of a later release, of which only the JSON is known."""
    return isinstance(event, msgspec.Raw)


class PublishedEvent(msgspec.Struct, frozen=True):
    """An event as it stands on the topic `aisle.events`. Consumers drop repeats by `event_id`."""

    event_id: str
    """`partition-offset-n`: the n-th event of the decision at that position."""
    at_ms: int
    event: Event

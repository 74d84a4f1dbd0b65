"""The kinds of e-mails, and the payloads of those that are not made from an event of a booking. Pure.

A payload is the JSON of an event or of a struct below. It carries ids and times, never a name or an address.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

BOOKING_CONFIRMED = "booking_confirmed"
"""Payload: the event BookingConfirmed."""
BOOKING_CANCELLED = "booking_cancelled"
"""Payload: the event BookingCancelled. Worded as SHOW_CANCELLED where the venue cancelled the show."""
BOOKING_CHANGED = "booking_changed"
"""Payload: the event BookingChanged, of a confirmed booking."""
SHOW_CHANGED = "show_changed"
"""Payload: ShowChangeData."""
SHOW_CANCELLED = "show_cancelled"
"""Payload: the event BookingCancelled."""
REMINDER = "reminder"
"""Payload: ReminderData."""
TICKETS_AGAIN = "tickets_again"
"""Payload: BookingData."""
WELCOME = "welcome"
"""Payload: LinkData, as of the three that follow."""
PASSWORD_RESET = "password_reset"
EMAIL_CONFIRMATION = "email_confirmation"
EMAIL_UNDO = "email_undo"
STAFF_SOLD_OUT = "staff_sold_out"
"""Payload: ShowData, also of STAFF_FEW_LEFT."""
STAFF_FEW_LEFT = "staff_few_left"
STAFF_DAILY_SUMMARY = "staff_daily_summary"
"""Payload: SummaryData."""
DIGEST = "digest"
"""Several e-mails to one address in one, which `Composer.compose_merged` makes; never the kind of a delivery."""

REMINDERS = frozenset({REMINDER})
"""Kinds that an account may switch off with its preference `reminders`."""
SUMMARIES = frozenset({STAFF_SOLD_OUT, STAFF_FEW_LEFT, STAFF_DAILY_SUMMARY})
"""Kinds that an account may switch off with its preference `summaries`."""
UNMERGED = frozenset({WELCOME, PASSWORD_RESET, EMAIL_CONFIRMATION, EMAIL_UNDO})
"""Kinds that never become part of a digest: each has a secret link of its own."""


class LinkData(msgspec.Struct, frozen=True):
    """A message about an account. A welcome of an earlier release has no token."""

    token: str | None = None


class BookingData(msgspec.Struct, frozen=True):
    """A message about a booking as it is when the message is composed."""

    booking_id: UUID


class ReminderData(msgspec.Struct, frozen=True):
    """A reminder of a show that starts at `starts_ms`. Composed later, it is skipped if the show starts otherwise."""

    booking_id: UUID
    show_id: int
    starts_ms: int


class ShowChangeData(msgspec.Struct, frozen=True):
    """A show whose time or screen changed: what it was before. `version` is the show's, after the change."""

    booking_id: UUID
    old_starts_ms: int
    old_timezone: str
    old_screen: str
    version: int = 0


class ShowData(msgspec.Struct, frozen=True):
    """A message to staff about a show."""

    show_id: int


class SummaryData(msgspec.Struct, frozen=True):
    """The sales of one day, `2026-11-30`, in the venue's time zone."""

    day: str

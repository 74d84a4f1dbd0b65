"""An e-mail of each kind, as examples for tests and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from notifier import emails, staff_emails
from notifier.email_parts import About, Content
from notifier.facts import Recipient, Sales, ShowFacts, Summary
from notifier.unsubscribing import Unsubscribing
from schemas.events import Booking, BookingStatus
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section
from tickets.places import SeatPlaces

SITE = "https://tickets.venue.example"
LAYOUT = Layout((Section("Stalls", Money(1250, "EUR"), (Row("C", 20), Row("D", 20))),))
BOOKING = Booking(
    booking_id=new_booking_id(7, 1_795_000_000_000, 5),
    show_id=7,
    user_id=3,
    status=BookingStatus.CONFIRMED,
    seats=("C12", "C13", "D1"),
    total=3750,
    currency="EUR",
    created_ms=1_795_000_000_000,
)
SEATS = (*BOOKING.seats, "D4", "D5")
ADA = Recipient("ada@example.org", "Ada Lovelace", "en", 3)
UNSUBSCRIBING = Unsubscribing(b"k" * 32, SITE)
NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
TITLES = {"hi": "दोपहर का प्रकाशस्तंभ", "de": "Der Leuchtturm am Mittag"}


def a_show(title: str = "The Lighthouse at Noon", *, cancelled: bool = False) -> ShowFacts:
    starts_at = datetime(2026, 11, 21, 18, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    return ShowFacts(
        title, 128, "Screen 3", starts_at, cancelled, 1, show_id=7, total_seats=40, available=3, version=12
    )


def about(title: str = "The Lighthouse at Noon", *, cancelled: bool = False) -> About:
    return About(BOOKING, a_show(title, cancelled=cancelled), SeatPlaces(LAYOUT).of(SEATS))


def to(language: str, name: str = "Ada Lovelace") -> Recipient:
    return msgspec.structs.replace(ADA, language=language, name=name)


def examples(language: str) -> Mapping[str, Content]:
    """An e-mail of each kind by its name, in a language; the title of the film is in it, too."""
    ada, title = to(language), TITLES.get(language, "The Lighthouse at Noon")
    this, show = about(title), a_show(title)
    starts_at = show.starts_at
    old_seats = emails.OldSeats(("D4", "D5", "C13"), 4250)
    moved = emails.OldShow(starts_at - timedelta(days=1, hours=2), "Screen 1")
    elsewhere = emails.OldShow(starts_at, "Screen 1")
    sales = Sales("EUR", 12, 31, 38750, 2, 4, 5000)
    shows = tuple(
        msgspec.structs.replace(show, starts_at=starts_at + timedelta(hours=n), available=n * 5)
        for n in range(3)
    )
    summary = Summary(date(2026, 11, 20), (sales,), shows)
    empty = Summary(date(2026, 11, 20), (), ())
    made = {
        "welcome": emails.welcome("a-secret-token", ada, SITE),
        "email_confirmation": emails.email_confirmation("a-secret-token", ada, SITE),
        "email_undo": emails.email_undo("a-secret-token", ada, SITE),
        "password_reset": emails.password_reset("a-secret-token", ada, SITE),
        "booking_confirmed": emails.confirmation(this, ada, SITE),
        "booking_cancelled": emails.cancellation(this, ada, SITE, by_venue=False),
        "booking_changed": emails.seats_changed(this, old_seats, ada, SITE),
        "show_changed": emails.show_changed(this, moved, ada, SITE),
        "show_on_another_screen": emails.show_changed(this, elsewhere, ada, SITE),
        "show_cancelled": emails.cancellation(about(title, cancelled=True), ada, SITE, by_venue=True),
        "reminder": emails.reminder(this, ada, SITE, UNSUBSCRIBING, NOW),
        "reminder_soon": emails.reminder(
            this, ada, SITE, UNSUBSCRIBING, starts_at.astimezone(UTC) - timedelta(hours=2)
        ),
        "reminder_early": emails.reminder(
            this, ada, SITE, UNSUBSCRIBING, starts_at.astimezone(UTC) - timedelta(days=4)
        ),
        "tickets_again": emails.tickets_again(this, ada, SITE),
        "staff_sold_out": staff_emails.sold_out(
            msgspec.structs.replace(show, available=0), ada, SITE, UNSUBSCRIBING
        ),
        "staff_few_left": staff_emails.few_left(show, ada, SITE, UNSUBSCRIBING),
        "staff_daily_summary": staff_emails.daily_summary(summary, ada, SITE, UNSUBSCRIBING),
        "staff_empty_summary": staff_emails.daily_summary(empty, ada, SITE, UNSUBSCRIBING),
    }
    of_digest = [made[kind] for kind in ("booking_confirmed", "booking_changed", "reminder")]
    return made | {"digest": emails.digest(of_digest, ada, SITE)}

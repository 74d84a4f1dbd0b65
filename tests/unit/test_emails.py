"""E-mails: what each kind says in each language, and what never gets into one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from languages.words import LANGUAGES
from notifier import emails, message
from notifier.deliveries import GIVE_UP_AFTER_S, retry_delay_s
from notifier.email_parts import MAX_SEAT_LINES, seat_lines, words_of
from notifier.event_emails import deliveries_of
from notifier.facts import Recipient
from notifier.mailer import read_server
from notifier.rendering import Email, render
from schemas import events
from schemas.events import BookingStatus, PublishedEvent
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section
from tests.unit.email_examples import ADA, BOOKING, SITE, about, examples, to
from tickets import formats
from tickets.places import SeatPlaces

KINDS = sorted(examples("en"))


def confirmation(title: str = "The Lighthouse at Noon", recipient: Recipient = ADA) -> Email:
    return render(emails.confirmation(about(title), recipient, SITE))


def said(email_: Email) -> list[str]:
    """The lines of the text, without what customers and venues named."""
    names = (
        r"Ada Lovelace|The Lighthouse at Noon|Der Leuchtturm am Mittag|Screen \d|https?://\S+|[0-9a-f-]{36}"
    )
    lines = [re.sub(names, "", line).strip() for line in email_.text.splitlines()]
    return [line for line in lines if re.search(r"[^\W\d_]{3}", line)]


def test_a_confirmation_lists_the_booking_in_text_and_html() -> None:
    email_ = confirmation()
    assert email_.subject == "Your tickets: The Lighthouse at Noon, 21 Nov 2026, 19:30"
    for form in (email_.text, email_.html):
        for part in (
            "Hello Ada Lovelace,",
            "The Lighthouse at Noon",
            "Saturday, 21 November 2026",
            "19:30 CET",
            "Screen 3",
            "C12, C13 (Stalls, row C)",
            "D1 (Stalls, row D)",
            "€37.50",
            str(BOOKING.booking_id),
            f"{SITE}/bookings/{BOOKING.booking_id}",
        ):
            assert part in form


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_no_word_of_an_e_mail_is_left_in_english(language: str, kind: str) -> None:
    english, translated = (render(examples(code)[kind]) for code in ("en", language))
    same = set(said(english)) & set(said(translated))
    # Places that the venue named, and what two languages write alike.
    assert {
        line for line in same if not re.fullmatch(r"(.* \(Stalls, .*|C13 .*|Total.*|Total : .*)", line)
    } == set()
    assert english.subject != translated.subject
    assert f'<html lang="{language}"' in translated.html


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_e_mail_fits_its_lines_and_has_no_loose_placeholder(language: str, kind: str) -> None:
    made = render(examples(language)[kind])
    assert not re.search(r"\{\w*\}", made.subject + made.text + made.html.partition("<body")[2])
    assert "\n\n\n" not in made.text
    assert not made.text.endswith("\n\n")
    assert "  " not in made.subject
    for line in made.text.splitlines():
        assert len(line) <= 79 or "http" in line, line
    assert "var(--" not in made.html
    assert "<style" in made.html
    assert made.html.count("prefers-color-scheme: dark") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_structured_data_is_json_that_ends_no_element(kind: str) -> None:
    content = examples("en")[kind]
    blocks = re.findall(
        r'<script type="application/ld\+json">(.*?)</script>', render(content).html, re.DOTALL
    )
    assert [json.loads(block) for block in blocks] == [dict(data) for data in content.data]


def test_a_reservation_says_what_a_mail_program_shows_of_it() -> None:
    (data,) = examples("en")["booking_confirmed"].data
    assert data["@type"] == "EventReservation"
    assert data["reservationStatus"].endswith("ReservationConfirmed")
    assert data["reservationFor"]["startDate"] == "2026-11-21T19:30:00+01:00"
    assert (data["totalPrice"], data["priceCurrency"], data["numSeats"]) == ("37.50", "EUR", 3)
    assert data["reservedTicket"][0]["ticketedSeat"] == {
        "@type": "Seat",
        "seatNumber": "C12",
        "seatRow": "C",
        "seatSection": "Stalls",
    }
    for kind in ("booking_cancelled", "show_cancelled"):
        assert examples("en")[kind].data[0]["reservationStatus"].endswith("ReservationCancelled")


def test_a_changed_booking_has_its_old_seats_and_total() -> None:
    text = render(examples("en")["booking_changed"]).text
    assert "before: D4, D5 (Stalls, row D)" in text
    assert "before: €42.50" in text
    unchanged = emails.seats_changed(about(), emails.OldSeats(("D4",), BOOKING.total), ADA, SITE)
    assert render(unchanged).text.count("before:") == 1


def test_a_changed_show_has_its_old_time_and_screen_where_they_differ() -> None:
    moved = render(examples("en")["show_changed"])
    assert "before: Friday, 20 November 2026, 17:30 CET" in moved.text
    assert "before: Screen 1" in moved.text
    elsewhere = render(examples("en")["show_on_another_screen"])
    assert elsewhere.subject.startswith("New screen: ")
    assert elsewhere.text.count("before:") == 1


def test_a_cancelled_show_has_an_e_mail_of_its_own() -> None:
    assert examples("en")["booking_cancelled"].subject.startswith("Cancelled: ")
    assert examples("en")["show_cancelled"].subject.startswith("Called off: ")


def test_a_reminder_says_how_soon_the_show_is() -> None:
    subjects = [examples("en")[kind].subject for kind in ("reminder", "reminder_soon", "reminder_early")]
    assert [subject.partition(":")[0] for subject in subjects] == ["Tomorrow", "Soon", "Reminder"]


def test_links_about_an_account_have_their_token_in_the_fragment() -> None:
    for content, path in (
        (emails.welcome("a/b+c=&", ADA, SITE), "email/confirm"),
        (emails.email_confirmation("a/b+c=&", ADA, SITE), "email/confirm"),
        (emails.email_undo("a/b+c=&", ADA, SITE), "email/undo"),
        (emails.password_reset("a/b+c=&", ADA, SITE), "password/reset"),
    ):
        made = render(content)
        assert f"{SITE}/{path}#a%2Fb%2Bc%3D%26" in made.text
        assert f"{SITE}/{path}#a%2Fb%2Bc%3D%26" in made.html


def test_only_reminders_and_summaries_can_be_switched_off() -> None:
    for kind, content in examples("en").items():
        optional = kind.startswith(("reminder", "staff"))
        assert bool(content.one_click) == optional, kind
        assert (content.unsubscribe_page in render(content).text) or not optional


@pytest.mark.parametrize(
    "name", ["You won! https://evil.example/x claim today", "evil.example", "<b>Eve</b>", "Ada"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_no_name_reaches_an_address_that_nobody_has_confirmed(name: str, kind: str) -> None:
    stranger = msgspec.structs.replace(ADA, name=name, confirmed=False)
    made = render(emails.welcome("t", stranger, SITE)), render(emails.confirmation(about(), stranger, SITE))
    for one in made:
        assert name not in one.text
        assert "Hello,\n" in one.text
        assert "underName" not in one.html


def test_user_text_is_never_markup() -> None:
    email_ = confirmation(
        "<script>alert(1)</script>{{ 7*7 }} {title}", Recipient("a@b.c", "<b>Eve</b>", "en")
    )
    assert "<script>alert" not in email_.html
    assert "<b>Eve" not in email_.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }} {title}" in email_.html
    assert "<script>alert(1)</script>{{ 7*7 }} {title}" in email_.text


def test_the_seats_of_a_large_group_are_counted_not_listed() -> None:
    rows = tuple(Row(f"R{n}", 2) for n in range(40))
    places = SeatPlaces(Layout((Section("", Money(1, "EUR"), rows),)))
    labels = [f"R{n}{seat}" for n in range(40) for seat in (1, 2)]
    lines = seat_lines(labels, places.of(labels), words_of(ADA))
    assert len(lines) == MAX_SEAT_LINES
    assert lines[-1] == "and 58 more seats"


@pytest.mark.parametrize(
    ("language", "code"), [("de-AT", "de"), ("tlh", "en"), ("en-GB", "en"), ("pt_BR", "en")]
)
def test_a_language_has_the_words_of_its_first_part(language: str, code: str) -> None:
    assert words_of(to(language)).code == code


@pytest.mark.parametrize(
    ("zone", "locale", "name"),
    [
        ("America/Argentina/Buenos_Aires", "en_GB", "GMT-03:00"),
        ("America/Kentucky/Louisville", "en_GB", "GMT-04:00"),
        ("America/Coyhaique", "de", "GMT-03:00"),
        ("Asia/Kathmandu", "hi", "GMT+05:45"),
        ("America/Argentina/Buenos_Aires", "fr", "UTC-03:00"),
        ("UTC", "fr", "UTC"),
        ("Europe/London", "en_GB", "BST"),
        ("Europe/Dublin", "en_GB", "GMT+01:00"),
    ],
)
def test_a_zone_has_a_short_name_or_its_distance_from_greenwich(zone: str, locale: str, name: str) -> None:
    assert formats.zone(datetime(2027, 7, 1, 12, tzinfo=UTC).astimezone(ZoneInfo(zone)), locale) == name


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_hour_that_comes_twice_is_told_apart(language: str) -> None:
    made = []
    for hour in (0, 1):
        this = about()
        starts_at = datetime(2027, 10, 31, hour, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
        show = msgspec.structs.replace(this.show, starts_at=starts_at)
        content = emails.confirmation(msgspec.structs.replace(this, show=show), to(language), SITE)
        made.append((content.subject, content.sections[0].card))
    assert made[0][0] != made[1][0]
    assert made[0][1] != made[1][1]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "a b@example.org",
        "a\r\nBcc: x@y.z@e.org",
        "ada@exa..mple",
        "<a@b.c>, d@e.f",
    ],
)
def test_an_invalid_address_is_rejected(address: str) -> None:
    with pytest.raises(message.BadAddress):
        message.mailbox("Ada", address)


def test_a_non_ascii_domain_is_encoded() -> None:
    assert message.mailbox("", "ada@bücher.example").address == "ada@xn--bcher-kva.example"


def test_events_map_to_deliveries() -> None:
    (confirmed,) = deliveries_of(PublishedEvent("3-18211-0", 1, events.BookingConfirmed(BOOKING)))
    assert (confirmed.event_id, confirmed.kind, confirmed.user_id) == ("3-18211-0", "booking_confirmed", 3)
    assert deliveries_of(PublishedEvent("3-18211-0", 1, events.HoldExpired(BOOKING))) == []
    assert deliveries_of(PublishedEvent("3-18211-0", 1, events.SeatsBlocked(7, ("C1",)))) == []


def test_changed_seats_of_confirmed_bookings_map_to_deliveries() -> None:
    held = msgspec.structs.replace(BOOKING, status=BookingStatus.HELD)
    for booking, kinds_ in ((BOOKING, ["booking_changed"]), (held, [])):
        changed = PublishedEvent("3-18211-0", 1, events.BookingChanged(booking, ("C1",), 1250))
        assert [delivery.kind for delivery in deliveries_of(changed)] == kinds_


def test_swapped_seats_map_to_one_delivery_for_each_booking() -> None:
    other = msgspec.structs.replace(
        BOOKING, booking_id=new_booking_id(7, 1, 6), user_id=4, seats=("C1",), total=1250
    )
    first, second = deliveries_of(PublishedEvent("3-18211-0", 1, events.SeatsSwapped(BOOKING, other)))
    assert (first.user_id, second.user_id) == (3, 4)
    assert first.event_id != second.event_id
    changed = msgspec.json.decode(second.payload, type=events.BookingChanged)
    assert (changed.booking, changed.old_seats, changed.old_total) == (other, BOOKING.seats, BOOKING.total)
    walk_in = msgspec.structs.replace(other, user_id=0)
    assert len(deliveries_of(PublishedEvent("3-18211-0", 1, events.SeatsSwapped(walk_in, BOOKING)))) == 1


def test_backoff_grows_to_an_hour() -> None:
    delays = [retry_delay_s(attempts) for attempts in range(1, 100)]
    assert delays[:4] == [5, 10, 20, 40]
    assert delays == sorted(delays)
    assert delays[-1] == 3600
    assert sum(delays) > GIVE_UP_AFTER_S


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "starttls"),
    [
        ("smtp://mail.example", "mail.example", 25, False, "offered"),
        ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, False, "offered"),
        ("smtp://u:p%40w@mail.example", "mail.example", 587, False, "required"),
        ("smtp://u:p%40w@localhost?starttls=off", "localhost", 587, False, "off"),
        ("smtps://u:p%40w@mail.example", "mail.example", 465, True, "off"),
    ],
)
def test_a_mail_server_url_is_parsed(url: str, host: str, port: int, tls: bool, starttls: str) -> None:
    server = read_server(url)
    assert (server.host, server.port, server.tls, server.starttls) == (host, port, tls, starttls)
    assert server.password in (None, "p@w")


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example",
        "smtp://",
        "smtp://mail.example/path",
        "smtp://mail.example?starttls=maybe",
        "smtp://mail.example?x=1",
        "smtps://mail.example?starttls=off",
        "smtp://u:p@mail.example?starttls=off",
    ],
)
def test_a_wrong_or_unsafe_mail_server_url_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|option|clear"):
        read_server(url)

"""E-mails and the messages made of them."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import msgspec
import pytest

from notifier import emails, message
from notifier.deliveries import GIVE_UP_AFTER_S, retry_delay_s
from notifier.event_emails import deliveries_of
from notifier.facts import Recipient, ShowFacts
from notifier.mailer import read_server
from notifier.wording import EMAIL_WORDS, KindWords, email_words
from schemas import events
from schemas.events import Booking, BookingStatus, PublishedEvent
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
PLACES = SeatPlaces(LAYOUT).of(BOOKING.seats)
ADA = Recipient("ada@example.org", "ada", "Ada Lovelace", "en")
SENDER = message.parse_mailbox("Aisle Tickets <tickets@venue.example>")


def a_show(title: str = "The Lighthouse at Noon", *, cancelled: bool = False) -> ShowFacts:
    starts_at = datetime(2026, 11, 21, 18, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    return ShowFacts(title, 128, "Screen 3", starts_at, cancelled, 1)


def confirmation(title: str = "The Lighthouse at Noon", to: Recipient = ADA) -> emails.Email:
    return emails.confirmation(BOOKING, a_show(title), PLACES, to, SITE)


def sent(
    email_: emails.Email, name: str = "Ada", attachment: message.Attachment | None = None
) -> EmailMessage:
    raw = message.compose(
        email_,
        sender=SENDER,
        to=message.mailbox(name, "ada@example.org"),
        message_id="<1@venue.example>",
        date=datetime(2026, 11, 20, tzinfo=UTC),
        attachment=attachment,
    )
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_a_confirmation_lists_the_booking_in_text_and_html() -> None:
    email_ = confirmation()
    assert email_.subject == "Your tickets: The Lighthouse at Noon, 21 Nov 2026, 19:30"
    for form in (email_.text, email_.html):
        for said in (
            "Hello Ada Lovelace,",
            "The Lighthouse at Noon",
            "Saturday, 21 November 2026, 19:30",
            "Central European Time",
            "Screen 3",
            "C12, C13 (Stalls, row C)",
            "D1 (Stalls, row D)",
            "€37.50",
            str(BOOKING.booking_id),
            f"{SITE}/bookings/{BOOKING.booking_id}",
        ):
            assert said in form


def test_a_cancelled_show_has_an_e_mail_of_its_own() -> None:
    of_customer = emails.cancellation(BOOKING, a_show(), PLACES, ADA, SITE)
    of_venue = emails.cancellation(BOOKING, a_show(cancelled=True), PLACES, ADA, SITE)
    assert of_customer.subject.startswith("Cancelled: ")
    assert of_venue.subject.startswith("Called off: ")


def test_a_welcome_has_the_user_name() -> None:
    email_ = emails.welcome(None, Recipient("ada@example.org", "ada", "", "en"), SITE)
    assert "Hello,\n" in email_.text
    assert "ada" in email_.text
    assert f"{SITE}/" in email_.text


def test_links_about_an_address_have_their_token() -> None:
    for made, path in (
        (emails.welcome("a/b", ADA, SITE), "confirm"),
        (emails.email_confirmation("a/b", ADA, SITE), "confirm"),
        (emails.email_undo("a/b", ADA, SITE), "undo"),
    ):
        assert f"{SITE}/email/{path}#a%2Fb" in made.text
        assert f"{SITE}/email/{path}#a%2Fb" in made.html


def test_a_reset_link_has_its_token_in_the_fragment() -> None:
    email_ = emails.password_reset("a/b+c=&", ADA, SITE)
    assert f"{SITE}/password/reset#a%2Fb%2Bc%3D%26" in email_.text
    assert f"{SITE}/password/reset#a%2Fb%2Bc%3D%26" in email_.html


def test_user_text_is_never_markup() -> None:
    email_ = confirmation(
        "<script>alert(1)</script>{{ 7*7 }} {title}", Recipient("a@b.c", "a", "<b>Eve</b>", "en")
    )
    assert "<script>" not in email_.html
    assert "<b>Eve" not in email_.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }} {title}" in email_.html
    assert "<script>alert(1)</script>{{ 7*7 }} {title}" in email_.text


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85"])
def test_line_ends_in_a_title_or_name_inject_no_header(ending: str) -> None:
    evil = f"Nice{ending}Bcc: eve@example.org{ending}{ending}body"
    got = sent(confirmation(evil), evil)
    assert "Bcc" not in got
    assert got["Subject"].startswith("Your tickets: Nice Bcc: eve@example.org body, ")
    assert [address.addr_spec for address in got["To"].addresses] == ["ada@example.org"]


def test_a_message_has_text_html_attachment_and_headers() -> None:
    got = sent(
        confirmation("बर्फी"), "Ada", message.Attachment("ticket-1.pdf", "application/pdf", b"%PDF-\r\n\0")
    )
    assert got["Message-ID"] == "<1@venue.example>"
    assert got["From"] == "Aisle Tickets <tickets@venue.example>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert "बर्फी" in got["Subject"]
    plain, html = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "बर्फी" in plain.get_content()
    assert "बर्फी" in html.get_content()
    (pdf,) = got.iter_attachments()
    assert pdf.get_filename() == "ticket-1.pdf"
    assert pdf.get_content() == b"%PDF-\r\n\0"


def test_all_attempts_of_a_delivery_share_a_message_id() -> None:
    origin = "kafka log, cluster c, topic aisle.commands=t"
    first = message.message_id("3-18211-0", "booking_confirmed", origin, "venue.example")
    assert first == message.message_id("3-18211-0", "booking_confirmed", origin, "venue.example")
    assert first != message.message_id("3-18211-0", "booking_confirmed", "another log", "venue.example")
    assert first.endswith("@venue.example>")


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


@pytest.mark.parametrize("language", sorted(EMAIL_WORDS.languages))
def test_every_language_has_all_placeholders(language: str) -> None:
    words = email_words(language)
    about = {"title": "T", "day": "D", "hour": "H"}
    kinds = [getattr(words, field) for field in words.__struct_fields__]
    for kind in (kind for kind in kinds if isinstance(kind, KindWords)):
        kind.subject.format_map(about)
    assert words.place.format(section="S", row="R") != words.place
    assert words.hello.format(name="N") != words.hello
    assert words.footer.format(site="S") != words.footer


def test_an_unknown_language_falls_back_to_english() -> None:
    assert email_words("tlh") == email_words("en-GB")


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

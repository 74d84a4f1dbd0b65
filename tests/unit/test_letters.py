"""Letters and the messages made of them."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest

from notifier import letters, message
from notifier.deliveries import GIVE_UP_AFTER_S, retry_delay_s
from notifier.facts import Recipient, ShowFacts
from notifier.intake import delivery_of
from notifier.mailer import read_server
from notifier.wording import KindWords, languages, letter_words
from schemas import events
from schemas.events import Booking, BookingStatus, PublishedEvent
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section
from tickets.places import places_of

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
ADA = Recipient("ada@example.org", "ada", "Ada Lovelace", "en")
SENDER = message.parse_mailbox("Aisle Tickets <tickets@venue.example>")


def a_show(title: str = "The Lighthouse at Noon", *, cancelled: bool = False) -> ShowFacts:
    starts_at = datetime(2026, 11, 21, 18, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    return ShowFacts(title, 128, "Screen 3", starts_at, cancelled, 1)


def confirmation(title: str = "The Lighthouse at Noon", to: Recipient = ADA) -> letters.Letter:
    return letters.confirmation(BOOKING, a_show(title), places_of(LAYOUT), to, SITE)


def sent(
    letter: letters.Letter, name: str = "Ada", attachment: message.Attachment | None = None
) -> EmailMessage:
    raw = message.compose(
        letter,
        sender=SENDER,
        to=message.mailbox(name, "ada@example.org"),
        message_id="<1@venue.example>",
        date=datetime(2026, 11, 20, tzinfo=UTC),
        attachment=attachment,
    )
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_a_confirmation_says_what_was_booked_in_both_forms() -> None:
    letter = confirmation()
    assert letter.subject == "Your tickets: The Lighthouse at Noon, 21 Nov 2026, 19:30"
    for form in (letter.text, letter.html):
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
            f"{SITE}/#/bookings/{BOOKING.booking_id}",
        ):
            assert said in form


def test_the_letter_of_a_show_that_was_called_off_says_so() -> None:
    of_customer = letters.cancellation(BOOKING, a_show(), places_of(LAYOUT), ADA, SITE)
    of_venue = letters.cancellation(BOOKING, a_show(cancelled=True), places_of(LAYOUT), ADA, SITE)
    assert of_customer.subject.startswith("Cancelled: ")
    assert of_venue.subject.startswith("Called off: ")


def test_a_welcome_names_the_user_name() -> None:
    letter = letters.welcome(None, Recipient("ada@example.org", "ada", "", "en"), SITE)
    assert "Hello,\n" in letter.text
    assert "ada" in letter.text
    assert f"{SITE}/" in letter.text


def test_links_about_an_address_carry_their_token() -> None:
    for made, path in (
        (letters.welcome("a/b", ADA, SITE), "confirm"),
        (letters.email_confirmation("a/b", ADA, SITE), "confirm"),
        (letters.email_undo("a/b", ADA, SITE), "undo"),
    ):
        assert f"{SITE}/#/email/{path}/a%2Fb" in made.text
        assert f"{SITE}/#/email/{path}/a%2Fb" in made.html


def test_a_reset_link_carries_its_token_behind_the_hash() -> None:
    letter = letters.password_reset("a/b+c=&", ADA, SITE)
    assert f"{SITE}/#/reset/a%2Fb%2Bc%3D%26" in letter.text
    assert f"{SITE}/#/reset/a%2Fb%2Bc%3D%26" in letter.html


def test_what_was_typed_is_never_markup() -> None:
    letter = confirmation(
        "<script>alert(1)</script>{{ 7*7 }} {title}", Recipient("a@b.c", "a", "<b>Eve</b>", "en")
    )
    assert "<script>" not in letter.html
    assert "<b>Eve" not in letter.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }} {title}" in letter.html
    assert "<script>alert(1)</script>{{ 7*7 }} {title}" in letter.text


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85"])
def test_no_line_end_in_a_title_or_name_starts_a_header(ending: str) -> None:
    evil = f"Nice{ending}Bcc: eve@example.org{ending}{ending}body"
    got = sent(confirmation(evil), evil)
    assert "Bcc" not in got
    assert got["Subject"].startswith("Your tickets: Nice Bcc: eve@example.org body, ")
    assert [address.addr_spec for address in got["To"].addresses] == ["ada@example.org"]


def test_a_message_has_both_forms_the_ticket_and_its_headers() -> None:
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


def test_a_message_id_belongs_to_the_delivery_and_not_to_the_attempt() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    first = message.message_id("3-18211-0", "booking_confirmed", at, "venue.example")
    assert first == message.message_id("3-18211-0", "booking_confirmed", at, "venue.example")
    assert first != message.message_id(
        "3-18211-0", "booking_confirmed", at.replace(year=2027), "venue.example"
    )
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
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(message.BadAddress):
        message.mailbox("Ada", address)


def test_a_domain_of_another_script_goes_out_in_ascii() -> None:
    assert message.mailbox("", "ada@bücher.example").address == "ada@xn--bcher-kva.example"


@pytest.mark.parametrize("language", sorted(languages()))
def test_every_language_can_fill_in_every_text(language: str) -> None:
    words = letter_words(language)
    about = {"title": "T", "day": "D", "hour": "H"}
    kinds = [getattr(words, field) for field in words.__struct_fields__]
    for kind in (kind for kind in kinds if isinstance(kind, KindWords)):
        kind.subject.format_map(about)
    assert words.place.format(section="S", row="R") != words.place
    assert words.hello.format(name="N") != words.hello
    assert words.footer.format(site="S") != words.footer


def test_a_language_that_is_not_there_is_english() -> None:
    assert letter_words("tlh") == letter_words("en-GB")


def test_an_event_calls_for_the_letter_it_is_about() -> None:
    confirmed = delivery_of(PublishedEvent("3-18211-0", 1, events.BookingConfirmed(BOOKING)))
    assert confirmed is not None
    assert (confirmed.event_id, confirmed.kind, confirmed.user_id) == ("3-18211-0", "booking_confirmed", 3)
    assert delivery_of(PublishedEvent("3-18211-0", 1, events.HoldExpired(BOOKING))) is None
    assert delivery_of(PublishedEvent("3-18211-0", 1, events.SeatsBlocked(7, ("C1",)))) is None


def test_waiting_between_attempts_grows_to_an_hour() -> None:
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
def test_a_mail_server_url_says_where_and_how(
    url: str, host: str, port: int, tls: bool, starttls: str
) -> None:
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
def test_a_mail_server_url_that_is_wrong_or_unsafe_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|option|clear"):
        read_server(url)

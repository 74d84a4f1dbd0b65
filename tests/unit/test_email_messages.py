"""Messages made of e-mails: headers, attachments, entries of calendars."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from languages.words import LANGUAGES
from notifier import emails, message
from notifier.attachments import calendar_file
from notifier.rendering import Email, render
from tests.unit.email_examples import ADA, BOOKING, SITE, about, examples, to
from tickets.formats import one_line

SENDER = message.parse_mailbox("Aisle Tickets <tickets@venue.example>")
REPLY_TO = message.parse_mailbox("Théâtre <office@venue.example>")
MADE_AT = datetime(2026, 11, 20, tzinfo=UTC)


def confirmation(title: str = "The Lighthouse at Noon") -> Email:
    return render(emails.confirmation(about(title), ADA, SITE))


def sent(
    email_: Email,
    name: str = "Ada",
    attachments: tuple[message.Attachment, ...] = (),
    reply_to: message.Mailbox | None = None,
) -> EmailMessage:
    raw = message.compose(
        email_,
        sender=SENDER,
        to=message.mailbox(name, "ada@example.org"),
        message_id="<1@venue.example>",
        date=MADE_AT,
        attachments=attachments,
        reply_to=reply_to,
    )
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    return email.message_from_bytes(raw, policy=email.policy.default)


def entry(
    title: str = "The Lighthouse at Noon", sequence: int = 3, cancelled: bool = False
) -> message.Attachment:
    return calendar_file(
        about(title),
        to("hi"),
        organizer=SENDER,
        public_url=SITE,
        made_at=MADE_AT,
        sequence=sequence,
        cancelled=cancelled,
    )


def defects(part: Any) -> list[Any]:
    """The defects of a message, its headers and its parts."""
    found: list[Any] = list(part.defects)
    for value in part.values():
        found += getattr(value, "defects", ())
    return found + [defect for one in part.iter_parts() for defect in defects(one)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(examples("en")))
def test_every_e_mail_is_read_back_without_a_defect(kind: str, language: str) -> None:
    email_ = render(examples(language)[kind])
    got = sent(email_, "आदा Lovelace", (entry(),), REPLY_TO)
    assert defects(got) == []
    assert got["Subject"] == email_.subject
    plain, html = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == email_.text
    assert html.get_content().replace("\r\n", "\n").strip() == email_.html.strip()


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85"])
def test_line_ends_in_a_title_or_name_inject_no_header(ending: str) -> None:
    evil = f"Nice{ending}Bcc: eve@example.org{ending}{ending}body"
    got = sent(confirmation(evil), evil)
    assert "Bcc" not in got
    assert got["Subject"].startswith("Your tickets: Nice Bcc: eve@example.org body, ")
    assert [address.addr_spec for address in got["To"].addresses] == ["ada@example.org"]


def test_a_message_has_text_html_attachments_and_headers() -> None:
    pdf = message.Attachment("ticket-1.pdf", "application/pdf", b"%PDF-\r\n\0")
    got = sent(confirmation("बर्फी"), "Ada", (pdf, entry()), REPLY_TO)
    assert got["Message-ID"] == "<1@venue.example>"
    assert got["From"] == "Aisle Tickets <tickets@venue.example>"
    assert got["Reply-To"].addresses[0].addr_spec == "office@venue.example"
    assert got["Reply-To"].addresses[0].display_name == "Théâtre"
    assert got["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in got
    assert "बर्फी" in got["Subject"]
    first, second = got.iter_attachments()
    assert first.get_filename() == "ticket-1.pdf"
    assert first.get_content() == b"%PDF-\r\n\0"
    assert second.get_content_type() == "text/calendar"
    assert second.get_param("method") == "PUBLISH"
    assert second.get_filename() == "aisle-1c0000000005.ics"


@pytest.mark.parametrize("kind", ["reminder", "staff_sold_out", "staff_few_left", "staff_daily_summary"])
def test_a_reminder_and_a_summary_can_be_switched_off_by_one_click(kind: str) -> None:
    got = sent(render(examples("en")[kind]))
    preference = "reminders" if kind == "reminder" else "summaries"
    address = got["List-Unsubscribe"].strip("<>")
    assert address.startswith(f"{SITE}/api/email/unsubscribe?token={preference}.3.")
    assert got["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_all_attempts_of_a_delivery_share_a_message_id() -> None:
    origin = "kafka log, cluster c, topic aisle.commands=t"
    first = message.message_id("3-18211-0", "booking_confirmed", origin, "venue.example")
    assert first == message.message_id("3-18211-0", "booking_confirmed", origin, "venue.example")
    assert first != message.message_id("3-18211-0", "booking_confirmed", "another log", "venue.example")
    assert first.endswith("@venue.example>")


def test_an_entry_of_calendars_survives_the_message_byte_for_byte() -> None:
    made = entry("क्षत्रिय " * 40)
    (attached,) = sent(confirmation(), attachments=(made,)).iter_attachments()
    content = attached.get_payload(decode=True)
    assert content == made.content
    assert all(len(line) <= 75 for line in made.content.split(b"\r\n"))
    assert b"\n" not in made.content.replace(b"\r\n", b"")


def test_an_entry_is_added_changed_and_removed_under_one_uid() -> None:
    published, cancelled = (
        icalendar.Calendar.from_ical(entry(sequence=sequence, cancelled=cancelled).content)
        for sequence, cancelled in ((3, False), (8, True))
    )
    assert (published["method"], cancelled["method"]) == ("PUBLISH", "CANCEL")
    (before,), (after,) = (calendar.walk("VEVENT") for calendar in (published, cancelled))
    assert before["uid"] == after["uid"] == str(BOOKING.booking_id)
    assert (before["sequence"], after["sequence"]) == (3, 8)
    assert (before["status"], after["status"]) == ("CONFIRMED", "CANCELLED")
    assert before["organizer"] == "mailto:tickets@venue.example"
    assert before["organizer"].params["CN"] == "Aisle Tickets"
    assert before.decoded("dtstart") == datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
    assert before["dtstart"].to_ical() == b"20261121T183000Z"
    assert "सीटें: C12, C13, D1" in str(before["description"])


@given(st.text(min_size=1, max_size=300))
def test_any_subject_is_read_back_as_it_was(subject: str) -> None:
    wanted = one_line(subject)
    got = sent(Email(subject, "text\n", "<p>html</p>"))
    assert got["Subject"] == wanted
    assert defects(got) == []


@pytest.mark.parametrize("size", range(50, 90))
def test_a_subject_of_any_length_keeps_its_spaces(size: int) -> None:
    for words in ("word " * 40, "größer " * 40, "=?utf-8?q?evil?= " * 10):
        subject = words[:size].strip()
        assert sent(Email(subject, "text\n", "<p>html</p>"))["Subject"] == subject

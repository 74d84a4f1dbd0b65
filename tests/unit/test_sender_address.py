"""The sender of e-mails: which spellings of AISLE_MAIL_FROM are read, and the From header that they become."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st

from notifier.message import compose, mailbox, parse_mailbox
from notifier.rendering import Email
from runtime.settings import SettingError, read_settings

READ = [
    ("Théâtre, Box <tickets@venue.example>", "Théâtre, Box", "tickets@venue.example"),
    ("Box Office: Main <a@b.example>", "Box Office: Main", "a@b.example"),
    ('"Box Office: Main" <a@b.example>', "Box Office: Main", "a@b.example"),
    ('"Smith, J. \\"Jo\\"" <a@b.example>', 'Smith, J. "Jo"', "a@b.example"),
    ('"box@office" <a@b.example>', "box@office", "a@b.example"),
    ("Zoë & Łukasz; Co. (Main) <a@b.example>", "Zoë & Łukasz; Co. (Main)", "a@b.example"),
    ("日本劇場、東京 <a@b.example>", "日本劇場、東京", "a@b.example"),
    ("Theatre 🎭 <a@b.example>", "Theatre 🎭", "a@b.example"),
    ("a@b.example", "", "a@b.example"),
    ("<a@b.example>", "", "a@b.example"),
    ("  Venue   Box  <a@b.example> ", "Venue Box", "a@b.example"),
    ("Venue<a+b@B.Example>", "Venue", "a+b@b.example"),
    ("Venue <tickets@müller.example>", "Venue", "tickets@xn--mller-kva.example"),
    ("tickets@straße.example", "", "tickets@xn--strae-oqa.example"),
    ("No\\body <a@b.example>", "No\\body", "a@b.example"),
    (
        f"{'Théâtre National, Box Office: Door; ' * 4}(North) <tickets@venue.example>",
        f"{'Théâtre National, Box Office: Door; ' * 4}(North)",
        "tickets@venue.example",
    ),
]


def headers(sender: str) -> bytes:
    message = compose(
        Email("Subject", "Text", "<p>Text</p>"),
        sender=parse_mailbox(sender),
        to=mailbox("Ada", "ada@example.com"),
        message_id="<1@venue.example>",
        date=datetime(2027, 1, 1, tzinfo=UTC),
    )
    return message.partition(b"\r\n\r\n")[0]


def from_header(head: bytes) -> tuple[str, str]:
    """Name and address, as RFC 5322 and RFC 2047 have them read."""
    raw = email.message_from_bytes(head, policy=email.policy.compat32)["From"]
    phrase, _opening, address = re.sub(r"\r\n(?=[ \t])", "", raw).rpartition("<")
    phrase = phrase.strip()
    if quoted := re.fullmatch(r'"((?:[^"\\]|\\.)*)"', phrase):
        return re.sub(r"\\(.)", r"\1", quoted[1]), address.rstrip(">")
    return str(make_header(decode_header(phrase))), address.rstrip(">")


WORDS = ["Théâtre", "Box", "Office,", "Main:", "日本劇場", "(North)", "Łódź;", "of", "🎭", "a@b", "<x>"]


@generated(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=14))
def test_blanks_of_a_long_name_are_kept(words: list[str]) -> None:
    name = " ".join(words)
    head = headers(f'"{name}" <tickets@venue.example>')
    assert from_header(head) == (name, "tickets@venue.example")
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))


@pytest.mark.parametrize(("given", "name", "address"), READ)
def test_a_sender_keeps_its_whole_name_up_to_the_header(given: str, name: str, address: str) -> None:
    sender = read_settings({"AISLE_MAIL_FROM": given}).mail_from
    assert read_settings({"AISLE_MAIL_FROM": sender}).mail_from == sender
    head = headers(sender)
    assert head.isascii()
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    assert from_header(head) == (name, address)
    # A reader that takes the header apart at commas before it decodes words finds one address as well.
    raw = re.sub(rb"\r\n(?=[ \t])", b"", head)
    value = re.search(rb"(?m)^From: (.*)$", raw)
    assert value
    unquoted = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", value[1])
    assert not set(unquoted) & set(b",;:()")


@pytest.mark.parametrize(
    "value",
    [
        "nobody",
        "@venue.example",
        "tickets@",
        "Venue <>",
        "Venue <tickets@venue.example",
        "Venue tickets@venue.example",
        "tickets@venue.example Venue",
        "Venue <tickets@venue.example> (box office)",
        "a@b.example, c@d.example",
        "A <a@b.example>, B <c@d.example>",
        "A <a@b.example>; B <c@d.example>",
        "Venues: a@b.example;",
        'The "Box" Office <a@b.example>',
        '"Box <a@b.example>',
        "=?utf-8?q?Th=C3=A9?= <a@b.example>",
        "a@b.example\r\nBcc: c@d.example",
        "Venue\r\nBcc: c@d.example <a@b.example>",
        "Venue\x00 <a@b.example>",
        "Venue\x1b[31m <a@b.example>",
        "Venue\u202e <a@b.example>",
        "Venue <a b@c.example>",
        "Venue <a..b@c.example>",
        "Venue <.a@c.example>",
        "Venue <a@b..example>",
        "Venue <a@b.example.>",
        "Venue <a@[10.0.0.1]>",
        "Venue <a@10.0.0.1>",
        "Venue <a@b@c.example>",
        "Venue <a@☃.example>",
        "Venue <mailto:a@b.example>",
        f"Venue <{'a' * 65}@b.example>",
    ],
)
def test_an_invalid_sender_stops_the_start(value: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_MAIL_FROM='") as refusal:
        read_settings({"AISLE_MAIL_FROM": value})
    assert "\n" not in str(refusal.value)

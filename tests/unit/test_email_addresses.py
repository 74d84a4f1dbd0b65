"""E-mail addresses: what is typed, what is stored, what is refused."""

from __future__ import annotations

import pytest

from notifier.message import BadAddress, mailbox
from runtime.addresses.email_address import read_email


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" ada@example.org", "ada@example.org"),
        ("\u3000ada@example.org ", "ada@example.org"),
        ("Ada@Example.ORG", "Ada@Example.ORG"),
        ("ada@müller.example", "ada@xn--mller-kva.example"),
        ("ada@MÜLLER.example", "ada@xn--mller-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@xn--strae-oqa.example", "ada@xn--strae-oqa.example"),
        ("ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("ada+seats@sub.venue.example", "ada+seats@sub.venue.example"),
    ],
)
def test_an_address_is_stored_in_ascii_without_blanks(typed: str, stored: str) -> None:
    assert read_email(typed) == stored
    assert read_email(stored) == stored


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("jürgen@müller.example", "before"),
        ("abc.@docomo.ne.jp", "dot"),
        ("a..b@docomo.ne.jp", "dot"),
        ('"abc."@docomo.ne.jp', "quotes"),
        ("ada@localhost", "domain"),
        ("ada@127.0.0.1", "domain"),
        ("ada@[::1]", "domain"),
        ("ada@example.org.", "domain"),
        ("ada@-x.example", "domain"),
        ("ada@xn--\u200b.example", "domain"),
        ("ada", "wanted"),
        ("a@b@example.org", "wanted"),
        (f"{'a' * 65}@example.org", "wanted"),
        ("ada@" + "a.".join("x" * 60 for _ in range(5)) + ".example", "domain"),
    ],
)
def test_what_few_mail_servers_take_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_email(typed)


def test_a_stored_address_beyond_ascii_is_sent_by_idna_2008() -> None:
    assert mailbox("Ada", "ada@straße.example").address == "ada@xn--strae-oqa.example"
    assert mailbox("", "jürgen@müller.example").address == "jürgen@xn--mller-kva.example"
    with pytest.raises(BadAddress):
        mailbox("", "ada@a\u2024b.exam\u00adple.\u2488")

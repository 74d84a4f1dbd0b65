"""Meaning of the refusals of mail servers."""

from __future__ import annotations

import pytest

from notifier.limits import SAME_REPLIES, DomainPauses, SameReplies
from notifier.replies import Meaning, Step, advice, meaning

QUOTAS = [
    (550, "5.4.5 Daily user sending limit exceeded"),
    (
        550,
        "5.4.5 Daily user sending limit exceeded. For more information on Gmail\n5.4.5 sending limits go to",
    ),
    (550, "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients"),
    (554, "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message"),
    (552, "5.2.2 This message is larger than the current system limit or the sender's quota exceeded"),
    (452, "4.5.3 Too many recipients"),
    (450, "4.2.1 The user account exceeded its hourly rate"),
    (451, "4.7.1 Sending limit reached, try again tomorrow"),
    (421, "4.7.0 Too many messages from this sender"),
]


@pytest.mark.parametrize(("code", "text"), QUOTAS)
@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA])
def test_the_quota_of_the_sender_is_seen_at_each_step(step: Step, code: int, text: str) -> None:
    assert meaning(step, code, text) is Meaning.QUOTA


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (552, "5.2.2 x"),
        (451, "try later"),
        (450, "4.2.1 mailbox is receiving mail at a rate that is too high"),
    ],
)
def test_what_may_be_a_quota_fails_nothing(step: Step, code: int, text: str) -> None:
    assert meaning(step, code, text) is not Meaning.REJECTED


@pytest.mark.parametrize(
    ("step", "code", "text", "wanted"),
    [
        (Step.RCPT, 550, "5.1.1 no such mailbox", Meaning.REJECTED),
        (Step.RCPT, 550, "5.7.1 relaying denied", Meaning.REJECTED),
        (Step.RCPT, 552, "5.2.2 mailbox full", Meaning.DEFERRED),
        (
            Step.RCPT,
            450,
            "4.2.1 The user you are trying to contact is receiving mail too quickly",
            Meaning.DEFERRED,
        ),
        (Step.RCPT, 451, "4.7.1 Greylisted", Meaning.DEFERRED),
        (Step.DATA, 554, "5.7.1 spam", Meaning.REJECTED),
        (Step.DATA, 552, "5.3.4 message too large", Meaning.REJECTED),
        (Step.MAIL, 550, "5.7.1 sender unknown", Meaning.UNAVAILABLE),
        (Step.MAIL, 451, "4.3.0 not now", Meaning.UNAVAILABLE),
        (Step.RCPT, 530, "5.7.0 Must issue a STARTTLS command first", Meaning.UNAVAILABLE),
        (Step.DATA, 421, "4.3.2 shutting down", Meaning.UNAVAILABLE),
        (Step.CONNECT, 554, "no service", Meaning.UNAVAILABLE),
    ],
)
def test_one_recipient_and_the_whole_server_are_told_apart(
    step: Step, code: int, text: str, wanted: Meaning
) -> None:
    assert meaning(step, code, text) is wanted


@pytest.mark.parametrize(
    ("code", "text", "setting"),
    [
        (421, "4.7.0 try again later (EHLO)", "?ehlo="),
        (504, "5.5.2 <x>: Helo command rejected: need fully-qualified hostname", "?ehlo="),
        (454, "4.7.0 TLS not available due to local problem", "?starttls=off"),
        (0, "certificate verify failed: self-signed certificate", "SSL_CERT_FILE"),
        (530, "5.7.0 Must issue a STARTTLS command first", "?starttls=required"),
        (530, "5.7.0 Authentication required", "user:password@"),
        (535, "5.7.8 wrong", "user:password@"),
        (0, "Connection refused", "AISLE_SMTP_URL"),
    ],
)
def test_the_setting_that_helps_is_named(code: int, text: str, setting: str) -> None:
    assert setting in advice(Step.CONNECT, code, text)


def test_the_same_deferral_of_several_recipients_in_a_row_is_the_servers() -> None:
    same = SameReplies()
    assert not any(same.deferred("one@a.example", "451 4.7.1") for _ in range(3 * SAME_REPLIES))
    assert not any(same.deferred(f"{n}@a.example", "451 4.7.1") for n in range(SAME_REPLIES - 2))
    assert same.deferred("last@a.example", "451 4.7.1")
    for n in range(3 * SAME_REPLIES):
        assert not same.deferred(f"{n}@a.example", "451 4.7.1")
        same.accepted()


def test_a_domain_that_defers_is_paused_longer_each_time_until_it_accepts() -> None:
    pauses = DomainPauses()
    assert [pauses.deferred("a.example", 0) for _ in range(5)] == [0, 0, 30, 60, 120]
    assert pauses.left_s("a.example", 100) == 20
    assert pauses.left_s("b.example", 100) == 0
    pauses.accepted("a.example")
    assert pauses.left_s("a.example", 100) == 0
    assert pauses.deferred("a.example", 100) == 0

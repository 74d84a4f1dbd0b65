"""Replies of mail servers (RFC 5321, RFC 3463), and what they mean for the e-mail and for those after it. Pure.

A server's limit on its sender comes at any step and in many spellings, often as a permanent error. It says nothing
about the recipient: taken at its word, it would fail every e-mail of the evening.
"""

from __future__ import annotations

import enum
import re


class Step(enum.Enum):
    """The command that was replied to."""

    CONNECT = "connecting"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"


class Meaning(enum.Enum):
    """What a refusal is about, and so what is done."""

    REJECTED = "this e-mail, for good"
    DEFERRED = "this e-mail, now"
    QUOTA = "the sender's quota: no e-mail can be sent for a long while"
    UNAVAILABLE = "the server or its client: no e-mail can be sent now"


_OF_CLIENT = frozenset({421, 530, 534, 535, 538})
"""The server shuts down, or TLS or the login is missing or wrong."""
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_QUOTA_STATUSES = frozenset({"4.5", "1.90"})
"""Routing: a limit (Google); the sender's daily recipients (Microsoft). 2.2 is a full mailbox or a quota."""
_FULL = "2.2"
_QUOTA_WORDS = re.compile(
    r"SubmissionQuotaExceeded|OutboundSpamException"
    r"|(sending|sender|submission|outgoing|outbound|daily|hourly|user|account|message|rate|recipient)s?\b[\s\w]{0,40}?"
    r"\b(quota|limit|rate)s?\b[\s\w]{0,20}?\b(exceed|reach|hit)"
    r"|exceed\w*[\s\w]{0,40}?\b(quota|limit|rate)s?\b|too many (messages|mails|e-?mails|recipients)",
    re.IGNORECASE,
)
_OF_RECIPIENT = re.compile(
    r"\b(recipient(?!s)|mailbox|inbox|receiv\w+|over ?quota|storage|disk|trying to (contact|reach))\b",
    re.IGNORECASE,
)


def meaning(step: Step, code: int, text: str) -> Meaning:
    """The meaning of a refusal. `text` is the reply without its code; it may have several lines."""
    if _is_quota(step, code, text):
        return Meaning.QUOTA
    status = _status(text)
    if step is Step.CONNECT or code in _OF_CLIENT or code < 400:
        return Meaning.UNAVAILABLE
    if code < 500:
        # The sender's address is the same in every e-mail, but a size is not.
        return Meaning.UNAVAILABLE if step is Step.MAIL and code != 452 else Meaning.DEFERRED
    if code == 552 and status == _FULL:
        return Meaning.DEFERRED  # a full mailbox may be emptied
    if step is Step.MAIL and code != 552:
        return Meaning.UNAVAILABLE
    return Meaning.REJECTED


def _is_quota(step: Step, code: int, text: str) -> bool:
    if code < 400 or code in _OF_CLIENT - {421}:
        return False
    status = _status(text)
    if status in _QUOTA_STATUSES and code != 421:
        return True
    if status == _FULL and step is Step.MAIL:
        return True
    of_recipient = _OF_RECIPIENT.search(text) is not None and "SubmissionQuota" not in text
    if of_recipient:
        return False
    return (status == _FULL and code >= 500) or _QUOTA_WORDS.search(text) is not None


def _status(text: str) -> str:
    """Subject and detail of the enhanced status code, such as `4.5` of `5.4.5`; empty if there is none."""
    found = _STATUS.match(text.lstrip())
    return "" if found is None else f"{int(found[2])}.{int(found[3])}"


def advice(step: Step, code: int, text: str) -> str:
    """What the venue can change about a server that takes no e-mail, or nothing."""
    words = text.lower()
    if "certificate" in words:
        return (
            "trust the certificate by the environment variable SSL_CERT_FILE, or write the name it is for into "
            "AISLE_SMTP_URL"
        )
    if "ehlo" in words or "helo" in words:
        return "put a host name that this server accepts into AISLE_SMTP_URL: ?ehlo=host.venue.example"
    if "starttls" in words or "tls" in words.replace("must login", "") or "ssl" in words:
        if code in (454, 500, 501, 502) or "not supported" in words:
            return (
                "AISLE_SMTP_URL with smtps:// uses TLS from the start; ?starttls=off goes without it, for a server "
                "in your own network only"
            )
        return "AISLE_SMTP_URL with ?starttls=required, or with smtps://, uses TLS"
    if code in (530, 534, 535, 538) or "auth" in words or "log in" in words or "login" in words:
        return "the login is the user:password@ of AISLE_SMTP_URL"
    if step is Step.MAIL:
        return "AISLE_MAIL_FROM is to be an address that this server sends for"
    if not code:
        return "AISLE_SMTP_URL names the server and its port"
    return ""

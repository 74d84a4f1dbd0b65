"""The e-mails that the embedded mail server has stored, one file each.

The id of an e-mail is its file name: milliseconds and 8 hex digits, so that ids sort by time. No other text is used in
a path.
"""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import msgspec

from schemas.api import timestamp

ID = re.compile(r"(\d{13})-[0-9a-f]{8}\Z")

_HEADER_BYTES = 16 * 1024
_SEARCHED_BYTES = 32 * 1024
PDF = "application/pdf"
_parser = BytesParser(policy=default)


class EmailSummary(msgspec.Struct, frozen=True):
    """An e-mail in the list. `at` is its time of arrival."""

    id: str
    at: str
    sender: str = msgspec.field(name="from")
    to: str
    subject: str
    url: str


class StoredAttachment(msgspec.Struct, frozen=True):
    """An attachment. `size` is in bytes."""

    name: str
    content_type: str
    size: int
    url: str
    view_url: str | None
    """Of a PDF: shows it in the browser."""


class StoredEmail(msgspec.Struct, frozen=True):
    """A whole e-mail."""

    id: str
    at: str
    sender: str = msgspec.field(name="from")
    to: str
    subject: str
    message_id: str
    url: str
    raw_url: str
    text: str
    html: str
    attachments: list[StoredAttachment]


class EmailsPage(msgspec.Struct, frozen=True):
    """E-mails, newest first."""

    items: list[EmailSummary]
    next_cursor: str | None


class StoredEmails:
    """Reads the folder. The methods block, so call them in a thread. A file deleted meanwhile counts as missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def page(self, limit: int, before: str | None, to: str | None, search: str | None = None) -> EmailsPage:
        """The newest e-mails older than the id `before`, those to one address if `to` is given.

        `search`: words that all occur in the subject, an address or the beginning of the text, regardless of case.
        """
        words = (search or "").casefold().split()
        found: list[EmailSummary] = []
        for email_id in self._ids():
            if before is not None and email_id >= before:
                continue
            if (summary := self._summary(email_id)) is None:
                continue
            if to is not None and to.lower() not in summary.to.lower():
                continue
            if words and not all(word in self._searched(email_id, summary) for word in words):
                continue
            if len(found) == limit:
                return EmailsPage(found, found[-1].id)
            found.append(summary)
        return EmailsPage(found, None)

    def get(self, email_id: str) -> StoredEmail | None:
        """A whole e-mail; None for an unknown id."""
        if (message := self._message(email_id)) is None:
            return None
        url = f"/inbox/{email_id}"
        return StoredEmail(
            id=email_id,
            at=_at(email_id),
            sender=str(message.get("From", "")),
            to=str(message.get("To", "")),
            subject=str(message.get("Subject", "")),
            message_id=str(message.get("Message-ID", "")),
            url=url,
            raw_url=f"{url}/raw",
            text=_body(message, "plain"),
            html=_body(message, "html"),
            attachments=[
                StoredAttachment(
                    name=part.get_filename() or f"attachment-{number}",
                    content_type=part.get_content_type(),
                    size=len(_content(part)),
                    url=f"{url}/attachments/{number}",
                    view_url=f"{url}/attachments/{number}/view" if part.get_content_type() == PDF else None,
                )
                for number, part in enumerate(message.iter_attachments(), 1)
            ],
        )

    def html(self, email_id: str) -> str | None:
        """The HTML of an e-mail; empty if it has none."""
        message = self._message(email_id)
        return None if message is None else _body(message, "html")

    def attachment(self, email_id: str, number: int) -> tuple[str, str, bytes] | None:
        """An attachment as (name, media type, content). `number` counts from 1."""
        if (message := self._message(email_id)) is None:
            return None
        for count, part in enumerate(message.iter_attachments(), 1):
            if count == number:
                return part.get_filename() or f"attachment-{number}", part.get_content_type(), _content(part)
        return None

    def raw(self, email_id: str) -> bytes | None:
        """An e-mail as the mail server received it."""
        if not ID.match(email_id):
            return None
        try:
            return (self._folder / f"{email_id}.eml").read_bytes()
        except FileNotFoundError:
            return None

    def _ids(self) -> list[str]:
        try:
            names = [
                path.name.removesuffix(".eml") for path in self._folder.iterdir() if path.suffix == ".eml"
            ]
        except FileNotFoundError:  # no notifier has run yet
            return []
        return sorted((name for name in names if ID.match(name)), reverse=True)

    def _summary(self, email_id: str) -> EmailSummary | None:
        try:
            with (self._folder / f"{email_id}.eml").open("rb") as file:
                start = file.read(_HEADER_BYTES)
        except FileNotFoundError:
            return None
        message = _parser.parsebytes(start, headersonly=True)
        return EmailSummary(
            id=email_id,
            at=_at(email_id),
            sender=str(message.get("From", "")),
            to=str(message.get("To", "")),
            subject=str(message.get("Subject", "")),
            url=f"/inbox/{email_id}",
        )

    def _searched(self, email_id: str, summary: EmailSummary) -> str:
        """What of an e-mail is searched: its text comes first, before its HTML and its files."""
        try:
            with (self._folder / f"{email_id}.eml").open("rb") as file:
                message = _parser.parsebytes(file.read(_SEARCHED_BYTES))
            text = _body(message, "plain")
        except (FileNotFoundError, LookupError, ValueError):
            text = ""
        return "\n".join((summary.subject, summary.to, summary.sender, text)).casefold()

    def _message(self, email_id: str) -> EmailMessage | None:
        raw = self.raw(email_id)
        return None if raw is None else _parser.parsebytes(raw)


def _at(email_id: str) -> str:
    return timestamp(int(email_id[:13]))


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


def _content(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""

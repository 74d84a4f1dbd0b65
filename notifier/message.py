"""MIME messages (RFC 5322): addresses, headers, text, HTML and files. Pure: the time is an argument."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

import msgspec

from notifier.mailbox_header import MailboxHeader
from notifier.mime import Attachment, assemble
from notifier.rendering import Email
from notifier.text_header import TextHeader
from runtime.addresses.email_address import ascii_domain as ascii_domain_of
from runtime.addresses.sender_address import split_sender
from tickets.formats import one_line

__all__ = ["Attachment", "BadAddress", "Mailbox", "compose", "mailbox", "message_id", "parse_mailbox"]

_LINE_LENGTH = 76


class BadAddress(ValueError):
    """An address that is not valid for SMTP."""


class Mailbox(msgspec.Struct, frozen=True):
    """A name and an address. The domain is in ASCII; the part before the `@` may be in any script."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def mailbox(name: str, address: str) -> Mailbox:
    """The mailbox for a name and an address. Raises BadAddress."""
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or any(c.isspace() or not c.isprintable() for c in address):
        raise BadAddress(f"{address[:80]!r} is not an e-mail address")
    try:
        ascii_domain = domain if domain.isascii() else ascii_domain_of(domain)
        Address(addr_spec=f"{local if local.isascii() else 'x'}@{ascii_domain}")
    except (ValueError, IndexError, MessageError) as error:
        raise BadAddress(f"{address[:80]!r} is not an e-mail address: {error}") from None
    return Mailbox(one_line(name), f"{local}@{ascii_domain}")


def parse_mailbox(text: str) -> Mailbox:
    """The mailbox in `Venue <tickets@venue.example>`. Raises BadAddress."""
    try:
        name, address = split_sender(text)
    except ValueError as error:
        raise BadAddress(str(error)) from None
    return mailbox(name, address)


def message_id(event_id: str, kind: str, origin: str, domain: str) -> str:
    """The Message-ID of a delivery. All attempts share it, so that a repeat can be recognised.

    `origin` tells installations apart, since a new one counts its events from the start again. It is the same after
    the database was restored from a backup.
    """
    seed = f"{event_id}\0{kind}\0{origin}".encode()
    return (
        f"<{kind.replace('_', '-')}.{event_id}.{hashlib.blake2b(seed, digest_size=9).hexdigest()}@{domain}>"
    )


def compose(
    email: Email,
    *,
    sender: Mailbox,
    to: Mailbox,
    message_id: str,
    date: datetime,
    attachments: Sequence[Attachment] = (),
    reply_to: Mailbox | None = None,
) -> bytes:
    """The message as bytes for SMTP. No text in it can inject a header."""
    boxes = [sender, to] if reply_to is None else [sender, to, reply_to]
    in_ascii = all(box.address.isascii() for box in boxes)
    message = EmailMessage((SMTP if in_ascii else SMTPUTF8).clone(max_line_length=_LINE_LENGTH))
    message["From"] = _header("From", sender)
    message["To"] = _header("To", to)
    if reply_to is not None:
        message["Reply-To"] = _header("Reply-To", reply_to)
    message["Subject"] = TextHeader.of("Subject", one_line(email.subject))
    message["Date"] = format_datetime(date)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    if email.one_click:
        message["List-Unsubscribe"] = f"<{email.one_click}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    # The last line is blank: it ends the headers.
    head = message.as_bytes().rstrip(b"\r\n") + b"\r\n"
    return assemble(head, email.text, email.html, attachments, message_id)


def _header(name: str, mailbox: Mailbox) -> Address | MailboxHeader:
    if not mailbox.name.isascii():
        return MailboxHeader.of(name, mailbox.name, mailbox.address)
    local, _, domain = mailbox.address.rpartition("@")
    if local.isascii():
        return Address(display_name=mailbox.name, addr_spec=mailbox.address)
    return Address(display_name=mailbox.name, username=local, domain=domain)

"""Composition of messages: reads the facts of a delivery, fills in its template, attaches the tickets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from notifier import emails, message
from notifier.deliveries import PASSWORD_RESET_S, Delivery
from notifier.facts import Facts, Recipient
from notifier.message import Attachment, Mailbox
from schemas.events import BookingCancelled, BookingConfirmed
from tickets.design import Design
from tickets.pdf import file_name, render_ticket
from tickets.ticket import ticket_of
from tickets.tokens import TicketSigner

T = TypeVar("T")

_decode_event = msgspec.json.Decoder(BookingConfirmed | BookingCancelled).decode


class _LinkData(msgspec.Struct):
    """Payload of a message about an account. A welcome of an earlier release has no token."""

    token: str | None = None


_decode_link = msgspec.json.Decoder(_LinkData).decode


class UnknownKind(Exception):
    """A delivery of a kind that this release cannot compose. It is deferred, for a notifier of a later release."""


class DeliverySkipped(Exception):
    """A delivery that has become pointless; the message is the reason."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message and the address it goes to."""

    to: str
    message: bytes


class Composer:
    """Composes messages, one at a time, in a thread of its own, since rendering a PDF would block the event loop."""

    def __init__(
        self,
        facts: Facts,
        sender: Mailbox,
        public_url: str,
        log_identity: str,
        signer: TicketSigner,
        design: Design,
    ) -> None:
        self._facts = facts
        self._signer = signer
        self._design = design
        self._sender = sender
        self._public_url = public_url
        self._log_identity = log_identity
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="composer")

    async def compose(self, delivery: Delivery) -> Outgoing:
        """The message of a delivery.

        Raises DeliverySkipped, UnknownKind or BadAddress; any other exception is a fault of this program.
        """
        if delivery.kind == emails.PASSWORD_RESET and delivery.age_s > PASSWORD_RESET_S:
            raise DeliverySkipped("the link has expired")
        recipient = await self._facts.recipient(delivery.user_id)
        if recipient is None:
            raise DeliverySkipped("the account was deleted")
        match delivery.kind:
            case emails.BOOKING_CONFIRMED | emails.BOOKING_CANCELLED:
                return await self._about_booking(delivery, recipient)
            case emails.WELCOME:
                # Sent even if the link has been used in the meantime.
                token = _decode_link(delivery.payload).token
                content = emails.welcome(token, recipient, self._public_url)
            case emails.PASSWORD_RESET:
                token = _token(delivery)
                content = emails.password_reset(token, recipient, self._public_url)
            case emails.EMAIL_CONFIRMATION | emails.EMAIL_UNDO:
                token = _token(delivery)
                recipient = await self._link_recipient(recipient, delivery.kind, token)
                template = (
                    emails.email_undo if delivery.kind == emails.EMAIL_UNDO else emails.email_confirmation
                )
                content = template(token, recipient, self._public_url)
            case _:
                raise UnknownKind(f"this release has no e-mail of the kind {delivery.kind!r}")
        return await self._in_thread(lambda: self._addressed(delivery, content, recipient))

    async def _link_recipient(self, account: Recipient, kind: str, token: str) -> Recipient:
        """The account's owner, at the address that the link is for. It may differ from the account's address."""
        email = await self._facts.link_email(kind, token)
        if email is None:
            raise DeliverySkipped("the link was used, was replaced or has expired")
        return msgspec.structs.replace(account, email=email)

    async def _about_booking(self, delivery: Delivery, recipient: Recipient) -> Outgoing:
        event = _decode_event(delivery.payload)
        show = await self._facts.show(event.booking.show_id)
        places = (await self._facts.places(show.layout_id)).of(event.booking.seats)

        def write() -> Outgoing:
            if isinstance(event, BookingCancelled):
                content = emails.cancellation(event.booking, show, places, recipient, self._public_url)
                return self._addressed(delivery, content, recipient)
            ticket = ticket_of(
                event.booking,
                places,
                self._signer,
                title=show.title,
                screen=show.screen,
                starts_at=show.starts_at,
                duration_minutes=show.duration_minutes,
                holder=recipient.name,
                language=recipient.language,
            )
            content = emails.confirmation(event.booking, show, places, recipient, self._public_url)
            pdf = Attachment(file_name(ticket), "application/pdf", render_ticket(ticket, self._design))
            return self._addressed(delivery, content, recipient, pdf)

        return await self._in_thread(write)

    def _addressed(
        self,
        delivery: Delivery,
        content: emails.Email,
        recipient: Recipient,
        attachment: Attachment | None = None,
    ) -> Outgoing:
        to = message.mailbox(recipient.name, recipient.email)
        return Outgoing(
            to.address,
            message.compose(
                content,
                sender=self._sender,
                to=to,
                message_id=message.message_id(
                    delivery.event_id, delivery.kind, self._origin(delivery), self._sender.domain
                ),
                date=datetime.now(UTC),
                attachment=attachment,
            ),
        )

    def _origin(self, delivery: Delivery) -> str:
        """The log of an event; the time of a requested message, which no log has."""
        return self._log_identity if delivery.is_of_log else delivery.created_at.isoformat()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Waits for the message that is being composed, if any."""
        self._thread.shutdown()


def _token(delivery: Delivery) -> str:
    token = _decode_link(delivery.payload).token
    if token is None:
        raise ValueError("the payload has no token")
    return token

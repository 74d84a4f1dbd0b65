"""From a delivery to the message that is sent: reads the facts, writes the letter, adds the tickets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from notifier import letters, message
from notifier.deliveries import PASSWORD_RESET_S, Delivery
from notifier.facts import Facts, Recipient
from notifier.message import Attachment, Mailbox
from schemas.events import BookingCancelled, BookingConfirmed
from tickets.pdf import file_name, render_ticket
from tickets.ticket import ticket_of

T = TypeVar("T")

_decode_event = msgspec.json.Decoder(BookingConfirmed | BookingCancelled).decode


class _LinkData(msgspec.Struct):
    """What a message about an account carries; a welcome of an earlier release has no link."""

    token: str | None = None


_decode_link = msgspec.json.Decoder(_LinkData).decode


class UnknownKind(Exception):
    """A delivery of a kind that this release does not write: put off, for a notifier of a later one."""


class NotWanted(Exception):
    """A letter that there is no use in sending; the message says why."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message and the address it goes to."""

    to: str
    message: bytes


class Composer:
    """Writes messages, one at a time, in a thread of its own: a PDF takes CPU, and the loop has better to do."""

    def __init__(self, facts: Facts, sender: Mailbox, public_url: str) -> None:
        self._facts = facts
        self._sender = sender
        self._public_url = public_url
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="letters")

    async def compose(self, delivery: Delivery) -> Outgoing:
        """The message of a delivery. Raises NotWanted, BadAddress, or whatever shows a fault of ours."""
        if delivery.kind == letters.PASSWORD_RESET and delivery.age_s > PASSWORD_RESET_S:
            raise NotWanted("the link in it is too old")
        recipient = await self._facts.recipient(delivery.user_id)
        if recipient is None:
            raise NotWanted("the account is forgotten")
        match delivery.kind:
            case letters.BOOKING_CONFIRMED | letters.BOOKING_CANCELLED:
                return await self._about_booking(delivery, recipient)
            case letters.WELCOME:
                # It goes out whether or not the link has been used meanwhile.
                token = _decode_link(delivery.payload).token
                letter = letters.welcome(token, recipient, self._public_url)
            case letters.PASSWORD_RESET:
                token = _token(delivery)
                letter = letters.password_reset(token, recipient, self._public_url)
            case letters.EMAIL_CONFIRMATION | letters.EMAIL_UNDO:
                token = _token(delivery)
                recipient = await self._link_recipient(recipient, delivery.kind, token)
                write = (
                    letters.email_undo if delivery.kind == letters.EMAIL_UNDO else letters.email_confirmation
                )
                letter = write(token, recipient, self._public_url)
            case _:
                raise UnknownKind(f"this release writes no letter of the kind {delivery.kind!r}")
        return await self._in_thread(lambda: self._address(delivery, letter, recipient))

    async def _link_recipient(self, account: Recipient, kind: str, token: str) -> Recipient:
        """The account's owner at the address that a link is for, which need not be the account's."""
        email = await self._facts.link_email(kind, token)
        if email is None:
            raise NotWanted("the link in it was used, replaced, or is too old")
        return msgspec.structs.replace(account, email=email)

    async def _about_booking(self, delivery: Delivery, recipient: Recipient) -> Outgoing:
        event = _decode_event(delivery.payload)
        show = await self._facts.show(event.booking.show_id)
        places = await self._facts.places(show.layout_id)

        def write() -> Outgoing:
            if isinstance(event, BookingCancelled):
                letter = letters.cancellation(event.booking, show, places, recipient, self._public_url)
                return self._address(delivery, letter, recipient)
            ticket = ticket_of(
                event.booking,
                places,
                title=show.title,
                screen=show.screen,
                starts_at=show.starts_at,
                duration_minutes=show.duration_minutes,
                holder=recipient.name,
                language=recipient.language,
            )
            letter = letters.confirmation(event.booking, show, places, recipient, self._public_url)
            pdf = Attachment(file_name(ticket), "application/pdf", render_ticket(ticket))
            return self._address(delivery, letter, recipient, pdf)

        return await self._in_thread(write)

    def _address(
        self,
        delivery: Delivery,
        letter: letters.Letter,
        recipient: Recipient,
        attachment: Attachment | None = None,
    ) -> Outgoing:
        to = message.mailbox(recipient.name, recipient.email)
        return Outgoing(
            to.address,
            message.compose(
                letter,
                sender=self._sender,
                to=to,
                message_id=message.message_id(
                    delivery.event_id, delivery.kind, delivery.created_at, self._sender.domain
                ),
                date=datetime.now(UTC),
                attachment=attachment,
            ),
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Waits for the message that is being written, if any."""
        self._thread.shutdown()


def _token(delivery: Delivery) -> str:
    token = _decode_link(delivery.payload).token
    if token is None:
        raise ValueError("there is no link in it")
    return token

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


class _ResetData(msgspec.Struct):
    token: str


_decode_reset = msgspec.json.Decoder(_ResetData).decode


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
                return await self._in_thread(
                    lambda: self._address(delivery, letters.welcome(recipient, self._public_url), recipient)
                )
            case letters.PASSWORD_RESET:
                token = _decode_reset(delivery.payload).token
                letter = letters.password_reset(token, recipient, self._public_url)
                return await self._in_thread(lambda: self._address(delivery, letter, recipient))
            case _:
                raise UnknownKind(f"this release writes no letter of the kind {delivery.kind!r}")

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

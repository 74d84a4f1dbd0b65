"""Composition of messages: reads the facts of a delivery, writes its e-mail, attaches the tickets.

It reads what is true now, so that an e-mail that was delayed for a day says nothing outdated; one that has become
pointless meanwhile is skipped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from notifier import emails, kinds, message, staff_emails
from notifier.attachments import calendar_file
from notifier.deliveries import PASSWORD_RESET_S, Delivery
from notifier.email_parts import About, Content
from notifier.facts import Facts, Recipient
from notifier.message import Attachment, Mailbox
from notifier.rendering import render
from notifier.unsubscribing import Unsubscribing
from schemas.events import Booking, BookingCancelled, BookingChanged, BookingConfirmed, BookingStatus
from tickets.pdf import file_name, render_ticket
from tickets.ticket import ticket_of

T = TypeVar("T")
_OF_LOG = re.compile(r"\d+-\d+-\d+")
"""Begins the id of an event of the log; others are those of requests and notices."""
Files = Callable[[], tuple[Attachment, ...]]

_decode_event = msgspec.json.Decoder(BookingConfirmed | BookingCancelled | BookingChanged).decode
_decode_link = msgspec.json.Decoder(kinds.LinkData).decode
_decode_booking = msgspec.json.Decoder(kinds.BookingData).decode
_decode_reminder = msgspec.json.Decoder(kinds.ReminderData).decode
_decode_show_change = msgspec.json.Decoder(kinds.ShowChangeData).decode
_decode_show = msgspec.json.Decoder(kinds.ShowData).decode
_decode_summary = msgspec.json.Decoder(kinds.SummaryData).decode


class UnknownKind(Exception):
    """A delivery of a kind that this release cannot compose. It is deferred, for a notifier of a later release."""


class DeliverySkipped(Exception):
    """A delivery that has become pointless; the message is the reason."""


class Outgoing(msgspec.Struct, frozen=True):
    """A message and the address it goes to."""

    to: str
    message: bytes


class _Draft(msgspec.Struct, frozen=True):
    """An e-mail before it is rendered. `files` makes the attachments, which takes a while."""

    to: Recipient
    content: Content
    files: Files = tuple


class Composer:
    """Composes messages, one at a time, in a thread of its own, since rendering a PDF would block the event loop."""

    def __init__(
        self,
        facts: Facts,
        sender: Mailbox,
        public_url: str,
        log_identity: str,
        *,
        reply_to: Mailbox | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._facts = facts
        self._sender = sender
        self._reply_to = reply_to
        self._public_url = public_url
        self._log_identity = log_identity
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="composer")

    async def compose(self, delivery: Delivery) -> Outgoing:
        """The message of a delivery.

        Raises DeliverySkipped, UnknownKind or BadAddress; any other exception is a fault of this program.
        """
        draft = await self._draft(delivery)
        return await self._in_thread(
            lambda: self._outgoing(delivery, delivery.kind, draft.to, draft.content, draft.files())
        )

    async def compose_merged(self, deliveries: Sequence[Delivery]) -> Outgoing:
        """One message for several deliveries to the same account, oldest first, under the Message-ID of the first.

        What has become pointless is left out. None of them is of a kind in UNMERGED. Raises as `compose`;
        DeliverySkipped if all have become pointless.
        """
        drafts = []
        for delivery in deliveries:
            try:
                drafts.append(await self._draft(delivery))
            except DeliverySkipped:
                continue
        if not drafts:
            raise DeliverySkipped("all of these have become pointless")
        to = drafts[-1].to
        content = emails.digest([draft.content for draft in drafts], to, self._public_url)

        def write() -> Outgoing:
            files = {file.name: file for draft in drafts for file in draft.files()}
            return self._outgoing(deliveries[0], kinds.DIGEST, to, content, tuple(files.values()))

        return await self._in_thread(write)

    async def _draft(self, delivery: Delivery) -> _Draft:
        if delivery.kind == kinds.PASSWORD_RESET and delivery.age_s > PASSWORD_RESET_S:
            raise DeliverySkipped("the link has expired")
        to = await self._facts.recipient(delivery.user_id)
        if to is None:
            raise DeliverySkipped("the account was deleted")
        if (delivery.kind in kinds.REMINDERS and not to.reminders) or (
            delivery.kind in kinds.SUMMARIES and not to.summaries
        ):
            raise DeliverySkipped("the account does not want such e-mails")
        match delivery.kind:
            case kinds.BOOKING_CONFIRMED | kinds.BOOKING_CANCELLED | kinds.BOOKING_CHANGED:
                return await self._of_event(delivery, to)
            case kinds.SHOW_CHANGED:
                return await self._show_changed(delivery, to)
            case kinds.REMINDER:
                return await self._reminder(delivery, to)
            case kinds.TICKETS_AGAIN:
                about = await self._confirmed(_decode_booking(delivery.payload).booking_id, to)
                content = emails.tickets_again(about, to, self._public_url)
                return _Draft(to, content, self._tickets(about, to, about.show.version))
            case kinds.STAFF_SOLD_OUT | kinds.STAFF_FEW_LEFT | kinds.STAFF_DAILY_SUMMARY:
                return await self._to_staff(delivery, to)
            case _:
                return await self._about_account(delivery, to)

    async def _about_account(self, delivery: Delivery, to: Recipient) -> _Draft:
        if delivery.kind not in kinds.UNMERGED:
            raise UnknownKind(f"this release has no e-mail of the kind {delivery.kind!r}")
        token = _decode_link(delivery.payload).token
        if delivery.kind == kinds.WELCOME:
            # Sent even if the link has been used in the meantime.
            return _Draft(to, emails.welcome(token, to, self._public_url))
        if token is None:
            raise ValueError("the payload has no token")
        if delivery.kind == kinds.PASSWORD_RESET:
            return _Draft(to, emails.password_reset(token, to, self._public_url))
        email = await self._facts.link_email(delivery.kind, token)
        if email is None:
            raise DeliverySkipped("the link was used, was replaced or has expired")
        # The address may differ from the account's, and is maybe somebody else's.
        to = msgspec.structs.replace(to, email=email, name="", confirmed=False)
        template = emails.email_undo if delivery.kind == kinds.EMAIL_UNDO else emails.email_confirmation
        return _Draft(to, template(token, to, self._public_url))

    async def _of_event(self, delivery: Delivery, to: Recipient) -> _Draft:
        event = _decode_event(delivery.payload)
        booking = event.booking
        if isinstance(event, BookingCancelled):
            return await self._cancelled(booking, delivery, to)
        # Tickets are those of the booking as it is now: others would not open the door.
        now = await self._facts.booking(booking.booking_id)
        if now is not None and now.status is not BookingStatus.CONFIRMED:
            raise DeliverySkipped("the booking was cancelled before this e-mail was sent")
        booking = now or booking
        if isinstance(event, BookingConfirmed):
            about = await self._about(booking)
            content = emails.confirmation(about, to, self._public_url)
        else:
            about = await self._about(booking, event.old_seats)
            old = emails.OldSeats(event.old_seats, event.old_total)
            content = emails.seats_changed(about, old, to, self._public_url)
        return _Draft(to, content, self._tickets(about, to, _offset(delivery.event_id)))

    async def _cancelled(self, booking: Booking, delivery: Delivery, to: Recipient) -> _Draft:
        about = await self._about(booking)
        by_venue = about.show.cancelled and await self._facts.cancelled_with_show(delivery.event_id)
        content = emails.cancellation(about, to, self._public_url, by_venue=by_venue)
        files = self._calendar(about, to, _offset(delivery.event_id), cancelled=True)
        return _Draft(to, content, files)

    async def _show_changed(self, delivery: Delivery, to: Recipient) -> _Draft:
        data = _decode_show_change(delivery.payload)
        about = await self._confirmed(data.booking_id, to)
        starts_at = self._facts.in_zone(
            datetime.fromtimestamp(data.old_starts_ms / 1000, UTC), data.old_timezone
        )
        old = emails.OldShow(starts_at, data.old_screen)
        same_time = (starts_at, starts_at.utcoffset()) == (
            about.show.starts_at,
            about.show.starts_at.utcoffset(),
        )
        if same_time and data.old_screen == about.show.screen:
            raise DeliverySkipped("the show is again as it was")
        content = emails.show_changed(about, old, to, self._public_url)
        return _Draft(to, content, self._tickets(about, to, data.version))

    async def _reminder(self, delivery: Delivery, to: Recipient) -> _Draft:
        data = _decode_reminder(delivery.payload)
        about = await self._confirmed(data.booking_id, to)
        now = self._clock()
        if about.show.starts_at <= now:
            raise DeliverySkipped("the show has started")
        if round(about.show.starts_at.timestamp() * 1000) != data.starts_ms:
            raise DeliverySkipped("the show starts at another time")
        unsubscribing = await self._unsubscribing()
        return _Draft(to, emails.reminder(about, to, self._public_url, unsubscribing, now))

    async def _to_staff(self, delivery: Delivery, to: Recipient) -> _Draft:
        unsubscribing = await self._unsubscribing()
        if delivery.kind == kinds.STAFF_DAILY_SUMMARY:
            summary = await self._facts.summary(_decode_summary(delivery.payload).day)
            content = staff_emails.daily_summary(summary, to, self._public_url, unsubscribing)
            return _Draft(to, content)
        show = await self._facts.show(_decode_show(delivery.payload).show_id)
        if show.cancelled or show.starts_at <= self._clock():
            raise DeliverySkipped("the show is cancelled or has started")
        template = staff_emails.sold_out if delivery.kind == kinds.STAFF_SOLD_OUT else staff_emails.few_left
        return _Draft(to, template(show, to, self._public_url, unsubscribing))

    async def _confirmed(self, booking_id: UUID, to: Recipient) -> About:
        """A booking as it is now. Raises DeliverySkipped unless it is confirmed and this account's."""
        booking = await self._facts.booking(booking_id)
        if booking is None or booking.status is not BookingStatus.CONFIRMED:
            raise DeliverySkipped("the booking is not confirmed any more")
        if booking.user_id != to.user_id:
            raise DeliverySkipped("the booking is another account's")
        about = await self._about(booking)
        if about.show.cancelled:
            raise DeliverySkipped("the show is cancelled")
        return about

    async def _about(self, booking: Booking, more_seats: Sequence[str] = ()) -> About:
        show = await self._facts.show(booking.show_id)
        places = await self._facts.places(show.layout_id)
        return About(booking, show, places.of({*booking.seats, *more_seats}))

    async def _unsubscribing(self) -> Unsubscribing:
        return Unsubscribing(await self._facts.unsubscribe_key(), self._public_url)

    def _calendar(self, about: About, to: Recipient, sequence: int, *, cancelled: bool) -> Files:
        made_at = self._clock()
        return lambda: (
            calendar_file(
                about,
                to,
                organizer=self._reply_to or self._sender,
                public_url=self._public_url,
                made_at=made_at,
                sequence=sequence,
                cancelled=cancelled,
            ),
        )

    def _tickets(self, about: About, to: Recipient, sequence: int) -> Files:
        calendar = self._calendar(about, to, sequence, cancelled=False)

        def files() -> tuple[Attachment, ...]:
            ticket = ticket_of(
                about.booking,
                about.places,
                title=about.show.title,
                screen=about.show.screen,
                starts_at=about.show.starts_at,
                duration_minutes=about.show.duration_minutes,
                holder=to.name if to.confirmed else "",
                language=to.language,
            )
            return Attachment(file_name(ticket), "application/pdf", render_ticket(ticket)), *calendar()

        return files

    def _outgoing(
        self,
        delivery: Delivery,
        kind: str,
        recipient: Recipient,
        content: Content,
        attachments: tuple[Attachment, ...],
    ) -> Outgoing:
        to = message.mailbox(recipient.name if recipient.confirmed else "", recipient.email)
        return Outgoing(
            to.address,
            message.compose(
                render(content),
                sender=self._sender,
                to=to,
                message_id=message.message_id(
                    delivery.event_id, kind, self._origin(delivery), self._sender.domain
                ),
                date=self._clock(),
                attachments=attachments,
                reply_to=self._reply_to,
            ),
        )

    def _origin(self, delivery: Delivery) -> str:
        """The log of an event; the time of a requested message, which no log has."""
        return self._log_identity if _OF_LOG.match(delivery.event_id) else delivery.created_at.isoformat()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Waits for the message that is being composed, if any."""
        self._thread.shutdown()


def _offset(event_id: str) -> int:
    """The offset in the log of an event's decision, which grows from one event of a booking to the next."""
    return int(event_id.split("-", 2)[1])

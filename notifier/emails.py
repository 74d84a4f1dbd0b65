"""Content of the e-mails to customers, made from an event and its facts. Pure.

All kinds share one template for HTML and one for plain text; their texts are in the catalogues of `languages`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from notifier import email_parts as parts
from notifier import site_links as links
from notifier.email_parts import About, Content, Fact, Section
from notifier.facts import Recipient
from notifier.reservation_data import reservation
from notifier.unsubscribing import Unsubscribing
from tickets import formats


class OldSeats(msgspec.Struct, frozen=True):
    """The seats that a booking had. Their places are in those of the booking."""

    seats: tuple[str, ...]
    total: int


class OldShow(msgspec.Struct, frozen=True):
    """The start and the screen that a show had."""

    starts_at: datetime
    screen: str


def confirmation(about: About, to: Recipient, public_url: str) -> Content:
    """The e-mail that the tickets are attached to."""
    said = parts.words_of(to)
    _ = said.gettext
    section = Section(
        lead=_(
            "Your booking is confirmed. Your tickets are attached as a PDF, one for each seat. "
            "Show them at the door, on paper or on your phone."
        ),
        card=parts.card(about.show, said),
        facts=parts.booking_facts(about, said),
        button=_("Your booking"),
        link=links.booking(public_url, about.booking.booking_id),
        closing=_(
            "Plans changed? You can cancel your booking until the show starts, "
            "so that somebody else can have the seats."
        ),
    )
    subject = _("Your tickets: {title}, {day}, {hour}", **parts.in_subject(about.show, said))
    return _about(about, to, public_url, subject, _("See you at the show"), section)


def tickets_again(about: About, to: Recipient, public_url: str) -> Content:
    """The tickets of a booking as it is now, sent once more."""
    said = parts.words_of(to)
    _ = said.gettext
    section = Section(
        lead=_(
            "Here are your tickets again, attached as a PDF. They are valid as they are, however often they come."
        ),
        card=parts.card(about.show, said),
        facts=parts.booking_facts(about, said),
        button=_("Your booking"),
        link=links.booking(public_url, about.booking.booking_id),
        closing=_("Whoever has these tickets can use them: pass them on only to people who come with you."),
    )
    subject = _("Your tickets once more: {title}, {day}, {hour}", **parts.in_subject(about.show, said))
    return _about(about, to, public_url, subject, _("Your tickets, once more"), section)


def cancellation(about: About, to: Recipient, public_url: str, *, by_venue: bool) -> Content:
    """The e-mail after a cancellation. `by_venue`: the whole show was cancelled."""
    said = parts.words_of(to)
    _ = said.gettext
    if by_venue:
        subject = _("Called off: {title}, {day}, {hour}", **parts.in_subject(about.show, said))
        heading = _("The show has been called off")
        lead = _(
            "We are sorry: this show will not take place, so your booking has been cancelled. "
            "Your tickets are no longer valid."
        )
        closing = _("If you have any questions, please get in touch with the venue.")
    else:
        subject = _("Cancelled: {title}, {day}, {hour}", **parts.in_subject(about.show, said))
        heading = _("Your booking is cancelled")
        lead = _(
            "Your booking has been cancelled and your seats have been released. Your tickets are no longer valid."
        )
        closing = _("If you did not cancel this booking, please get in touch with the venue.")
    section = Section(
        lead=lead,
        card=parts.card(about.show, said),
        facts=parts.booking_facts(about, said),
        button=_("See what is on"),
        link=links.home(public_url),
        closing=closing,
    )
    return _about(about, to, public_url, subject, heading, section, cancelled=True)


def seats_changed(about: About, old: OldSeats, to: Recipient, public_url: str) -> Content:
    """The e-mail after a change of seats, with the new tickets."""
    said = parts.words_of(to)
    _ = said.gettext
    booking = about.booking
    seats, total, number = parts.booking_facts(about, said)
    before = parts.written_total(old.total, booking.currency, said)
    facts = (
        Fact(seats.name, seats.lines, parts.seat_lines(old.seats, about.places, said)),
        Fact(total.name, total.lines, () if old.total == booking.total else (before,)),
        number,
    )
    section = Section(
        lead=_(
            "Your booking has other seats now. Your new tickets are attached; "
            "those of the seats that you had before are no longer valid."
        ),
        card=parts.card(about.show, said),
        facts=facts,
        button=_("Your booking"),
        link=links.booking(public_url, booking.booking_id),
        closing=_("If you did not ask for this change, please get in touch with the venue."),
    )
    subject = _("New seats: {title}, {day}, {hour}", **parts.in_subject(about.show, said))
    return _about(about, to, public_url, subject, _("Your seats have changed"), section)


def show_changed(about: About, old: OldShow, to: Recipient, public_url: str) -> Content:
    """The e-mail to a holder of tickets after the time or the screen of a show changed."""
    said = parts.words_of(to)
    _ = said.gettext
    card = parts.changed_card(about.show, old.starts_at, old.screen, said)
    in_subject = parts.in_subject(about.show, said)
    if card.day_before:
        subject = _("New time: {title}, now {day}, {hour}", **in_subject)
        heading = _("Your show has a new time")
    else:
        subject = _("New screen: {title}, {day}, {hour}", **in_subject)
        heading = _("Your show is on another screen")
    section = Section(
        lead=_(
            "The venue has changed a show that you have tickets for. Your booking and your seats stay as they are."
        ),
        card=card,
        facts=parts.booking_facts(about, said, payment=False),
        button=_("Your booking"),
        link=links.booking(public_url, about.booking.booking_id),
        closing=_(
            "The tickets that you have stay valid; new ones with the new details are attached. "
            "If you cannot come, you can cancel your booking until the show starts."
        ),
    )
    return _about(about, to, public_url, subject, heading, section)


def reminder(
    about: About, to: Recipient, public_url: str, unsubscribing: Unsubscribing, now: datetime
) -> Content:
    """The e-mail before a show."""
    said = parts.words_of(to)
    _ = said.gettext
    in_subject = parts.in_subject(about.show, said)
    starts_at = about.show.starts_at
    if starts_at - now < timedelta(hours=6):
        subject = _("Soon: {title}, {hour}", **in_subject)
        heading = _("Your show starts soon")
    elif starts_at.date() - now.astimezone(starts_at.tzinfo).date() == timedelta(days=1):
        subject = _("Tomorrow: {title}, {hour}", **in_subject)
        heading = _("See you tomorrow")
    else:
        subject = _("Reminder: {title}, {day}, {hour}", **in_subject)
        heading = _("Your show is coming up")
    section = Section(
        lead=_(
            "A reminder of your show. Your tickets are in your booking, and in the e-mail that confirmed it."
        ),
        card=parts.card(about.show, said),
        facts=parts.booking_facts(about, said, payment=False),
        button=_("Open your tickets"),
        link=links.booking(public_url, about.booking.booking_id),
    )
    content = _about(about, to, public_url, subject, heading, section)
    return unsubscribing.applied(content, to, "reminders", _("No more reminders"))


def welcome(token: str | None, to: Recipient, public_url: str) -> Content:
    """The e-mail after signing up, with the link that confirms the address. Earlier releases sent no link."""
    said = parts.words_of(to)
    _ = said.gettext
    ready = _(
        "Your account is ready. Choose a show and your seats, and we will send your tickets to this address."
    )
    ignore = _(
        "If you did not create this account, somebody may have typed your address by mistake. "
        "You can ignore this e-mail."
    )
    if token is None:
        section = Section(lead=ready, button=_("See what is on"), link=links.home(public_url), closing=ignore)
    else:
        section = Section(
            lead=f"{ready} " + _("Please confirm with the button below that it is yours."),
            button=_("Confirm this address"),
            link=links.email_confirmation(public_url, token),
            closing=ignore,
        )
    return _to_account(to, public_url, _("Welcome to Aisle"), _("Welcome"), section)


def email_confirmation(token: str, to: Recipient, public_url: str) -> Content:
    """The e-mail to a new address, with the link that confirms it."""
    _ = parts.words_of(to).gettext
    section = Section(
        lead=_(
            "You asked to use this address for your account. Please confirm it with the button below, "
            "which works for 7 days. Until then your old address stays in use."
        ),
        button=_("Confirm this address"),
        link=links.email_confirmation(public_url, token),
        closing=_("If this was not you, ignore this e-mail: nothing changes."),
    )
    return _to_account(
        to, public_url, _("Confirm your new e-mail address"), _("Is this your address?"), section
    )


def email_undo(token: str, to: Recipient, public_url: str) -> Content:
    """The e-mail to the address that is being replaced, with the link that undoes it."""
    _ = parts.words_of(to).gettext
    section = Section(
        lead=_(
            "Somebody who knows your password has asked to change the e-mail address of your account. "
            "If this was you, there is nothing to do."
        ),
        button=_("This was not me: undo the change"),
        link=links.email_undo(public_url, token),
        closing=_(
            "The button works for 7 days, even after the change. It restores this address, logs out all devices "
            "and invalidates your password. Ask for a new password afterwards."
        ),
    )
    return _to_account(
        to, public_url, _("Your e-mail address is being changed"), _("Your address is being changed"), section
    )


def password_reset(token: str, to: Recipient, public_url: str) -> Content:
    """The e-mail with the one-time link that sets a new password."""
    _ = parts.words_of(to).gettext
    section = Section(
        lead=_(
            "Somebody, hopefully you, asked for a new password for your account. "
            "The button below works once, for 30 minutes after the request."
        ),
        button=_("Set a new password"),
        link=links.password_reset(public_url, token),
        closing=_("If this was not you, ignore this e-mail: your password stays as it is."),
    )
    return _to_account(to, public_url, _("Set a new password"), _("Set a new password"), section)


def digest(contents: Sequence[Content], to: Recipient, public_url: str) -> Content:
    """Several e-mails to one address in one, in their order."""
    said = parts.words_of(to)
    _ = said.gettext
    sections = tuple(
        msgspec.structs.replace(section, heading=content.heading)
        for content in contents
        for section in content.sections
    )
    subject = said.ngettext("{n} message for you", "{n} messages for you", len(sections))
    reminding = next((content for content in contents if content.unsubscribe), None)
    first = contents[0] if reminding is None else reminding
    return Content(
        words=said,
        subject=subject,
        heading=subject,
        hello=parts.hello(to, said),
        sections=sections,
        footer=f"{parts.footer(said, public_url)} "
        + _("Much happened at once, so here is all of it in one."),
        unsubscribe=first.unsubscribe,
        unsubscribe_page=first.unsubscribe_page,
        data=tuple(data for content in contents for data in content.data),
    )


def _about(
    about: About,
    to: Recipient,
    public_url: str,
    subject: str,
    heading: str,
    section: Section,
    *,
    cancelled: bool = False,
) -> Content:
    name = formats.one_line(to.name) if to.confirmed else ""
    link = links.booking(public_url, about.booking.booking_id)
    return msgspec.structs.replace(
        _to_account(to, public_url, subject, heading, section),
        data=(reservation(about, link, name, cancelled=cancelled),),
    )


def _to_account(to: Recipient, public_url: str, subject: str, heading: str, section: Section) -> Content:
    said = parts.words_of(to)
    return Content(
        words=said,
        subject=subject,
        heading=heading,
        hello=parts.hello(to, said),
        sections=(section,),
        footer=parts.footer(said, public_url),
    )

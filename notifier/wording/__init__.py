"""The texts of the e-mails, one JSON file for each language."""

from __future__ import annotations

import msgspec

from tickets.translations import Translations


class KindWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one kind of e-mail: plain text, never markup. The template fills in `{…}`."""

    subject: str
    heading: str
    lead: str
    button: str
    closing: str


class EmailWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one language."""

    locale: str
    """CLDR locale for dates, times and prices."""
    hello: str
    hello_nobody: str
    show: str
    when: str
    screen: str
    seats: str
    total: str
    booking: str
    username: str
    place: str
    place_row: str
    footer: str
    booking_confirmed: KindWords
    booking_cancelled: KindWords
    show_cancelled: KindWords
    welcome: KindWords
    welcome_to_confirm: KindWords
    email_confirmation: KindWords
    email_undo: KindWords
    password_reset: KindWords


EMAIL_WORDS = Translations(__name__, EmailWords)

email_words = EMAIL_WORDS.texts

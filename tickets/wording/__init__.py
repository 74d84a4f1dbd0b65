"""The texts on a ticket, one JSON file for each language."""

from __future__ import annotations

import msgspec

from tickets.translations import Translations


class TicketWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one language. The caller fills in `{…}`."""

    locale: str
    """CLDR locale for dates, times and prices."""
    ticket_of: str
    screen: str
    section: str
    row: str
    seat: str
    price: str
    holder: str
    booking: str
    minutes: str
    show_at_the_door: str
    file_name: str


TICKET_WORDS = Translations(__name__, TicketWords)

ticket_words = TICKET_WORDS.texts

"""The keys of tickets, as a command of `aisle` gets them."""

from __future__ import annotations

from ops.local.keys import ticket_keys
from runtime.settings import Settings
from runtime.signing_keys import TicketKeys, read_ticket_keys


def keys_of(settings: Settings) -> TicketKeys:
    """The keys in AISLE_TICKET_KEYS, or those of the home in embedded mode. Raises SettingError, CannotStart."""
    given = settings.ticket_keys
    if given is None and settings.database_url is None:
        given = ticket_keys(settings.home)
    return read_ticket_keys(given)

"""Periodic removal of expired rows."""

from __future__ import annotations

import itertools

from gateway.accounts.logins import Logins
from gateway.bookings.remarks import Remarks
from gateway.commands.stored_responses import StoredResponses
from runtime.polling import poll

_EVERY_S = 600.0
_REMARKS_EVERY = 144
"""Turns between two removals of unused remarks, which compare all remarks with the bookings: a day."""


async def remove_expired(logins: Logins, stored_responses: StoredResponses, remarks: Remarks) -> None:
    """Removes expired logins, links and stored responses every ten minutes, until cancelled; unused remarks daily."""
    turns = itertools.count()

    async def remove() -> None:
        await logins.delete_expired()
        await stored_responses.forget()
        if next(turns) % _REMARKS_EVERY == 0:
            await remarks.delete_unused()

    await poll("expired rows", remove, every_s=_EVERY_S)

"""Periodic removal of expired rows."""

from __future__ import annotations

from gateway.accounts.logins import Logins
from gateway.commands.stored_responses import StoredResponses
from runtime.polling import poll

_EVERY_S = 600.0


async def remove_expired(logins: Logins, stored_responses: StoredResponses) -> None:
    """Removes expired logins, links and stored responses every ten minutes, until cancelled."""

    async def remove() -> None:
        await logins.delete_expired()
        await stored_responses.forget()

    await poll("expired rows", remove, every_s=_EVERY_S)

"""What has to be tidied up now and then."""

from __future__ import annotations

from gateway.accounts.logins import Logins
from gateway.commands.stored_responses import StoredResponses
from runtime.polling import poll

_EVERY_S = 600.0


async def remove_expired(logins: Logins, stored_responses: StoredResponses) -> None:
    """Removes logins, links and stored answers that have run out, for ever."""

    async def remove() -> None:
        await logins.forget_expired()
        await stored_responses.forget()

    await poll("expired rows", remove, every_s=_EVERY_S)

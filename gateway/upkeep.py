"""What has to be tidied up now and then."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

from gateway.accounts.logins import Logins
from gateway.stored_answers import StoredAnswers
from runtime.postgres import AWAY

_EVERY_S = 600.0

_log = structlog.get_logger()


async def forget_expired(logins: Logins, stored_answers: StoredAnswers) -> None:
    """Removes logins, links and stored answers that have run out, for ever."""
    while True:
        await asyncio.sleep(_EVERY_S)
        try:
            await logins.forget_expired()
            await stored_answers.forget()
        except (*AWAY, asyncpg.PostgresError) as error:
            _log.warning("expired_rows_not_removed", error=str(error) or type(error).__name__)

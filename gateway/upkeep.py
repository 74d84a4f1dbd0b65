"""What has to be tidied up now and then."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

from gateway.accounts.logins import Logins
from runtime.postgres import AWAY

_EVERY_S = 600.0

_log = structlog.get_logger()


async def forget_expired_logins(logins: Logins) -> None:
    """Removes logins and links that have run out, for ever."""
    while True:
        await asyncio.sleep(_EVERY_S)
        try:
            await logins.forget_expired()
        except (*AWAY, asyncpg.PostgresError) as error:
            _log.warning("expired logins stay for now", error=str(error) or type(error).__name__)

"""`python -m notifier`: one notifier process."""

from __future__ import annotations

import asyncio

from notifier.service import SERVICE, notify
from runtime import postgres
from runtime.log.opening import bind_log, open_log
from runtime.process import run_service, settle_gc
from runtime.settings import SettingError, Settings


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Opens the log and the database and sends e-mails until `stop` is set."""
    if settings.database_url is None:
        raise SettingError("AISLE_DATABASE_URL is needed; `aisle up` sets it itself")
    # A crash of PostgreSQL may undo the last half second: then events are read again and an e-mail is sent
    # again, as after any crash. In return, bookings do not compete with these commits for the disk.
    pool = await postgres.create_pool(
        settings.database_url,
        settings.process or "notifier",
        min_size=1,
        max_size=4,
        synchronous_commit=False,
    )
    try:
        log = await open_log(settings.kafka, settings.database_url)
        try:
            async with pool.acquire() as connection:
                await bind_log(connection, log)
            webhooks_pool = await postgres.create_pool(
                settings.database_url,
                f"{settings.process or 'notifier'}, webhooks",
                min_size=1,
                max_size=4,
                synchronous_commit=False,
            )
            try:
                settle_gc()
                await notify(settings, pool, log, stop, webhooks_pool=webhooks_pool, metrics=True)
            finally:
                await webhooks_pool.close()
        finally:
            await log.close()
    finally:
        await pool.close()


if __name__ == "__main__":
    run_service(SERVICE, main)

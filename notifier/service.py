"""The notifier: reads events, writes letters, sends them. Several may run side by side."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket

import structlog

from notifier.composition import Composer
from notifier.deliveries import Deliveries
from notifier.facts import Facts
from notifier.inbox import Inbox
from notifier.intake import EventIntake, WantedIntake
from notifier.mailer import Mailer, MailServer, read_server
from notifier.measures import MeasuredDeliveries
from notifier.message import BadAddress, Mailbox, parse_mailbox
from notifier.pace import Pace
from notifier.sender import Sender
from runtime.log import Log
from runtime.metrics_server import telling
from runtime.postgres import Pool
from runtime.process import run_until
from runtime.settings import SettingError, Settings

SERVICE = "notifier"
STOP_S = 20.0
"""How long the letter in hand may take when the service is told to stop; then it is cut off and sent again."""
_BACKLOG_EVERY_S = 30.0

_log = structlog.get_logger()


async def notify(
    settings: Settings, pool: Pool, log: Log, stop: asyncio.Event, *, metrics: bool = False
) -> None:
    """Runs until `stop`, and tells its metrics if asked to. Raises SettingError and WrongLog."""
    sender_mailbox = _mail_from(settings)
    inbox: Inbox | None = None
    if settings.smtp_url is None:
        inbox = Inbox(settings.home / "inbox")
        server = MailServer(
            "127.0.0.1", await inbox.start(), tls=False, starttls="off", username=None, password=None
        )
    else:
        server = _mail_server(settings.smtp_url)
    deliveries = MeasuredDeliveries(pool, f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
    composer = Composer(Facts(pool, settings.timezone), sender_mailbox, settings.public_url)
    mailer = Mailer(server, sender_mailbox)
    pace = Pace()
    sender = Sender(deliveries, composer, mailer, pace)
    tasks = [
        asyncio.create_task(EventIntake(log, deliveries, sender.wake, pace).run(stop), name="events"),
        asyncio.create_task(WantedIntake(deliveries, sender.wake).run(stop), name="wanted letters"),
        asyncio.create_task(sender.run(stop), name="letters"),
        asyncio.create_task(_tell_backlog(deliveries), name="backlog"),
    ]
    _log.info("sending letters", server=f"{server.host}:{server.port}", embedded=inbox is not None)
    telling_metrics = telling(settings, SERVICE, deliveries) if metrics else contextlib.nullcontext()
    try:
        async with telling_metrics:
            await run_until(stop, *tasks)
    finally:
        stop.set()
        tasks[-1].cancel()
        _, late = await asyncio.wait(tasks, timeout=STOP_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await mailer.close()
        composer.close()
        if inbox is not None:
            await inbox.close()


def _mail_from(settings: Settings) -> Mailbox:
    try:
        return parse_mailbox(settings.mail_from)
    except BadAddress as error:
        raise SettingError(f"AISLE_MAIL_FROM={settings.mail_from!r}: {error}") from None


def _mail_server(url: str) -> MailServer:
    try:
        return read_server(url)
    except ValueError as error:
        raise SettingError(f"AISLE_SMTP_URL: {error}") from None


async def _tell_backlog(deliveries: Deliveries) -> None:
    """A backlog is normal while a show goes on sale; it is to be seen, and that it shrinks."""
    while True:
        await asyncio.sleep(_BACKLOG_EVERY_S)
        try:
            backlog = await deliveries.backlog()
        except Exception as error:
            _log.warning("the backlog of letters is not known", error=repr(error))
            continue
        if backlog.waiting:
            _log.info("letters are waiting", backlog=backlog.waiting, oldest_s=round(backlog.oldest_s))

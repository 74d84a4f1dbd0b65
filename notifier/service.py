"""The notifier service: consumes events, composes e-mails and sends them. Several may run in parallel."""

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
from notifier.inbox_server import InboxServer
from notifier.intake import EventIntake, RequestedIntake
from notifier.mailer import Mailer, MailServer, read_server
from notifier.message import BadAddress, Mailbox, parse_mailbox
from notifier.metrics import MeasuredDeliveries
from notifier.notices import Notices
from notifier.pace import Pace
from notifier.reminders import Reminders
from notifier.sender import Sender
from runtime.log import Log
from runtime.metrics_server import serve_metrics
from runtime.polling import poll
from runtime.postgres import Pool
from runtime.process import run_until
from runtime.reminder_leads import read_leads
from runtime.service_manager import READY
from runtime.service_manager import notify as notify_manager
from runtime.settings import SettingError, Settings
from runtime.tracing import open_tracing

SERVICE = "notifier"
STOP_S = 20.0
"""Grace period at a stop for the message being sent; after it the connection is cut and the message sent again."""
_BACKLOG_EVERY_S = 30.0

_log = structlog.get_logger()


async def notify(
    settings: Settings, pool: Pool, log: Log, stop: asyncio.Event, *, metrics: bool = False
) -> None:
    """Runs until `stop` is set. `metrics`: also serve them over HTTP. Raises SettingError and WrongLog."""
    sender_mailbox = _mail_from(settings)
    inbox: InboxServer | None = None
    if settings.smtp_url is None:
        inbox = InboxServer(settings.home / "inbox")
        server = MailServer(
            "127.0.0.1", await inbox.start(), tls=False, starttls="off", username=None, password=None
        )
    else:
        server = _mail_server(settings.smtp_url)
    deliveries = MeasuredDeliveries(pool, f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
    composer = Composer(
        Facts(pool, settings.timezone),
        sender_mailbox,
        settings.public_url,
        str(await log.identity()),
        reply_to=None if settings.mail_reply_to is None else parse_mailbox(settings.mail_reply_to),
    )
    mailer = Mailer(server, sender_mailbox)
    pace = Pace()
    stack = contextlib.AsyncExitStack()
    tracing = await stack.enter_async_context(open_tracing(settings, SERVICE))
    sender = Sender(deliveries, composer, mailer, pace, tracing)
    deliveries.quota_reached = lambda: sender.quota_reached
    reminders = Reminders(pool, read_leads(settings.reminders), sender.wake)
    tasks = [
        asyncio.create_task(
            EventIntake(log, deliveries, sender.wake, pace, reminders).run(stop), name="events"
        ),
        asyncio.create_task(reminders.run(stop), name="reminders"),
        asyncio.create_task(RequestedIntake(deliveries, sender.wake).run(stop), name="requested e-mails"),
        asyncio.create_task(Notices(pool, settings.timezone, sender.wake).run(stop), name="notices"),
        asyncio.create_task(sender.run(stop), name="deliveries"),
        asyncio.create_task(_log_backlog(deliveries), name="backlog"),
    ]
    _log.info("notifier_started", server=f"{server.host}:{server.port}", embedded=inbox is not None)
    metrics_server = (
        serve_metrics(settings, SERVICE, deliveries, {"main": pool}) if metrics else contextlib.nullcontext()
    )
    try:
        async with metrics_server:
            notify_manager(READY)
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
        await stack.aclose()


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


async def _log_backlog(deliveries: Deliveries) -> None:
    """Logs the backlog periodically. It is normal while a show goes on sale; the log shows that it shrinks."""

    async def log_backlog() -> None:
        backlog = await deliveries.backlog()
        if backlog.waiting:
            _log.info("emails_pending", backlog=backlog.waiting, oldest_s=round(backlog.oldest_s))

    await poll("backlog", log_backlog, every_s=_BACKLOG_EVERY_S, errors=(Exception,))

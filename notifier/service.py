"""The notifier service: consumes events, sends e-mails and calls webhooks. Several may run in parallel."""

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
from notifier.metrics import JoinedMetrics, MeasuredDeliveries
from notifier.notices import Notices
from notifier.pace import Pace
from notifier.reminders import Reminders
from notifier.sender import Sender
from notifier.ticket_design import ticket_design_of
from runtime.log import Log
from runtime.metrics_server import serve_metrics
from runtime.polling import poll
from runtime.postgres import Pool
from runtime.process import run_until
from runtime.reminder_leads import read_leads
from runtime.service_manager import READY
from runtime.service_manager import notify as notify_manager
from runtime.settings import SettingError, Settings
from runtime.signing_keys import read_ticket_keys
from runtime.tracing import open_tracing
from tickets.tokens import TicketSigner
from webhooks.service import Webhooks

SERVICE = "notifier"
STOP_S = 20.0
"""Grace period at a stop for the message being sent; after it the connection is cut and the message sent again."""
_BACKLOG_EVERY_S = 30.0

_log = structlog.get_logger()


async def notify(
    settings: Settings,
    pool: Pool,
    log: Log,
    stop: asyncio.Event,
    *,
    webhooks_pool: Pool | None = None,
    metrics: bool = False,
) -> None:
    """Runs until `stop` is set. `webhooks_pool`: connections for webhooks, so that neither they nor e-mails wait for
    those of the other. `metrics`: also serve them over HTTP. Raises SettingError and WrongLog."""
    sender_mailbox = _mail_from(settings)
    signer = TicketSigner(read_ticket_keys(settings.ticket_keys).private)
    design = await ticket_design_of(settings)
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
        signer,
        design,
        reply_to=None if settings.mail_reply_to is None else parse_mailbox(settings.mail_reply_to),
    )
    mailer = Mailer(server, sender_mailbox)
    pace = Pace()
    stack = contextlib.AsyncExitStack()
    tracing = await stack.enter_async_context(open_tracing(settings, SERVICE))
    sender = Sender(deliveries, composer, mailer, pace, tracing)
    webhooks = Webhooks(settings, webhooks_pool or pool, log)
    deliveries.quota_reached = lambda: sender.quota_reached
    reminders = Reminders(pool, read_leads(settings.reminders), sender.wake)
    tasks = [
        *webhooks.tasks(stop),
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
    pools = {"main": pool} if webhooks_pool is None else {"main": pool, "webhooks": webhooks_pool}
    metrics_server = (
        serve_metrics(settings, SERVICE, JoinedMetrics(deliveries, webhooks), pools)
        if metrics
        else contextlib.nullcontext()
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
        await webhooks.close()
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

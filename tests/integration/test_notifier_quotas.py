"""Mail servers that take no e-mail now: e-mails stay due, none fails, one line says which and what helps."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from notifier.mailer import Mailer, MailServerUnavailable, MessageRejected, QuotaReached, read_server
from notifier.message import parse_mailbox
from tests.integration.mail_server import RecordingMailServer
from tests.integration.notifier_environment import MakeSettings, NotifierEnvironment, opened

MESSAGE = b"From: tickets@venue.example\r\nTo: ada@example.org\r\nSubject: Hello\r\n\r\nHello\r\n"
QUOTAS = [
    "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\r\n550 5.4.5 sending limits",
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
    "552 5.2.2 the quota of this sender is exceeded",
    "451 4.3.0 not now",
    "450 4.2.1 later",
]


@pytest.fixture
async def environment(
    database: asyncpg.Connection, database_url: str, settings: MakeSettings
) -> AsyncIterator[NotifierEnvironment]:
    async with opened(database, database_url, settings) as environment:
        await database.execute(
            "INSERT INTO users (user_id, username, email, password_hash) "
            "SELECT n, 'u' || n, 'u' || n || '@d' || n || '.example', 'x' FROM generate_series(10, 19) n"
        )
        yield environment


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("reply", QUOTAS, ids=lambda reply: reply[:9])
async def test_a_quota_leaves_all_emails_due_with_one_warning(
    environment: NotifierEnvironment, reply: str, step: str
) -> None:
    server = environment.mail_server
    server.reply_at[step] = reply
    with capture_logs() as logs:
        async with environment.notifier():
            for number in range(10):
                environment.confirmed(f"0-{number}-0", user_id=10 + number)
            async with asyncio.timeout(20):
                while not any(  # noqa: ASYNC110
                    one["event"] in ("email_quota_reached", "mail_server_unavailable") for one in logs
                ):
                    await asyncio.sleep(0.02)
            await environment.until_status("0-9-0", "due")
    rows = await environment.database.fetch("SELECT status, attempts, taken_by FROM deliveries")
    assert {(row["status"], row["taken_by"]) for row in rows} == {("due", None)}
    assert server.messages == []
    warnings = [
        one for one in logs if one["event"] == "email_quota_reached" and one["log_level"] == "warning"
    ]
    assert len(warnings) <= 1
    if reply.startswith("5"):
        assert len(warnings) == 1
        assert {row["attempts"] for row in rows} == {0}
    server.reply_at.clear()
    await environment.make_due()
    async with environment.notifier():
        for number in range(10):
            await environment.until_status(f"0-{number}-0", "sent")
    assert len(set(server.ids)) == 10


@pytest.fixture
async def post() -> AsyncIterator[RecordingMailServer]:
    post = RecordingMailServer()
    yield post
    await post.close()


async def send(url: str, to: str = "ada@example.org") -> None:
    mailer = Mailer(read_server(url), parse_mailbox("tickets@venue.example"), timeout_s=5)
    try:
        await mailer.send(to, MESSAGE)
    finally:
        await mailer.close()


@pytest.mark.parametrize(
    "reply",
    ["421 4.7.0 try again later, closing connection. (EHLO)", "504 5.5.2 <x>: Helo command rejected: no"],
)
async def test_a_server_that_dislikes_the_clients_name_gets_another(
    post: RecordingMailServer, reply: str
) -> None:
    await post.open()
    post.on_name = lambda name: None if name == "host.venue.example" else reply
    with pytest.raises(MailServerUnavailable) as caught:
        await send(post.url)
    assert reply[:3] in str(caught.value)
    assert "?ehlo=" in caught.value.advice
    await send(f"{post.url}?ehlo=host.venue.example")
    assert len(post.messages) == 1


async def test_starttls_that_is_offered_and_refused_names_the_setting(post: RecordingMailServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await post.open(tls_context=context)
    post.on_starttls = "454 4.7.0 TLS not available due to local problem"
    with pytest.raises(MailServerUnavailable, match="454") as caught:
        await send(post.url)
    assert "?starttls=off" in caught.value.advice
    await send(f"{post.url}?starttls=off")
    assert len(post.messages) == 1


async def test_a_server_without_smtputf8_fails_an_address_that_needs_it(post: RecordingMailServer) -> None:
    await post.open(enable_SMTPUTF8=False)
    with pytest.raises(MessageRejected, match="SMTPUTF8"):
        await send(post.url, "jürgen@xn--mller-kva.example")
    await send(post.url)
    assert len(post.messages) == 1


async def test_a_server_with_smtputf8_gets_letters_before_the_at_sign(post: RecordingMailServer) -> None:
    await post.open()
    await send(post.url, "jürgen@xn--mller-kva.example")
    assert len(post.messages) == 1


async def test_a_quota_reached_while_connecting_is_one(post: RecordingMailServer) -> None:
    await post.open()
    post.on_name = lambda _name: "450 4.7.1 You have exceeded your daily limit"
    with pytest.raises(QuotaReached):
        await send(post.url)


async def test_a_connection_lost_after_data_repeats_the_email_under_its_message_id(
    environment: NotifierEnvironment,
) -> None:
    """A lost answer to DATA is uncertain: the e-mail is sent again under the same Message-ID."""
    seen: list[Any] = []

    def lose(message: Any) -> None:
        seen.append(message["Message-ID"])
        if len(seen) == 1:
            environment.mail_server.hang_up()

    environment.mail_server.on_message = lose
    async with environment.notifier():
        environment.confirmed("0-1-0")
        async with asyncio.timeout(20):
            while not seen:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        await environment.make_due()
        delivery = await environment.until_status("0-1-0", "sent")
    assert delivery["attempts"] == 2
    assert len(seen) == 2
    assert len(set(seen)) == 1

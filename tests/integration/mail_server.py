"""A mail server for tests: records messages, and rejects on demand."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class RecordingMailServer:
    """Received messages, in order; `refusals` has replies by address, `on_message` returns the reply to a message."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}
        self.reply_at: dict[str, str] = {}
        """Replies to every `mail`, `rcpt` or `data`."""
        self.on_name: Callable[[str], str | None] = lambda _name: None
        """Returns the reply to EHLO or HELO with a name, None for the usual one."""
        self.on_starttls: str | None = None
        self.on_message: Callable[[EmailMessage], str | None] = lambda _message: None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Transport] = set()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        return [message["Message-ID"] for message in self.messages]

    async def open(self, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        """Listens; a second time on the same port. `tls`: implicit TLS; `options` are those of aiosmtpd."""
        loop = asyncio.get_running_loop()
        post = self

        class Connection(SMTP):
            def connection_made(self, transport: Any) -> None:
                post._connections.add(transport)
                super().connection_made(transport)

            async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
                if (reply := post.on_name(hostname)) is not None:
                    await self.push(reply)
                    if reply.startswith("421"):
                        assert self.transport is not None
                        self.transport.close()
                    return
                await super().smtp_EHLO(hostname)

            async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802
                if (reply := post.on_name(hostname)) is not None:
                    await self.push(reply)
                    return
                await super().smtp_HELO(hostname)

            async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
                if post.on_starttls is not None:
                    await self.push(post.on_starttls)
                    return
                await super().smtp_STARTTLS(arg)

            def connection_lost(self, error: Exception | None) -> None:
                post._connections.discard(self.transport)
                super().connection_lost(error)

        self._server = await loop.create_server(
            lambda: Connection(self, hostname="post", loop=loop, **{"enable_SMTPUTF8": True, **options}),
            "127.0.0.1",
            self.port,
            ssl=tls,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops at once, as after a crash."""
        if self._server is not None:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()
            self._server = None

    def hang_up(self) -> None:
        """Aborts every connection."""
        for transport in list(self._connections):
            transport.abort()

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "mail" in self.reply_at:
            return self.reply_at["mail"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 ok"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "rcpt" in self.reply_at:
            return self.reply_at["rcpt"]
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "data" in self.reply_at:
            return self.reply_at["data"]
        content: Any = envelope.content
        message = email.message_from_bytes(content, policy=email.policy.default)
        if (answer := self.on_message(message)) is not None:
            return answer
        self.messages.append(message)
        return "250 ok"

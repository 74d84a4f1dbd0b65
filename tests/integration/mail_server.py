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

            def connection_lost(self, error: Exception | None) -> None:
                post._connections.discard(self.transport)
                super().connection_lost(error)

        self._server = await loop.create_server(
            lambda: Connection(self, hostname="post", enable_SMTPUTF8=True, loop=loop, **options),
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

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content: Any = envelope.content
        message = email.message_from_bytes(content, policy=email.policy.default)
        if (answer := self.on_message(message)) is not None:
            return answer
        self.messages.append(message)
        return "250 ok"

"""SMTP client: sends one message at a time and classifies the server's reply: accepted, rejected or deferred."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

import aiosmtplib

from notifier.message import Mailbox
from runtime.addresses.mail_server import MailServer, read_server

__all__ = [
    "MailServer",
    "MailServerUnavailable",
    "Mailer",
    "MessageDeferred",
    "MessageRejected",
    "read_server",
]

TIMEOUT_S = 120.0
"""Timeout for one reply. Some servers scan a message for a while before they accept it."""
_CONNECT_TIMEOUT_S = 20.0
_MESSAGES_PER_CONNECTION = 100
_IDLE_S = 2.0
"""A connection that was idle for longer is probed with NOOP before it is used."""

_SERVER_REPLIES = frozenset({421, 530, 534, 535, 538})
"""Replies that are not about the message: the server shuts down, or the log-in is missing or wrong."""


class MailServerUnavailable(Exception):
    """No message can be sent now: the server is unreachable or does not accept this client."""


class MessageRejected(Exception):
    """The server rejected this message permanently."""


class MessageDeferred(Exception):
    """The server deferred this message, or the connection broke before its reply."""


class Mailer:
    """One connection to the mail server, opened on demand. Sends one message at a time."""

    def __init__(self, server: MailServer, sender: Mailbox, *, timeout_s: float = TIMEOUT_S) -> None:
        self._server = server
        self._sender = sender
        self._timeout_s = timeout_s
        self._smtp: aiosmtplib.SMTP | None = None
        self._sent = 0
        self._used_at = 0.0

    async def send(self, to: str, message: bytes) -> None:
        """Sends one message. Raises MailServerUnavailable, MessageRejected or MessageDeferred."""
        smtp = await self._connected()
        in_utf8 = not (to.isascii() and self._sender.address.isascii())
        try:
            await smtp.sendmail(
                self._sender.address,
                [to],
                message,
                mail_options=["SMTPUTF8", "BODY=8BITMIME"] if in_utf8 else (),
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            self._raise_for(error.recipients[0].code, error.recipients[0].message)
        except aiosmtplib.SMTPSenderRefused as error:
            if error.code in (452, 552):  # too large
                self._raise_for(error.code, error.message)
            await self.close()
            raise MailServerUnavailable(
                f"it rejects the sender {self._sender.address}: {_reply(error)}"
            ) from None
        except aiosmtplib.SMTPResponseException as error:
            if error.code in _SERVER_REPLIES:
                await self.close()
                raise MailServerUnavailable(_reply(error)) from None
            self._raise_for(error.code, error.message)
        except aiosmtplib.SMTPNotSupported as error:
            raise MessageRejected(f"it cannot send to this address: {error}") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            await self.close()
            raise MessageDeferred(f"the connection was lost: {_reply(error)}") from None
        self._sent += 1
        self._used_at = time.monotonic()

    def _raise_for(self, code: int, text: str) -> NoReturn:
        if code in _SERVER_REPLIES:
            raise MailServerUnavailable(f"{code} {text}")
        if 500 <= code < 600:
            raise MessageRejected(f"{code} {text}")
        raise MessageDeferred(f"{code} {text}")

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._smtp is not None and self._sent < _MESSAGES_PER_CONNECTION and await self._is_alive():
            return self._smtp
        await self.close()
        server = self._server
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=server.start_tls,
            username=server.username,
            password=server.password,
            local_hostname=self._sender.domain,
            timeout=_CONNECT_TIMEOUT_S,
        )
        try:
            await smtp.connect()
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            smtp.close()
            raise MailServerUnavailable(f"{server.host}:{server.port}: {_reply(error)}") from None
        smtp.timeout = self._timeout_s
        self._smtp, self._sent, self._used_at = smtp, 0, time.monotonic()
        return smtp

    async def _is_alive(self) -> bool:
        assert self._smtp is not None
        if time.monotonic() - self._used_at < _IDLE_S:
            return self._smtp.is_connected
        try:
            await self._smtp.noop(timeout=_CONNECT_TIMEOUT_S)
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Closes the connection with QUIT; the next message opens a new one."""
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        try:
            async with asyncio.timeout(2):
                await smtp.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            pass
        finally:
            smtp.close()


def _reply(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__

"""SMTP client: sends one message at a time and classifies the server's reply: accepted, rejected or deferred."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

import aiosmtplib

from notifier.message import Mailbox
from notifier.replies import Meaning, Step, advice, meaning
from runtime.addresses.mail_server import MailServer, read_server

__all__ = [
    "MailServer",
    "MailServerUnavailable",
    "Mailer",
    "MessageDeferred",
    "MessageRejected",
    "QuotaReached",
    "read_server",
]

TIMEOUT_S = 120.0
"""Timeout for one reply. Some servers scan a message for a while before they accept it."""
_CONNECT_TIMEOUT_S = 20.0
_MESSAGES_PER_CONNECTION = 100
_IDLE_S = 2.0
"""A connection that was idle for longer is probed with NOOP before it is used."""


class MailServerUnavailable(Exception):
    """No message can be sent now: the server is unreachable or does not accept this client.

    `advice` names the setting that helps, where one is known.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class QuotaReached(MailServerUnavailable):
    """The server takes no more messages from this sender for a while."""


class MessageRejected(Exception):
    """The server rejected this message permanently."""


class MessageDeferred(Exception):
    """The server deferred this message, or the connection broke before its reply.

    `reply`: what the server said, without what differs between recipients; empty if it said nothing.
    """

    def __init__(self, message: str, reply: str = "") -> None:
        super().__init__(message)
        self.reply = reply


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
        if in_utf8 and not smtp.supports_extension("smtputf8"):
            raise MessageRejected(
                f"the mail server does not offer SMTPUTF8, which the address {to} needs: it has letters beyond "
                "ASCII before the @"
            )
        step = Step.MAIL
        try:
            options = ["SMTPUTF8", "BODY=8BITMIME"] if in_utf8 else None
            await smtp.mail(self._sender.address, options=options, encoding="utf-8" if in_utf8 else "ascii")
            step = Step.RCPT
            await smtp.rcpt(to, encoding="utf-8" if in_utf8 else "ascii")
            step = Step.DATA
            await smtp.data(message)
        except aiosmtplib.SMTPResponseException as error:
            await self._refused(step, error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            await self.close()
            reason = f"the connection was lost at {step.value}: {_reply(error)}"
            if step is Step.DATA:
                reason += "; whether it was accepted is unknown, it is sent again under the same Message-ID"
            raise MessageDeferred(reason) from None
        self._sent += 1
        self._used_at = time.monotonic()

    async def _refused(self, step: Step, code: int, text: str) -> NoReturn:
        reply = f"{code} {text}"
        match meaning(step, code, text):
            case Meaning.QUOTA:
                await self.close()
                raise QuotaReached(reply)
            case Meaning.UNAVAILABLE:
                await self.close()
                if step is Step.MAIL and code not in (421, 530):
                    reply = f"it rejects the sender {self._sender.address}: {reply}"
                raise MailServerUnavailable(reply, advice(step, code, text))
            case Meaning.REJECTED:
                await self._reset()
                raise MessageRejected(reply)
            case Meaning.DEFERRED:
                await self._reset()
                raise MessageDeferred(reply, f"{code} {text[:5]}")

    async def _reset(self) -> None:
        """Prepares the connection for the next message. Leaves it closed if the server does not go along."""
        assert self._smtp is not None
        try:
            await self._smtp.rset()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            await self.close()

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._smtp is not None and self._sent < _MESSAGES_PER_CONNECTION and await self._is_alive():
            return self._smtp
        await self.close()
        server = self._server
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=False,
            local_hostname=server.ehlo or self._sender.domain,
            timeout=_CONNECT_TIMEOUT_S,
        )
        try:
            await smtp.connect()
            await _greet(smtp)
            if server.start_tls or (server.start_tls is None and smtp.supports_extension("starttls")):
                await smtp.starttls()
                await _greet(smtp)
            if server.username is not None:
                await smtp.login(server.username, server.password or "")
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            smtp.close()
            self._not_connected(error)
        smtp.timeout = self._timeout_s
        self._smtp, self._sent, self._used_at = smtp, 0, time.monotonic()
        return smtp

    def _not_connected(self, error: Exception) -> NoReturn:
        code, text = (
            (error.code, error.message)
            if isinstance(error, aiosmtplib.SMTPResponseException)
            else (0, str(error))
        )
        said = text
        if isinstance(error, aiosmtplib.SMTPHeloError):
            said = text if "helo" in text.lower() or "ehlo" in text.lower() else f"{text} (EHLO)"
        reply = f"{self._server.host}:{self._server.port}: {_reply(error)}"
        if code and meaning(Step.CONNECT, code, text) is Meaning.QUOTA:
            raise QuotaReached(reply) from None
        raise MailServerUnavailable(reply, advice(Step.CONNECT, code, said)) from None

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


async def _greet(smtp: aiosmtplib.SMTP) -> None:
    """Gives the client's name: with HELO where the server does not know EHLO, and with the refusal of EHLO else."""
    try:
        await smtp.ehlo()
    except aiosmtplib.SMTPHeloError as refused:
        if not smtp.is_connected:
            raise
        try:
            await smtp.helo()
        except aiosmtplib.SMTPServerDisconnected:
            raise refused from None


def _reply(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__

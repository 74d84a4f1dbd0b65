"""Hands messages to a mail server and says what became of each: taken, refused, or to be tried again."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

import aiosmtplib

from notifier.message import Mailbox
from runtime.mail_server import MailServer, read_server

__all__ = ["LetterDeferred", "LetterRefused", "MailServer", "MailServerDown", "Mailer", "read_server"]

TIMEOUT_S = 120.0
"""How long a server may take for one answer; some look at a letter for a while before they take it."""
_CONNECT_TIMEOUT_S = 20.0
_LETTERS_PER_CONNECTION = 100
_FRESH_S = 2.0
"""A connection that rested for longer is asked whether it is still there."""

_OURS_TO_MEND = frozenset({421, 530, 534, 535, 538})
"""Replies that say nothing about the letter: shutting down, or a log-in that is missing or wrong."""


class MailServerDown(Exception):
    """No letter can be sent now, whichever: the server is away, or does not want us at all."""


class LetterRefused(Exception):
    """The server will never take this letter."""


class LetterDeferred(Exception):
    """The server did not take this letter this time, or may have taken it and did not say so."""


class Mailer:
    """One connection to the mail server, opened when it is needed. One letter at a time."""

    def __init__(self, server: MailServer, sender: Mailbox, *, timeout_s: float = TIMEOUT_S) -> None:
        self._server = server
        self._sender = sender
        self._timeout_s = timeout_s
        self._smtp: aiosmtplib.SMTP | None = None
        self._sent = 0
        self._used_at = 0.0

    async def send(self, to: str, message: bytes) -> None:
        """Hands one message over. Raises MailServerDown, LetterRefused or LetterDeferred."""
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
            self._judge(error.recipients[0].code, error.recipients[0].message)
        except aiosmtplib.SMTPSenderRefused as error:
            if error.code in (452, 552):  # too large
                self._judge(error.code, error.message)
            await self.close()
            raise MailServerDown(f"it does not let {self._sender.address} send: {_said(error)}") from None
        except aiosmtplib.SMTPResponseException as error:
            if error.code in _OURS_TO_MEND:
                await self.close()
                raise MailServerDown(_said(error)) from None
            self._judge(error.code, error.message)
        except aiosmtplib.SMTPNotSupported as error:
            raise LetterRefused(f"it cannot send to this address: {error}") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            await self.close()
            raise LetterDeferred(f"the connection was lost: {_said(error)}") from None
        self._sent += 1
        self._used_at = time.monotonic()

    def _judge(self, code: int, text: str) -> NoReturn:
        if code in _OURS_TO_MEND:
            raise MailServerDown(f"{code} {text}")
        if 500 <= code < 600:
            raise LetterRefused(f"{code} {text}")
        raise LetterDeferred(f"{code} {text}")

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._smtp is not None and self._sent < _LETTERS_PER_CONNECTION and await self._still_there():
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
            raise MailServerDown(f"{server.host}:{server.port}: {_said(error)}") from None
        smtp.timeout = self._timeout_s
        self._smtp, self._sent, self._used_at = smtp, 0, time.monotonic()
        return smtp

    async def _still_there(self) -> bool:
        assert self._smtp is not None
        if time.monotonic() - self._used_at < _FRESH_S:
            return self._smtp.is_connected
        try:
            await self._smtp.noop(timeout=_CONNECT_TIMEOUT_S)
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Says goodbye to the server; the next letter opens a new connection."""
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


def _said(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__

"""Who a live socket speaks for: told at its handshake or by its first message, and true at every moment.

A token that runs out without being renewed, an account that is deactivated or whose role or password changes:
the socket is closed with 4401 within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import msgspec

from gateway.auth import Caller, Tokens
from gateway.bodies import decode_body
from gateway.live.sockets import Socket, close_code
from gateway.problems import Problem
from gateway.revocation import Revocations, RevocationsOutdated
from schemas.api_sockets import AuthMessage

FIRST_MESSAGE_S = 5.0
_CHECK_EVERY_S = 0.25

_AUTH = msgspec.json.Decoder(AuthMessage)


class SocketLogin:
    """One socket and whose it is now."""

    __slots__ = ("authorization", "caller", "ref", "socket")

    def __init__(self, socket: Socket, authorization: bytes, caller: Caller, ref: str | None) -> None:
        self.socket = socket
        self.authorization = authorization
        self.caller = caller
        self.ref = ref
        """Of the first message, where that logged in and wants to be answered."""


class SocketLogins:
    """The logged-in sockets of this gateway."""

    def __init__(self, tokens: Tokens, revocations: Revocations) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._kept: set[SocketLogin] = set()

    async def log_in(self, socket: Socket) -> SocketLogin:
        """By the header Authorization; without one, accepts the socket and waits for its first message.

        Raises Problem as `Tokens.verify` does, and `unauthenticated` when no such message comes.
        """
        if socket.authorization is not None:
            await self._revocations.ensure_fresh()
            caller = self._tokens.verify(socket.authorization, time.time())
            return SocketLogin(socket, socket.authorization, caller, None)
        await socket.accept()
        text = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_MESSAGE_S):
                text = await socket.receive_text()
        if text is None:
            raise _not_first()
        try:
            message = read_auth(text.encode())
        except Problem:
            raise _not_first() from None
        authorization = _bearer(message)
        await self._revocations.ensure_fresh()
        return SocketLogin(
            socket, authorization, self._tokens.verify(authorization, time.time()), message.ref
        )

    async def renew(self, login: SocketLogin, message: AuthMessage) -> None:
        """Another token of the same account. Raises Problem, whereupon the socket is to be closed."""
        authorization = _bearer(message)
        await self._revocations.ensure_fresh()
        caller = self._tokens.verify(authorization, time.time())
        if caller.user_id != login.caller.user_id:
            raise Problem("token_invalid", "This token is of another account: open a new connection for it.")
        login.authorization, login.caller = authorization, caller

    async def verify(self, login: SocketLogin) -> Caller:
        """Who the socket speaks for at this moment. Raises Problem when its token no longer holds."""
        await self._revocations.ensure_fresh()
        login.caller = self._tokens.verify(login.authorization, time.time())
        return login.caller

    @contextlib.contextmanager
    def kept(self, login: SocketLogin) -> Iterator[None]:
        """Inside, the socket is closed as soon as its token no longer holds."""
        self._kept.add(login)
        try:
            yield
        finally:
            self._kept.remove(login)

    async def watch(self) -> None:
        """Closes the sockets whose tokens no longer hold, for ever."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            for login in list(self._kept):
                try:
                    login.caller = self._tokens.verify(login.authorization, time.time())
                except RevocationsOutdated:
                    break  # what a socket asks for meanwhile is verified, or refused
                except Problem as problem:
                    login.socket.close(close_code(problem), problem.code)


def read_auth(body: bytes) -> AuthMessage:
    """A message of the type `auth`. Raises Problem `validation` or `invalid_json`."""
    return decode_body(_AUTH, body)


def _bearer(message: AuthMessage) -> bytes:
    return b"Bearer " + message.access.encode()


def _not_first() -> Problem:
    return Problem(
        "unauthenticated",
        f'Send {{"type": "auth", "access": …}} as the first message, within {FIRST_MESSAGE_S:g} s.',
    )

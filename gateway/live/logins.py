"""Authentication of live sockets, by the handshake or the first message, and continuously while they are open.

When a token expires without renewal, or its account is deactivated or changes its role or password, the socket is
closed with 4401 within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import msgspec

from gateway.auth.access_tokens import Caller, Tokens
from gateway.auth.revocation import Revocations, RevocationsOutdated
from gateway.http.bodies import decode_body
from gateway.http.problems import Problem
from gateway.live.sockets import Socket, close_code
from schemas.api_sockets import AuthMessage

FIRST_MESSAGE_S = 5.0
_CHECK_EVERY_S = 0.25

_AUTH = msgspec.json.Decoder(AuthMessage)


class SocketLogin:
    """A socket with its token and its caller."""

    __slots__ = ("authorization", "caller", "ref", "socket")

    def __init__(self, socket: Socket, authorization: bytes, caller: Caller, ref: str | None) -> None:
        self.socket = socket
        self.authorization = authorization
        self.caller = caller
        self.ref = ref
        """The ref of the first message, if that logged in and asked for a response."""


class SocketLogins:
    """The logged-in sockets of this gateway."""

    def __init__(self, tokens: Tokens, revocations: Revocations) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._monitored: set[SocketLogin] = set()

    async def log_in(self, socket: Socket) -> SocketLogin:
        """Logs in by the header Authorization; without one, accepts the socket and awaits its first message.

        Raises Problem as `Tokens.verify` does, and `unauthenticated` when no such message arrives.
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
            raise _no_auth_message()
        try:
            message = read_auth(text.encode())
        except Problem:
            raise _no_auth_message() from None
        authorization = _bearer(message)
        await self._revocations.ensure_fresh()
        return SocketLogin(
            socket, authorization, self._tokens.verify(authorization, time.time()), message.ref
        )

    async def renew(self, login: SocketLogin, message: AuthMessage) -> None:
        """Replaces the token by another one of the same account. Raises Problem; the socket must then be closed."""
        authorization = _bearer(message)
        await self._revocations.ensure_fresh()
        caller = self._tokens.verify(authorization, time.time())
        if caller.user_id != login.caller.user_id:
            raise Problem("token_invalid", "This token is of another account: open a new connection for it.")
        login.authorization, login.caller = authorization, caller

    async def verify(self, login: SocketLogin) -> Caller:
        """Verifies the token again and returns the caller. Raises Problem when it is no longer valid."""
        await self._revocations.ensure_fresh()
        login.caller = self._tokens.verify(login.authorization, time.time())
        return login.caller

    @contextlib.contextmanager
    def monitored(self, login: SocketLogin) -> Iterator[None]:
        """Inside this context, the socket is closed as soon as its token is no longer valid."""
        self._monitored.add(login)
        try:
            yield
        finally:
            self._monitored.remove(login)

    async def watch(self) -> None:
        """Closes sockets whose tokens are no longer valid, until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            for login in list(self._monitored):
                try:
                    login.caller = self._tokens.verify(login.authorization, time.time())
                except RevocationsOutdated:
                    break  # requests of sockets are verified one by one meanwhile, or rejected
                except Problem as problem:
                    login.socket.close(close_code(problem), problem.code)


def read_auth(body: bytes) -> AuthMessage:
    """Decodes a message of the type `auth`. Raises Problem `validation` or `invalid_json`."""
    return decode_body(_AUTH, body)


def _bearer(message: AuthMessage) -> bytes:
    return b"Bearer " + message.access.encode()


def _no_auth_message() -> Problem:
    return Problem(
        "unauthenticated",
        f'Send {{"type": "auth", "access": …}} as the first message, within {FIRST_MESSAGE_S:g} s.',
    )

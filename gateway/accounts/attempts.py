"""Rate limits of account requests, by client address and by account.

A successful attempt does not count, so the right password is never slowed down.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any, cast

from litestar import Request
from litestar.di import NamedDependency

from gateway.accounts.hash_turns import HashTurns
from gateway.accounts.names import mailbox, normal_name
from gateway.http.client_address import ADDRESS_KEY
from gateway.http.problems import Problem
from gateway.limits.rate_limits import RateLimits
from schemas.api_accounts import UserBody


class AccountLimits:
    """Rate limits for one request that hashes a password or sends an e-mail."""

    def __init__(self, limits: RateLimits, turns: HashTurns, address: str) -> None:
        self._limits = limits
        self._turns = turns
        self._address = address

    async def count_email(self, kind: str, email: str) -> None:
        """Counts one request that sends an e-mail to this address. Raises Problem `rate_limited`."""
        await self.count(kind, mailbox(email))

    async def count(self, kind: str, account: str) -> None:
        """Counts one attempt of this kind with this account. Raises Problem `rate_limited`."""
        await self._limits.take(
            (self._limits.accounts, self._address), (self._limits.logins, _key(kind, account))
        )

    @contextlib.asynccontextmanager
    async def sign_up(self, email: str) -> AsyncIterator[None]:
        """Counts the welcome e-mail that the block sends, unless it fails. Raises Problem `rate_limited`.

        The block hashes a password in a turn of the client's address.
        """
        async with self._emails(_key("to", mailbox(email))), self._turns.turn(self._address):
            yield

    @contextlib.asynccontextmanager
    async def reset(self, token: str) -> AsyncIterator[None]:
        """Counts one use of a reset link; the block hashes a password in a turn. Raises Problem `rate_limited`."""
        await self.count("reset", token)
        async with self._turns.turn(self._address):
            yield

    @contextlib.asynccontextmanager
    async def change_of_email(self, user: UserBody, email: str) -> AsyncIterator[None]:
        """Counts the e-mails of a change to another address, unless the block fails. Raises Problem `rate_limited`.

        They count for the account. Nobody has confirmed that the new address, and maybe the old one, is that of the
        account: so they count for these mailboxes as well, whichever accounts send to them.
        """
        old = user.email or ""
        if normal_name(old) == normal_name(email):  # no e-mail is sent
            yield
            return
        keys = [_key("account", str(user.id)), _key("to", mailbox(email))]
        if not user.email_confirmed:
            keys.append(_key("to", mailbox(old)))
        async with self._emails(*dict.fromkeys(keys)):
            yield

    @contextlib.asynccontextmanager
    async def _emails(self, *keys: str) -> AsyncIterator[None]:
        counted = [(self._limits.emails, key) for key in keys]
        await self._limits.take(*counted)
        try:
            yield
        except Problem:
            await self._limits.refund(*counted)
            raise

    @contextlib.asynccontextmanager
    async def attempt(self, kind: str, account: str) -> AsyncIterator[None]:
        """Counts the password attempt that the block verifies, unless it succeeds or is rejected as overloaded.

        `kind` separates callers: anonymous attempts must not use up the limit of the account's owner. Raises Problem
        `rate_limited`.
        """
        await self.count(kind, account)
        try:
            async with self._turns.turn(self._address):
                yield
        except Problem as problem:
            if problem.code == "overloaded":  # nothing was verified
                await self._refund(kind, account)
            raise
        await self._refund(kind, account)

    async def _refund(self, kind: str, account: str) -> None:
        await self._limits.refund(
            (self._limits.accounts, self._address), (self._limits.logins, _key(kind, account))
        )


def provide_account_limits(
    request: Request[Any, Any, Any],
    rate_limits: NamedDependency[RateLimits],
    hash_turns: NamedDependency[HashTurns],
) -> AccountLimits:
    """The rate limits for the client of a request."""
    scope = cast("dict[str, Any]", request.scope)
    return AccountLimits(rate_limits, hash_turns, scope[ADDRESS_KEY])


def _key(kind: str, account: str) -> str:
    # Hashed, so that Redis holds no names and keys have a bounded length.
    return f"{kind}.{hashlib.sha256(normal_name(account).encode()).hexdigest()[:32]}"

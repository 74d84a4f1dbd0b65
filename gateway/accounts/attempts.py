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
    async def attempt(self, kind: str, account: str) -> AsyncIterator[None]:
        """Counts one password attempt, which the block verifies, unless the block succeeds or is overloaded.

        `kind` separates callers: anonymous attempts must not use up the limit of the account's owner. Raises Problem
        `rate_limited`.
        """
        await self.count(kind, account)
        try:
            async with self._turns.of(self._address):
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

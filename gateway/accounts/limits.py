"""How often accounts may be tried: by the address that asks and by the account that it asks about.

A try that turns out right does not count, so that using the right password is never slowed down.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any, cast

from litestar import Request
from litestar.di import NamedDependency

from gateway.accounts.names import normal_name
from gateway.addresses import ADDRESS
from gateway.rate_limits import RateLimits


class AccountLimits:
    """Counts the tries of one request; one for each call that hashes a password or sends a letter."""

    def __init__(self, limits: RateLimits, address: str) -> None:
        self._limits = limits
        self._address = address

    async def count(self, what: str, account: str) -> None:
        """Counts one try at `what` with this account. Raises Problem `rate_limited`."""
        await self._limits.take(
            (self._limits.accounts, self._address), (self._limits.logins, _key(what, account))
        )

    @contextlib.asynccontextmanager
    async def guess(self, kind: str, account: str) -> AsyncIterator[None]:
        """Counts one guess of a password, which the block checks; not when the block succeeds.

        `kind` says who guesses: an anonymous caller must not spend what the account's owner has. Raises Problem
        `rate_limited`.
        """
        await self.count(kind, account)
        yield
        await self._limits.give_back(
            (self._limits.accounts, self._address), (self._limits.logins, _key(kind, account))
        )


def provide_account_limits(
    request: Request[Any, Any, Any], rate_limits: NamedDependency[RateLimits]
) -> AccountLimits:
    """The limits for whoever asks."""
    scope = cast("dict[str, Any]", request.scope)
    return AccountLimits(rate_limits, scope[ADDRESS])


def _key(what: str, account: str) -> str:
    # Nobody's name in Redis; and what is typed in may be long.
    return f"{what}.{hashlib.sha256(normal_name(account).encode()).hexdigest()[:32]}"

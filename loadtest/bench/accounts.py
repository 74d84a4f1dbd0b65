"""Accounts of the benchmark: customers and one of staff, with access tokens.

They are inserted into the database directly, because signing up is slow by design. They have a random password and
an address at a domain that cannot exist, and receive e-mails like all accounts.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Protocol

import asyncpg
import msgspec
from argon2 import PasswordHasher

from gateway.auth.access_tokens import Tokens
from loadtest.client import SetupError
from runtime.settings import Settings

_ADD_USERS = """
    INSERT INTO users (username, email, name, language, role, password_hash)
    SELECT n, n || '@bench.invalid', 'Bench ' || n, 'en', $2, $3 FROM unnest($1::text[]) n
    RETURNING user_id"""


class Accounts(Protocol):
    """Access tokens of customers and of one of staff."""

    def staff(self) -> str:
        """A valid access token."""
        ...

    def customers(self) -> tuple[str, ...]:
        """One valid access token for each customer."""
        ...


class SignedAccounts:
    """Accounts in a database with known signing keys: their tokens are renewed at each call."""

    def __init__(self, tokens: Tokens, staff_id: int, customer_ids: tuple[int, ...]) -> None:
        self._tokens = tokens
        self._staff_id = staff_id
        self._customer_ids = customer_ids

    def staff(self) -> str:
        return self._tokens.issue_access(self._staff_id, "staff", time.time())

    def customers(self) -> tuple[str, ...]:
        now_s = time.time()
        return tuple(self._tokens.issue_access(user, "customer", now_s) for user in self._customer_ids)


class _TokensFile(msgspec.Struct, forbid_unknown_fields=True):
    staff: str
    customers: tuple[str, ...]


class AccountsFile:
    """Tokens from a file, `{"staff": "…", "customers": ["…", …]}`, for a service that already runs."""

    def __init__(self, path: Path) -> None:
        try:
            self._running_service = msgspec.json.decode(path.read_bytes(), type=_TokensFile)
        except (OSError, msgspec.DecodeError) as error:
            raise SetupError(
                f"{path}: {error}; expected one staff token and a list of customers' tokens"
            ) from None
        if not self._running_service.customers:
            raise SetupError(f"{path}: it has no customers")

    def staff(self) -> str:
        return self._running_service.staff

    def customers(self) -> tuple[str, ...]:
        return self._running_service.customers


async def add_accounts(settings: Settings, customers: int) -> SignedAccounts:
    """Inserts one of staff and `customers` customers into the database of `settings`."""
    password = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(secrets.token_urlsafe())
    connection = await asyncpg.connect(settings.database_url)
    try:
        staff = await connection.fetchval(_ADD_USERS, ["bench-staff"], "staff", password)
        names = [f"bench-{number}" for number in range(customers)]
        rows = await connection.fetch(_ADD_USERS, names, "customer", password)
    finally:
        await connection.close()
    return SignedAccounts(Tokens(settings.jwt_keys, {}), staff, tuple(row["user_id"] for row in rows))

"""Accounts of the crowd: invented people in the database of the home, or tokens from a file.

They have no password, so nobody can log in as one of them, and addresses at a domain that cannot exist. The next run
uses them again.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.auth.access_tokens import Tokens
from runtime import postgres
from runtime.process import CannotStart
from schemas.api_accounts import Role

MOST = 20_000
_DOMAIN = "crowd.example"
_FIRST = "Ada Ben Chloé Dev Elif Farid Greta Hugo Inés Jonas Kavya Lena Mateo Noor Olga Priya Quentin Rosa Sam Tara"
_LAST = (
    "Abel Bianchi Castro Dubois Evans Fischer Gupta Haas Ito Jansen Khan López Meyer Novak Okafor Patel Rossi"
)

_ADD_SQL = f"""
INSERT INTO users (username, email, name)
SELECT n.username, n.username || '@{_DOMAIN}', n.name FROM unnest($1::text[], $2::text[]) AS n(username, name)
    ON CONFLICT DO NOTHING
"""
_FIND_SQL = f"""
SELECT user_id FROM users
 WHERE username = ANY ($1) AND lower(email) = username || '@{_DOMAIN}' AND role = 'customer' AND active
 ORDER BY username
"""


class Accounts(Protocol):
    """Access tokens by customer."""

    def __len__(self) -> int: ...

    def token(self, customer: int) -> str:
        """Returns a valid access token of a customer."""
        ...


class SignedAccounts:
    """Accounts of one role whose tokens are signed when they are needed, so that none expires."""

    def __init__(self, tokens: Tokens, user_ids: list[int], role: Role = "customer") -> None:
        self._tokens = tokens
        self._role = role
        self._user_ids = user_ids

    def __len__(self) -> int:
        return len(self._user_ids)

    def token(self, customer: int) -> str:
        return self._tokens.issue_access(self._user_ids[customer], self._role, time.time())


class TokensFile:
    """Tokens from a file: one per line, or `{"customers": ["…", …]}`. Raises CannotStart."""

    def __init__(self, path: Path) -> None:
        try:
            body = path.read_bytes()
            if body.lstrip().startswith(b"{"):
                self._tokens = list(msgspec.json.decode(body, type=dict[str, str | list[str]])["customers"])
            else:
                self._tokens = body.decode("ascii").split()
        except OSError as error:
            raise CannotStart(f"--tokens {path}: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
            self._tokens = []
        if not self._tokens or not all(token.count(".") == 2 for token in self._tokens):
            raise CannotStart(
                f"--tokens {path}: no access tokens of customers, one per line; `aisle users create --count 500 "
                "--tokens FILE` makes them"
            )

    def __len__(self) -> int:
        return len(self._tokens)

    def token(self, customer: int) -> str:
        return self._tokens[customer]


async def add_accounts(database_url: str, tokens: Tokens, people: int) -> SignedAccounts:
    """Makes the missing ones of `people` accounts, and returns those that are active."""
    names = [f"crowd-{number:04}" for number in range(1, people + 1)]
    connection = await postgres.connect(database_url, "crowd")
    try:
        await connection.execute(_ADD_SQL, names, [invented_name(number) for number in range(people)])
        rows = await connection.fetch(_FIND_SQL, names)
    finally:
        await connection.close()
    return SignedAccounts(tokens, [row["user_id"] for row in rows])


def invented_name(number: int) -> str:
    """Returns the name of a customer, marked as invented."""
    first, last = _FIRST.split(), _LAST.split()
    return f"{first[number % len(first)]} {last[number * 7 % len(last)]} (crowd)"

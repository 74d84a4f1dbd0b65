"""Accounts from the command line: a single one, or thousands of test customers with their tokens."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import asyncpg
import msgspec

from gateway.accounts.passwords import hash_password, weakness
from gateway.auth.access_tokens import Tokens
from ops.local.keys import jwt_keys, write_private
from runtime import postgres
from runtime.addresses.email_address import read_email
from runtime.settings import SettingError, Settings
from schemas.api_accounts import Role, SignupBody

MOST_AT_ONCE = 1_000_000
_EMAIL_DOMAIN = "test.invalid"  # a reserved domain: no e-mail can be delivered
_INSERTED_AT_ONCE = 10_000

_INSERT_SQL = """
INSERT INTO users (username, email, name, role, password_hash) VALUES ($1, $2, $3, $4, $5) RETURNING user_id
"""
_INSERT_MANY_SQL = f"""
INSERT INTO users (username, email, name, role, password_hash)
SELECT n, n || '@{_EMAIL_DOMAIN}', n, $2, $3 FROM unnest($1::text[]) n RETURNING user_id
"""


class CannotCreate(Exception):
    """No account was created. The message names the reason and the remedy."""


async def create_user(
    database_url: str, *, username: str, email: str, name: str, role: Role, password: str
) -> int:
    """Creates an account that can log in at once, without an e-mail. Returns its id. Raises CannotCreate."""
    try:
        email = read_email(email)
    except ValueError as error:
        raise CannotCreate(f"--email: {error}") from None
    try:
        wanted = msgspec.convert(
            {"username": username, "email": email, "name": name, "password": password}, SignupBody
        )
    except msgspec.ValidationError as error:
        raise CannotCreate(_in_words(error)) from None
    if (weak := weakness(password, username, email)) is not None:
        raise CannotCreate(f"--password-stdin: {weak}")
    connection = await postgres.connect(database_url, "users create")
    try:
        user_id: int = await connection.fetchval(
            _INSERT_SQL, wanted.username, wanted.email, wanted.name, role, hash_password(password)
        )
    except asyncpg.UniqueViolationError as error:
        taken = "--username" if error.constraint_name == "users_username" else "--email"
        raise CannotCreate(f"{taken}: there is an account with this already") from None
    finally:
        await connection.close()
    return user_id


async def create_many(
    database_url: str,
    count: int,
    *,
    prefix: str,
    role: Role,
    password: str | None,
    tokens: Tokens,
    file: Path,
) -> None:
    """Creates `count` accounts `<prefix>-1` … and writes an access token of each into `file`, one per line.

    They share one password, hashed once, or have none and cannot log in. All are created or none. Raises
    CannotCreate.
    """
    _refuse_unwritable(file)
    try:
        msgspec.convert(
            {
                "username": f"{prefix}-{count}",
                "email": f"a@{_EMAIL_DOMAIN}",
                "password": password or "x" * 10,
            },
            SignupBody,
        )
    except msgspec.ValidationError as error:
        raise CannotCreate(_in_words(error)) from None
    if password is not None and (weak := weakness(password, prefix)) is not None:
        raise CannotCreate(f"--password-stdin: {weak}")
    password_hash = None if password is None else hash_password(password)
    connection = await postgres.connect(database_url, "users create")
    user_ids: list[int] = []
    try:
        async with connection.transaction():
            for first in range(1, count + 1, _INSERTED_AT_ONCE):
                last = min(first + _INSERTED_AT_ONCE - 1, count)
                names = [f"{prefix}-{number}" for number in range(first, last + 1)]
                rows = await connection.fetch(_INSERT_MANY_SQL, names, role, password_hash)
                user_ids += [row["user_id"] for row in rows]
            now_s = time.time()
            lines = [tokens.issue_access(user_id, role, now_s) for user_id in user_ids]
            write_private(file, "".join(f"{line}\n" for line in lines).encode())
    except asyncpg.UniqueViolationError:
        raise CannotCreate(f"--username {prefix}: there are such accounts already; choose another") from None
    except OSError as error:
        raise CannotCreate(f"--tokens {file}: {error.strerror or error}") from None
    finally:
        await connection.close()


def random_password() -> str:
    """Returns a random password."""
    return secrets.token_urlsafe(12)


def random_prefix() -> str:
    """Returns a random prefix for the names of test customers."""
    return f"test-{secrets.token_hex(4)}"


def signing_tokens(settings: Settings) -> Tokens:
    """Returns an issuer of tokens that the gateways accept. Raises SettingError when their keys are unknown."""
    keys = settings.jwt_keys
    if keys is None and (settings.database_url is None or (settings.home / "keys.json").exists()):
        keys = jwt_keys(settings.home)
    if keys is None:
        raise SettingError("AISLE_JWT_KEYS: set it to the value of the gateways, which verify the tokens")
    return Tokens(keys, {})


def _refuse_unwritable(file: Path) -> None:
    if file.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK):
        raise CannotCreate(f"--tokens {file}: this file cannot be written")


def _in_words(error: msgspec.ValidationError) -> str:
    text, _, at = str(error).partition(" - at `$.")
    field = at.rstrip("`") or "username"
    option = "--password-stdin" if field == "password" else f"--{field}"
    wanted = {
        "username": "3 to 32 characters of A-Z a-z 0-9 _ . -",
        "email": "an address such as ada@example.com",
        "password": "10 to 128 characters, without control characters",
        "name": "one line of at most 100 characters",
    }
    return f"{option}: {wanted.get(field, text)} is wanted"

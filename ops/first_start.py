"""First start of a database: stores whether it gets sample data, and makes its first accounts.

Both happen once. An account that was deleted, renamed or deactivated later is never made again.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from gateway.accounts.passwords import hash_password
from runtime import postgres
from runtime.settings import Settings

DEMO_USER = "demo"
DEMO_PASSWORD = "demopass1234"

_LOADING = 0x53414D504C45
_LOCK_SQL = "SELECT pg_advisory_lock($1)"
_STORED_SQL = "SELECT sample_data FROM first_start"
_STORE_SQL = "INSERT INTO first_start (sample_data) VALUES ($1)"
_USER_SQL = """
INSERT INTO users (username, email, name, role, password_hash) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING user_id
"""


class FirstStart(msgspec.Struct, frozen=True):
    """The stored choice, and the accounts made by this call."""

    sample_data: bool
    passwords: dict[str, str]
    """By user name; empty unless this was the first start."""


async def lock(connection: Any) -> None:
    """Keeps two first starts, and two loads of sample data, apart until the connection ends."""
    await connection.execute(_LOCK_SQL, _LOADING)


async def first_start(connection: Any, settings: Settings) -> FirstStart:
    """Returns the stored choice; at the first call, stores it and makes the accounts.

    To be called under `lock`, in a transaction.
    """
    stored = await connection.fetchval(_STORED_SQL)
    if stored is not None:
        return FirstStart(sample_data=stored, passwords={})
    await connection.execute(_STORE_SQL, settings.sample_data)
    return FirstStart(settings.sample_data, await _make_users(connection, settings))


async def start_empty(database_url: str, settings: Settings) -> FirstStart:
    """Does the first start of a database that gets no sample data; `sample_data` is False in `settings`."""
    connection = await postgres.connect(database_url, "first start")
    try:
        await lock(connection)
        async with connection.transaction():
            return await first_start(connection, settings)
    finally:
        await connection.close()


async def _make_users(connection: Any, settings: Settings) -> dict[str, str]:
    """Makes the first accounts; returns the passwords of those made."""
    wanted: dict[str, tuple[str, str, str | None]] = {}
    if settings.sample_data:
        wanted[DEMO_USER] = ("Demo Customer", "customer", DEMO_PASSWORD)
        wanted["staff"] = ("Box Office", "staff", settings.staff_password)
    wanted["admin"] = ("Administrator", "admin", settings.admin_password)
    made = {}
    for username, (name, role, given) in wanted.items():
        password = given or secrets.token_urlsafe(12)
        email = f"{username}@aisle.example"
        if await connection.fetchval(_USER_SQL, username, email, name, role, hash_password(password)):
            made[username] = password
    return made

"""Accounts as they are stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from gateway.accounts.logins import wrong_credentials
from gateway.accounts.passwords import Passwords, weakness
from gateway.bodies import invalid
from gateway.pages import cut, read_cursor
from gateway.problems import Problem
from gateway.standings import Standings
from schemas.api import timestamp
from schemas.api_accounts import (
    AccountBody,
    ChangeMeBody,
    ChangeUserBody,
    SignupBody,
    UserBody,
    UsersPage,
)
from schemas.ids import MAX_USER_ID

_COLUMNS = "user_id, username, email, name, language, role, active, created_at, password_hash"

_INSERT_SQL = f"""
WITH made AS (
    INSERT INTO users (username, email, name, language, password_hash)
    VALUES ($1, $2, $3, $4, $5) RETURNING {_COLUMNS}
), letter AS (
    INSERT INTO letters_wanted (user_id, kind, data) SELECT user_id, 'welcome', '{{}}' FROM made
)
SELECT * FROM made
"""
_BY_ID_SQL = f"SELECT {_COLUMNS} FROM users WHERE user_id = $1"
_BY_NAME_SQL = f"SELECT {_COLUMNS} FROM users WHERE active AND lower(username) = lower($1)"
_BY_EMAIL_SQL = f"SELECT {_COLUMNS} FROM users WHERE active AND lower(email) = lower($1)"
_TAKEN_SQL = """
SELECT lower(username) = lower($1) AS username FROM users WHERE lower(username) = lower($1) OR lower(email) = lower($2)
"""
# A new address makes links good no more that went to the old one; a new password is only for who knew the last.
_CHANGE_SQL = f"""
WITH links AS (
    DELETE FROM password_resets USING users u
     WHERE password_resets.user_id = $1 AND u.user_id = $1 AND u.email <> $4::text
)
UPDATE users SET name = coalesce($2, name), language = coalesce($3, language), email = coalesce($4, email)
 WHERE user_id = $1 AND active AND ($5::text IS NULL OR password_hash = $5) RETURNING {_COLUMNS}
"""
LOCK_SQL = "SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE"
"""Comes first in a transaction that ends logins, so that none that begins meanwhile is overlooked."""
_NOW = "changed_at = clock_timestamp()"
# Always later than before, whatever the clock does.
_TOKENS_END = "tokens_from = greatest(clock_timestamp(), tokens_from + interval '1 microsecond')"
PASSWORD_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1), links AS (DELETE FROM password_resets WHERE user_id = $1)
UPDATE users SET password_hash = $2, {_NOW}, {_TOKENS_END} WHERE user_id = $1 AND active
"""
"""Sets a password and ends every login; links that were sent are good no more."""
_FORGET_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1), links AS (DELETE FROM password_resets WHERE user_id = $1)
UPDATE users SET username = NULL, email = NULL, name = '', password_hash = NULL, active = false, role = 'customer',
                 {_NOW}, {_TOKENS_END}
 WHERE user_id = $1
"""
_GRANT_SQL = f"""
UPDATE users SET role = coalesce($2, role), active = coalesce($3, active), {_NOW}
 WHERE user_id = $1 AND username IS NOT NULL RETURNING {_COLUMNS}
"""
_SHUT_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1)
UPDATE users SET {_TOKENS_END} WHERE user_id = $1
"""
_LIST_SQL = f"""
SELECT {_COLUMNS} FROM users
 WHERE user_id > $1 AND ($2::text IS NULL OR role = $2) AND ($3::boolean IS NULL OR active = $3)
   AND ($4::text IS NULL OR position(lower($4) IN lower(concat_ws(' ', username, email, name))) > 0)
 ORDER BY user_id LIMIT $5
"""


class Users:
    """Reads and writes accounts."""

    def __init__(self, pool: asyncpg.Pool, passwords: Passwords, standings: Standings) -> None:
        self._pool = pool
        self._passwords = passwords
        self._standings = standings

    async def sign_up(self, wanted: SignupBody) -> UserBody:
        """Makes an account and asks for its welcome letter. Raises Problem."""
        refuse_weak(wanted.password, wanted.username, wanted.email)
        await self._refuse_taken(wanted.username, wanted.email)
        password_hash = await self._passwords.hash(wanted.password)
        try:
            row = await self._pool.fetchrow(
                _INSERT_SQL, wanted.username, wanted.email, wanted.name, wanted.language, password_hash
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(error.constraint_name == "users_username") from None
        return user_body(row)

    async def check_password(self, name: str, password: str) -> asyncpg.Record:
        """The row of the active account with this user name or e-mail address, if the password is right.

        Takes the same time for accounts that do not exist. Raises Problem `bad_credentials`.
        """
        row = await self._pool.fetchrow(_BY_EMAIL_SQL if "@" in name else _BY_NAME_SQL, name)
        if not await self._passwords.matches(row["password_hash"] if row else None, password):
            raise wrong_credentials()
        return row

    async def get(self, user_id: int) -> UserBody:
        """One account. Raises Problem `not_found`."""
        return user_body(await self._row(user_id))

    async def change_me(self, user_id: int, change: ChangeMeBody) -> UserBody:
        """Changes what is given. A new password ends all logins, this one too. Raises Problem."""
        row = await self._row(user_id)
        email = _given(change.email)
        password = _given(change.password)
        if password is not None:
            old_password = _given(change.old_password)
            if old_password is None:
                raise invalid(("old_password", "a new password needs the old one"))
            refuse_weak(password, row["username"] or "", email or row["email"] or "")
            await self._refuse_wrong(row, old_password)
        elif change.old_password is not msgspec.UNSET:
            raise invalid(("password", "old_password comes with a new password only"))
        new_hash = None if password is None else await self._passwords.hash(password)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK_SQL, user_id)
                changed = await connection.fetchrow(
                    _CHANGE_SQL,
                    user_id,
                    _given(change.name),
                    _given(change.language),
                    email,
                    None if new_hash is None else row["password_hash"],
                )
                if new_hash is not None and changed is not None:
                    await connection.execute(PASSWORD_SQL, user_id, new_hash)
        except asyncpg.UniqueViolationError:
            raise _taken(username=False) from None
        if changed is None:
            raise _no_account() if new_hash is None else wrong_credentials()
        if new_hash is not None:
            await self._standings.refresh()
        return user_body(changed)

    async def forget_me(self, user_id: int, password: str) -> None:
        """Forgets name, e-mail address and logins; bookings stay, without a name. Raises Problem."""
        await self._refuse_wrong(await self._row(user_id), password)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK_SQL, user_id)
            await connection.execute(_FORGET_SQL, user_id)
        await self._standings.refresh()

    async def grant(self, user_id: int, change: ChangeUserBody) -> AccountBody:
        """Gives an account another role, or takes it out of use or back. Raises Problem `not_found`."""
        if not 0 < user_id <= MAX_USER_ID:
            raise _no_account()
        if change.role is msgspec.UNSET and change.active is msgspec.UNSET:
            return account_body(await self._row(user_id))
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_GRANT_SQL, user_id, _given(change.role), _given(change.active))
            if change.active is False:
                await connection.execute(_SHUT_SQL, user_id)
        if row is None:
            raise _no_account()
        await self._standings.refresh()
        return account_body(row)

    async def page(
        self, role: str | None, active: bool | None, search: str | None, limit: int, cursor: str | None
    ) -> UsersPage:
        """Accounts, oldest first."""
        after = read_cursor(cursor, tuple[int])[0] if cursor is not None else 0
        if not 0 <= after <= MAX_USER_ID:
            raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
        rows = await self._pool.fetch(_LIST_SQL, after, role, active, search, limit + 1)
        page, next_cursor = cut(rows, limit, lambda row: (row["user_id"],))
        return UsersPage([account_body(row) for row in page], next_cursor)

    async def _row(self, user_id: int) -> asyncpg.Record:
        row = await self._pool.fetchrow(_BY_ID_SQL, user_id) if 0 < user_id <= MAX_USER_ID else None
        if row is None:
            raise _no_account()
        return row

    async def _refuse_taken(self, username: str, email: str) -> None:
        # Before the costly hash; the unique indexes have the last word.
        rows = await self._pool.fetch(_TAKEN_SQL, username, email)
        if rows:
            raise _taken(any(row["username"] for row in rows))

    async def _refuse_wrong(self, row: asyncpg.Record, password: str) -> None:
        if not await self._passwords.matches(row["password_hash"], password):
            raise Problem("bad_credentials", "The password is wrong: try again.")


def refuse_weak(password: str, username: str, email: str) -> None:
    """Raises Problem `validation` for a password that is too easily guessed."""
    weak = weakness(password, username, email)
    if weak is not None:
        raise invalid(("password", weak))


def user_body(row: asyncpg.Record) -> UserBody:
    """An account in the form its owner gets."""
    return UserBody(**_fields(row))


def account_body(row: asyncpg.Record) -> AccountBody:
    """An account in the form admins get."""
    return AccountBody(**_fields(row), active=row["active"])


def _fields(row: asyncpg.Record) -> dict[str, Any]:
    copied = {name: row[name] for name in ("username", "email", "name", "language", "role")}
    return {"id": row["user_id"], **copied, "created_at": _timestamp(row["created_at"])}


def _timestamp(at: datetime) -> str:
    return timestamp(int(at.astimezone(UTC).timestamp() * 1000))


def _given(value: Any) -> Any:
    return None if value is msgspec.UNSET else value


def _no_account() -> Problem:
    return Problem("not_found", "There is no such account: check the number.")


def _taken(username: bool) -> Problem:
    if username:
        return Problem(
            "username_taken", "This user name is taken: choose another.", errors=[("username", "taken")]
        )
    return Problem(
        "email_taken",
        "There is an account with this e-mail address: log in, or reset the password.",
        errors=[("email", "taken")],
    )

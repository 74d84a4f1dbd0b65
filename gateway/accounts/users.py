"""Accounts as they are stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from gateway.accounts.email_changes import (
    LINK_LIFETIME_S,
    LOCK_SQL,
    RESERVED_SQL,
    ask_to_confirm,
    email_taken,
)
from gateway.accounts.links import hash_of, new_token
from gateway.accounts.logins import wrong_credentials
from gateway.accounts.names import normal_name
from gateway.accounts.passwords import Passwords, weakness
from gateway.bodies import invalid
from gateway.pages import cut, read_cursor
from gateway.problems import Problem
from gateway.revocation import Revocations
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

_COLUMNS = (
    "user_id, username, email, email_confirmed, name, language, role, active, created_at, password_hash"
)

# The indexes on names are of ASCII, whose normal form is what `lower` makes of it.
_INSERT_SQL = f"""
WITH made AS (
    INSERT INTO users (username, email, name, language, password_hash)
    SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS ({RESERVED_SQL.format(email="$6")}) RETURNING {_COLUMNS}
), link AS (
    INSERT INTO email_confirmations (user_id, token_hash, email, expires_at)
    SELECT user_id, $7, email, now() + make_interval(secs => $9) FROM made
), message AS (
    INSERT INTO letters_wanted (user_id, kind, data)
    SELECT user_id, 'welcome', jsonb_build_object('token', $8::text) FROM made
)
SELECT * FROM made
"""
_BY_ID_SQL = f"SELECT {_COLUMNS} FROM users WHERE user_id = $1"
_BY_NAME_SQL = f"SELECT {_COLUMNS} FROM users WHERE active AND lower(username) = $1"
_BY_EMAIL_SQL = f"SELECT {_COLUMNS} FROM users WHERE active AND lower(email) = $1"
_TAKEN_SQL = f"""
SELECT lower(username) = $1 AS username FROM users WHERE lower(username) = $1 OR lower(email) = $2
 UNION ALL SELECT false WHERE EXISTS ({RESERVED_SQL.format(email="$2")})
"""
# A new password or address is only for a caller who knew the last password.
_CHANGE_SQL = """
UPDATE users SET name = coalesce($2, name), language = coalesce($3, language)
 WHERE user_id = $1 AND active AND ($4::text IS NULL OR password_hash = $4) RETURNING email
"""
# Always later than before, whatever the clock does.
_TOKENS_END = "tokens_from = greatest(clock_timestamp(), tokens_from + interval '1 microsecond')"
PASSWORD_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1), links AS (DELETE FROM password_resets WHERE user_id = $1)
UPDATE users SET password_hash = $2, {_TOKENS_END} WHERE user_id = $1 AND active
"""
"""Sets a password and ends every login; links that were sent are good no more."""
_FORGET_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1), links AS (DELETE FROM password_resets WHERE user_id = $1),
confirmations AS (DELETE FROM email_confirmations WHERE user_id = $1),
undos AS (DELETE FROM email_undos WHERE user_id = $1)
UPDATE users SET username = NULL, email = NULL, email_confirmed = false, name = '', password_hash = NULL,
                 active = false, role = 'customer',
                 {_TOKENS_END}
 WHERE user_id = $1
"""
_GRANT_SQL = f"""
UPDATE users SET role = coalesce($2, role), active = coalesce($3, active)
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

    def __init__(self, pool: asyncpg.Pool, passwords: Passwords, revocations: Revocations) -> None:
        self._pool = pool
        self._passwords = passwords
        self._revocations = revocations

    async def sign_up(self, wanted: SignupBody) -> UserBody:
        """Makes an account and has its welcome e-mail sent, with a link that confirms the address. Raises Problem."""
        refuse_weak(wanted.password, wanted.username, wanted.email)
        await self._refuse_taken(wanted.username, wanted.email)
        password_hash = await self._passwords.hash(wanted.password)
        token = new_token()
        try:
            row = await self._pool.fetchrow(
                _INSERT_SQL,
                wanted.username,
                wanted.email,
                wanted.name,
                wanted.language,
                password_hash,
                normal_name(wanted.email),
                hash_of(token),
                token,
                float(LINK_LIFETIME_S),
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(error.constraint_name == "users_username") from None
        if row is None:
            raise email_taken()
        return user_body(row)

    async def find(self, name: str) -> asyncpg.Record | None:
        """The row of the active account with this user name or e-mail address."""
        return await self._pool.fetchrow(_BY_EMAIL_SQL if "@" in name else _BY_NAME_SQL, normal_name(name))

    async def check_password(self, row: asyncpg.Record | None, password: str) -> asyncpg.Record:
        """The row that `find` returned, if the password is right.

        Takes the same time for accounts that do not exist. Raises Problem `bad_credentials`.
        """
        if not await self._passwords.matches(row["password_hash"] if row else None, password) or row is None:
            raise wrong_credentials()
        return row

    async def get(self, user_id: int) -> UserBody:
        """One account. Raises Problem `not_found`."""
        return user_body(await self._row(user_id))

    async def change_me(self, user_id: int, change: ChangeMeBody) -> UserBody:
        """Changes what is given. A new password or e-mail address needs the old password. Raises Problem.

        A new password ends all logins, this one too. A new address counts once it is confirmed by its link.
        """
        row = await self._row(user_id)
        email, password = _given(change.email), _given(change.password)
        guarded = [field for field, value in (("password", password), ("email", email)) if value is not None]
        if guarded:
            old_password = _given(change.old_password)
            if old_password is None:
                raise invalid(("old_password", f"a new {guarded[0]} needs the password that you have"))
            if password is not None:
                refuse_weak(password, row["username"] or "", row["email"] or "", email or "")
            await self._refuse_wrong(row, old_password)
        elif change.old_password is not msgspec.UNSET:
            raise invalid(("password", "old_password comes with a new password or e-mail address only"))
        new_hash = None if password is None else await self._passwords.hash(password)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK_SQL, user_id)
            now = await connection.fetchrow(
                _CHANGE_SQL,
                user_id,
                _given(change.name),
                _given(change.language),
                row["password_hash"] if guarded else None,
            )
            if now is None:
                raise wrong_credentials() if guarded else _no_account()
            if new_hash is not None:
                await connection.execute(PASSWORD_SQL, user_id, new_hash)
            if email is not None:
                await ask_to_confirm(connection, user_id, now["email"], email)
            changed = await connection.fetchrow(_BY_ID_SQL, user_id)
        if new_hash is not None:
            await self._revocations.refresh()
        return user_body(changed)

    async def forget_me(self, user_id: int, password: str) -> None:
        """Forgets name, e-mail address and logins; bookings stay, without a name. Raises Problem."""
        await self._refuse_wrong(await self._row(user_id), password)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK_SQL, user_id)
            await connection.execute(_FORGET_SQL, user_id)
        await self._revocations.refresh()

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
        await self._revocations.refresh()
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
        rows = await self._pool.fetch(_TAKEN_SQL, normal_name(username), normal_name(email))
        if rows:
            raise _taken(any(row["username"] for row in rows))

    async def _refuse_wrong(self, row: asyncpg.Record, password: str) -> None:
        if not await self._passwords.matches(row["password_hash"], password):
            raise Problem("bad_credentials", "The password is wrong: try again.")


def refuse_weak(password: str, *names: str) -> None:
    """Raises Problem `validation` for a password that is too easily guessed."""
    weak = weakness(password, *(name for name in names if name))
    if weak is not None:
        raise invalid(("password", weak))


def user_body(row: asyncpg.Record) -> UserBody:
    """An account in the form its owner gets."""
    return UserBody(**_fields(row))


def account_body(row: asyncpg.Record) -> AccountBody:
    """An account in the form admins get."""
    return AccountBody(**_fields(row), active=row["active"])


def _fields(row: asyncpg.Record) -> dict[str, Any]:
    names = ("username", "email", "email_confirmed", "name", "language", "role")
    copied = {name: row[name] for name in names}
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
    return email_taken()

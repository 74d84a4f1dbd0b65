"""Accounts in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from gateway.accounts.email_changes import (
    LINK_LIFETIME_S,
    LOCK_SQL,
    RESERVED_SQL,
    email_taken,
    request_change,
)
from gateway.accounts.logins import wrong_credentials
from gateway.accounts.names import looked_up, normal_name
from gateway.accounts.one_time_links import hash_of, new_token
from gateway.accounts.passwords import Passwords, weakness
from gateway.auth.revocation import Revocations
from gateway.http.bodies import invalid
from gateway.http.pagination import read_cursor, split_page
from gateway.http.problems import Problem
from runtime.outdated_plans import retry_outdated_plans
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

# Names are ASCII, for which `lower` in the indexes gives the normal form.
_INSERT_SQL = f"""
WITH created AS (
    INSERT INTO users (username, email, name, language, password_hash)
    SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS ({RESERVED_SQL.format(email="$6")}) RETURNING {_COLUMNS}
), link AS (
    INSERT INTO email_confirmations (user_id, token_hash, email, expires_at)
    SELECT user_id, $7, email, now() + make_interval(secs => $9) FROM created
), message AS (
    INSERT INTO letters_wanted (user_id, kind, data)
    SELECT user_id, 'welcome', jsonb_build_object('token', $8::text) FROM created
)
SELECT * FROM created
"""
_BY_ID_SQL = f"SELECT {_COLUMNS} FROM users WHERE user_id = $1"
_BY_NAME_SQL = f"SELECT {_COLUMNS} FROM users WHERE active AND lower(username) = $1"
_BY_EMAIL_SQL = f"SELECT {_COLUMNS} FROM users WHERE active AND lower(email) = $1"
_TAKEN_SQL = f"""
SELECT lower(username) = $1 AS username FROM users WHERE lower(username) = $1 OR lower(email) = $2
 UNION ALL SELECT false WHERE EXISTS ({RESERVED_SQL.format(email="$2")})
"""
# A new password or address requires that the password is still the one that was verified.
_CHANGE_SQL = """
UPDATE users SET name = coalesce($2, name), language = coalesce($3, language)
 WHERE user_id = $1 AND active AND ($4::text IS NULL OR password_hash = $4) RETURNING email
"""
# Later than before even if the clock goes back.
_TOKENS_END = "tokens_from = greatest(clock_timestamp(), tokens_from + interval '1 microsecond')"
# Somebody who knew the old password may have requested it.
_CHANGE_ENDS = """
change AS (DELETE FROM email_confirmations c USING users u
            WHERE c.user_id = $1 AND u.user_id = $1 AND lower(c.email) <> lower(u.email))
"""
PASSWORD_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1), links AS (DELETE FROM password_resets WHERE user_id = $1),
{_CHANGE_ENDS}
UPDATE users SET password_hash = $2, {_TOKENS_END} WHERE user_id = $1 AND active
"""
"""Sets a password, ends every login, invalidates the reset links and withdraws a pending change of the address."""
# Hashing takes a while: the password may have changed since it was verified.
_PASSWORD_HASH_SQL = "SELECT password_hash FROM users WHERE user_id = $1 AND active"
_DELETE_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1), links AS (DELETE FROM password_resets WHERE user_id = $1),
confirmations AS (DELETE FROM email_confirmations WHERE user_id = $1),
undos AS (DELETE FROM email_undos WHERE user_id = $1),
notes AS (UPDATE booking_remarks r SET note = NULL FROM bookings b
           WHERE b.user_id = $1 AND r.booking_id = b.booking_id AND r.note IS NOT NULL)
UPDATE users SET username = NULL, email = NULL, email_confirmed = false, name = '', password_hash = NULL,
                 active = false, role = 'customer',
                 {_TOKENS_END}
 WHERE user_id = $1
"""
_GRANT_SQL = f"""
UPDATE users SET role = coalesce($2, role), active = coalesce($3, active)
 WHERE user_id = $1 AND username IS NOT NULL RETURNING {_COLUMNS}
"""
_END_LOGINS_SQL = f"""
WITH ended AS (DELETE FROM logins WHERE user_id = $1),
{_CHANGE_ENDS}
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

    async def sign_up(self, signup: SignupBody) -> UserBody:
        """Creates an account and sends its welcome e-mail, with a link that confirms the address. Raises Problem."""
        reject_weak(signup.password, signup.username, signup.email)
        await self._reject_taken(signup.username, signup.email)
        password_hash = await self._passwords.hash(signup.password)
        token = new_token()
        try:
            row = await self._pool.fetchrow(
                _INSERT_SQL,
                signup.username,
                signup.email,
                signup.name,
                signup.language,
                password_hash,
                normal_name(signup.email),
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
        return await self._pool.fetchrow(_BY_EMAIL_SQL if "@" in name else _BY_NAME_SQL, looked_up(name))

    async def check_password(self, row: asyncpg.Record | None, password: str) -> asyncpg.Record:
        """The row that `find` returned, if the password matches. Raises Problem `bad_credentials`.

        Takes the same time for accounts that do not exist.
        """
        if not await self._passwords.matches(row["password_hash"] if row else None, password) or row is None:
            raise wrong_credentials()
        return row

    async def get(self, user_id: int) -> UserBody:
        """One account. Raises Problem `not_found`."""
        return user_body(await self._row(user_id))

    @retry_outdated_plans
    async def change_me(self, user_id: int, change: ChangeMeBody) -> UserBody:
        """Changes the given fields. A new password or e-mail address needs the old password. Raises Problem.

        A new password ends all logins, including this one. A new address replaces the old one once it is confirmed.
        """
        row = await self._row(user_id)
        email, password = _given(change.email), _given(change.password)
        guarded = [field for field, value in (("password", password), ("email", email)) if value is not None]
        if guarded:
            old_password = _given(change.old_password)
            if old_password is None:
                raise invalid(("old_password", f"a new {guarded[0]} needs your current password"))
            if password is not None:
                reject_weak(password, row["username"] or "", row["email"] or "", email or "")
            await self._verify_password(row, old_password)
        elif change.old_password is not msgspec.UNSET:
            raise invalid(("password", "old_password is only allowed with a new password or e-mail address"))
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
                await request_change(connection, user_id, now["email"], email)
            changed = await connection.fetchrow(_BY_ID_SQL, user_id)
        if new_hash is not None:
            await self._revocations.refresh()
        return user_body(changed)

    @retry_outdated_plans
    async def forget_me(self, user_id: int, password: str) -> None:
        """Deletes name, e-mail address, logins and staff's notes. Bookings stay, without a name. Raises Problem."""
        row = await self._row(user_id)
        await self._verify_password(row, password)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(LOCK_SQL, user_id)
            if await connection.fetchval(_PASSWORD_HASH_SQL, user_id) != row["password_hash"]:
                raise wrong_credentials()
            await connection.execute(_DELETE_SQL, user_id)
        await self._revocations.refresh()

    @retry_outdated_plans
    async def grant(self, user_id: int, change: ChangeUserBody) -> AccountBody:
        """Changes the role of an account, or deactivates or reactivates it. Raises Problem `not_found`."""
        if not 0 < user_id <= MAX_USER_ID:
            raise _no_account()
        if change.role is msgspec.UNSET and change.active is msgspec.UNSET:
            return account_body(await self._row(user_id))
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_GRANT_SQL, user_id, _given(change.role), _given(change.active))
            if change.active is False:
                await connection.execute(_END_LOGINS_SQL, user_id)
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
        page, next_cursor = split_page(rows, limit, lambda row: (row["user_id"],))
        return UsersPage([account_body(row) for row in page], next_cursor)

    async def _row(self, user_id: int) -> asyncpg.Record:
        row = await self._pool.fetchrow(_BY_ID_SQL, user_id) if 0 < user_id <= MAX_USER_ID else None
        if row is None:
            raise _no_account()
        return row

    async def _reject_taken(self, username: str, email: str) -> None:
        # Checked before the costly hash; the unique indexes are authoritative.
        rows = await self._pool.fetch(_TAKEN_SQL, normal_name(username), normal_name(email))
        if rows:
            raise _taken(any(row["username"] for row in rows))

    async def _verify_password(self, row: asyncpg.Record, password: str) -> None:
        if not await self._passwords.matches(row["password_hash"], password):
            raise Problem("bad_credentials", "The password is wrong: try again.")


def reject_weak(password: str, *names: str) -> None:
    """Raises Problem `validation` for a weak password."""
    weak = weakness(password, *(name for name in names if name))
    if weak is not None:
        raise invalid(("password", weak))


def user_body(row: asyncpg.Record) -> UserBody:
    """An account as its owner sees it."""
    return UserBody(**_fields(row))


def account_body(row: asyncpg.Record) -> AccountBody:
    """An account as admins see it."""
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

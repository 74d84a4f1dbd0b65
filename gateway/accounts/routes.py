"""Endpoints for accounts: sign-up, log-in, tokens, one's own account, and users for admins."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from gateway.accounts.attempts import AccountLimits
from gateway.accounts.email_changes import EmailChanges
from gateway.accounts.logins import Login, Logins
from gateway.accounts.names import typed_email
from gateway.accounts.password_resets import PasswordResets
from gateway.accounts.session_routes import (
    end_session,
    log_in_with_password,
    refresh_session,
    start_session,
)
from gateway.accounts.users import Users
from gateway.auth.access_tokens import ACCESS_LIFETIME_S, Caller, Tokens
from gateway.auth.guards import admin_only, logged_in
from gateway.http.framework_requests import json_accepted, query_known
from gateway.http.pagination import DEFAULT_LIMIT, MAX_LIMIT
from gateway.http.problems import Problem
from gateway.openapi.annotations import BEARER, problem_responses
from schemas.api_accounts import (
    AccountBody,
    ChangeMeBody,
    ChangeUserBody,
    EmailLinkBody,
    ForgetMeBody,
    ForgotPasswordBody,
    LoginBody,
    RefreshBody,
    ResetPasswordBody,
    SignupBody,
    TokensBody,
    UserBody,
    UsersPage,
)

MAX_BODY = 16 * 1024


@post("/signup", operation_id="SignUp", responses=problem_responses("email_taken", "username_taken"))
async def sign_up(
    data: JSONBody[SignupBody],
    users: NamedDependency[Users],
    account_limits: NamedDependency[AccountLimits],
) -> Response[UserBody]:
    """Create an account. A welcome e-mail is sent, with a link that confirms the address."""
    data = msgspec.structs.replace(data, email=typed_email(data.email))
    await account_limits.count_email("signup", data.email)
    async with account_limits.sign_up(data.email):
        user = await users.sign_up(data)
    return Response(user, status_code=201, headers={"Location": f"/api/users/{user.id}"})


@post("/login", operation_id="LogIn", status_code=200, responses=problem_responses("bad_credentials"))
async def log_in(
    data: JSONBody[LoginBody],
    users: NamedDependency[Users],
    logins: NamedDependency[Logins],
    tokens: NamedDependency[Tokens],
    account_limits: NamedDependency[AccountLimits],
) -> TokensBody:
    """Log in with a user name or an e-mail address."""
    login = await log_in_with_password(data, users, logins, account_limits)
    return _token_pair(tokens, login)


@post(
    "/token/refresh",
    operation_id="RefreshTokens",
    status_code=200,
    responses=problem_responses("token_invalid", "token_expired"),
)
async def refresh(
    data: JSONBody[RefreshBody], logins: NamedDependency[Logins], tokens: NamedDependency[Tokens]
) -> TokensBody:
    """Exchange a refresh token for a new pair of tokens. Reusing a spent token ends the login."""
    return _token_pair(tokens, await logins.renew(data.refresh))


@post("/logout", operation_id="LogOut", status_code=204, responses=problem_responses("token_invalid"))
async def log_out(data: JSONBody[RefreshBody], logins: NamedDependency[Logins]) -> None:
    """End the login that the refresh token belongs to."""
    await logins.end(data.refresh)


@get("/me", operation_id="GetMe", guards=[logged_in], security=BEARER)
async def me(caller: NamedDependency[Caller], users: NamedDependency[Users]) -> UserBody:
    """One's own account."""
    return await users.get(caller.user_id)


@patch(
    "/me",
    operation_id="ChangeMe",
    guards=[logged_in],
    security=BEARER,
    responses=problem_responses("email_taken", "bad_credentials"),
)
async def change_me(
    data: JSONBody[ChangeMeBody],
    caller: NamedDependency[Caller],
    users: NamedDependency[Users],
    account_limits: NamedDependency[AccountLimits],
) -> UserBody:
    """Change one's own account. A new password or e-mail address needs the old password.

    A new password ends every login. A new address replaces the old one once the link sent to it is used; the
    old one gets a link that undoes the change for 7 days.
    """
    async with contextlib.AsyncExitStack() as counted:
        if data.email is not msgspec.UNSET:
            data = msgspec.structs.replace(data, email=typed_email(data.email))
            assert data.email is not msgspec.UNSET
            await account_limits.count_email("signup", data.email)
            await account_limits.count("email", str(caller.user_id))
            user = await users.get(caller.user_id)
            await counted.enter_async_context(account_limits.change_of_email(user, data.email))
        if data.old_password is not msgspec.UNSET:
            await counted.enter_async_context(account_limits.attempt("password", str(caller.user_id)))
        return await users.change_me(caller.user_id, data)


@delete(
    "/me",
    operation_id="ForgetMe",
    guards=[logged_in],
    security=BEARER,
    responses=problem_responses("bad_credentials"),
)
async def forget_me(
    data: JSONBody[ForgetMeBody],
    caller: NamedDependency[Caller],
    users: NamedDependency[Users],
    account_limits: NamedDependency[AccountLimits],
) -> None:
    """Delete one's name, e-mail address and logins. Bookings stay, without a name."""
    async with account_limits.attempt("password", str(caller.user_id)):
        await users.forget_me(caller.user_id, data.password)


@post("/password/forgot", operation_id="ForgotPassword", status_code=202)
async def forgot_password(
    data: JSONBody[ForgotPasswordBody],
    password_resets: NamedDependency[PasswordResets],
    account_limits: NamedDependency[AccountLimits],
) -> Response[None]:
    """Ask for a one-time link by e-mail. The response is the same whether or not the account exists."""
    email = typed_email(data.email)
    await account_limits.count_email("link", email)
    await password_resets.request(email)
    return Response(None, status_code=202, media_type="text/plain")


@post("/password/reset", operation_id="ResetPassword", status_code=204)
async def reset_password(
    data: JSONBody[ResetPasswordBody],
    password_resets: NamedDependency[PasswordResets],
    account_limits: NamedDependency[AccountLimits],
) -> None:
    """Set a new password with the token of a one-time link. Ends every login."""
    async with account_limits.reset(data.token):
        await password_resets.spend(data.token, data.password)


@post(
    "/email/confirm", operation_id="ConfirmEmail", status_code=204, responses=problem_responses("email_taken")
)
async def confirm_email(
    data: JSONBody[EmailLinkBody],
    email_changes: NamedDependency[EmailChanges],
    account_limits: NamedDependency[AccountLimits],
) -> None:
    """Confirm an e-mail address with the token of the link that was sent to it. A new address replaces the old one."""
    await account_limits.count("email-link", data.token)
    await email_changes.confirm(data.token)


@post("/email/undo", operation_id="UndoEmail", status_code=204)
async def undo_email(
    data: JSONBody[EmailLinkBody],
    email_changes: NamedDependency[EmailChanges],
    account_limits: NamedDependency[AccountLimits],
) -> None:
    """Undo a change of the e-mail address with the token of the link that was sent to the old one.

    It ends every login and invalidates the password: ask for a new one at /api/password/forgot.
    """
    await account_limits.count("email-link", data.token)
    await email_changes.undo(data.token)


@get("/users", operation_id="ListUsers", guards=[admin_only], security=BEARER)
async def list_users(
    users: NamedDependency[Users],
    role: FromQuery[Literal["customer", "staff", "admin"] | None] = None,
    active: FromQuery[bool | None] = None,
    search: Annotated[str | None, QueryParameter(max_length=100)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, QueryParameter(max_length=2000)] = None,
) -> UsersPage:
    """Accounts, oldest first. Admins only."""
    return await users.page(role, active, search, limit, cursor)


@get("/users/{user_id:int}", operation_id="GetUser", guards=[logged_in], security=BEARER)
async def get_user(
    user_id: FromPath[int], caller: NamedDependency[Caller], users: NamedDependency[Users]
) -> UserBody:
    """An account: one's own, or any account for admins."""
    if user_id != caller.user_id and not caller.admin:
        raise Problem("forbidden", "Only admins see other accounts: see /api/me for your own.")
    return await users.get(user_id)


@patch("/users/{user_id:int}", operation_id="ChangeUser", guards=[admin_only], security=BEARER)
async def change_user(
    user_id: FromPath[int],
    data: JSONBody[ChangeUserBody],
    caller: NamedDependency[Caller],
    users: NamedDependency[Users],
) -> AccountBody:
    """Change the role of an account, or deactivate or reactivate it. Takes effect everywhere within a second."""
    if user_id == caller.user_id:
        raise Problem(
            "forbidden", "You cannot change your own role or deactivate your own account: ask another admin."
        )
    return await users.grant(user_id, data)


def account_routes() -> Router:
    """The router of all account endpoints. Their parameters must be provided as dependencies."""
    handlers: list[Any] = [
        sign_up,
        log_in,
        refresh,
        log_out,
        start_session,
        refresh_session,
        end_session,
        me,
        change_me,
        forget_me,
        forgot_password,
        reset_password,
        confirm_email,
        undo_email,
        list_users,
        get_user,
        change_user,
    ]
    return Router(
        "/api",
        route_handlers=handlers,
        guards=[json_accepted, query_known],
        request_max_body_size=MAX_BODY,
        tags=["Accounts"],
    )


def _token_pair(tokens: Tokens, login: Login) -> TokensBody:
    access = tokens.issue_access(login.user_id, login.role, time.time(), login.token_version)
    return TokensBody(access, login.refresh, ACCESS_LIFETIME_S)

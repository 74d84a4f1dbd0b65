"""Endpoints for a browser's session: log in, refresh and log out, with the refresh token in a cookie."""

from __future__ import annotations

import contextlib
import time
from typing import Any, cast

from litestar import Request, Response, delete, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from gateway.accounts.attempts import AccountLimits
from gateway.accounts.logins import Login, Logins
from gateway.accounts.session_cookies import SessionCookies, read_cookie
from gateway.accounts.users import Users
from gateway.auth.access_tokens import ACCESS_LIFETIME_S, Tokens
from gateway.http.exchange import check_json
from gateway.http.framework_requests import JsonRequest
from gateway.http.origins import Origins
from gateway.http.problems import Problem
from gateway.openapi.annotations import problem_responses
from schemas.api_accounts import LoginBody, SessionBody

COOKIE_AUTH: list[dict[str, list[str]]] = [{"session": []}]
"""The call needs the cookie."""


def own_site_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: JSON from the site's own pages only, which a form of another site cannot send."""
    headers = dict(cast("list[tuple[bytes, bytes]]", connection.scope["headers"]))
    origins: Origins = connection.app.state.origins
    origins.check_own(headers)
    if (content_type := headers.get(b"content-type")) is not None:
        check_json(content_type)


@post(
    "/session",
    operation_id="StartSession",
    status_code=200,
    guards=[own_site_only],
    responses=problem_responses("bad_credentials", "forbidden"),
)
async def start_session(
    data: JSONBody[LoginBody],
    request: Request[Any, Any, Any],
    users: NamedDependency[Users],
    logins: NamedDependency[Logins],
    tokens: NamedDependency[Tokens],
    account_limits: NamedDependency[AccountLimits],
    session_cookies: NamedDependency[SessionCookies],
) -> Response[SessionBody]:
    """Log in a browser. The refresh token is set as a cookie that only these three calls receive."""
    login = await log_in_with_password(data, users, logins, account_limits)
    if (replaced := _cookie_of(request)) is not None:
        with contextlib.suppress(Problem):
            await logins.end(replaced)
    return _session(tokens, login, session_cookies)


@post(
    "/session/refresh",
    operation_id="RefreshSession",
    status_code=200,
    guards=[own_site_only],
    security=COOKIE_AUTH,
    responses=problem_responses("unauthenticated", "token_invalid", "token_expired", "forbidden"),
)
async def refresh_session(
    request: JsonRequest,
    logins: NamedDependency[Logins],
    tokens: NamedDependency[Tokens],
    session_cookies: NamedDependency[SessionCookies],
) -> Response[SessionBody]:
    """Exchange the cookie for a new access token and the next cookie.

    For 10 seconds a spent cookie is exchanged for the same successor (two tabs, a reload); later reuse ends the login.
    """
    await request.check_no_fields()
    if (refresh := _cookie_of(request)) is None:
        raise Problem("unauthenticated", "There is no session in this browser: log in at /login.")
    try:
        login = await logins.renew_session(refresh)
    except Problem as problem:
        problem.add_headers([(b"set-cookie", session_cookies.clear().encode())])
        raise
    return _session(tokens, login, session_cookies)


@delete(
    "/session",
    operation_id="EndSession",
    status_code=204,
    guards=[own_site_only],
    responses=problem_responses("forbidden"),
)
async def end_session(
    request: JsonRequest, logins: NamedDependency[Logins], session_cookies: NamedDependency[SessionCookies]
) -> Response[None]:
    """Log out the browser: the login ends and the cookie is removed. Without a login, nothing happens."""
    await request.check_no_fields()
    if (refresh := _cookie_of(request)) is not None:
        with contextlib.suppress(Problem):
            await logins.end(refresh)
    return Response(None, status_code=204, headers={"Set-Cookie": session_cookies.clear()})


async def log_in_with_password(
    data: LoginBody, users: Users, logins: Logins, account_limits: AccountLimits
) -> Login:
    """Starts a login by user name or e-mail address. Raises Problem `bad_credentials` or `rate_limited`."""
    found = await users.find(data.username)
    # Attempts by user name and by e-mail address of one account share a limit.
    attempt = ("login", str(found["user_id"])) if found is not None else ("login-unknown", data.username)
    async with account_limits.attempt(*attempt):
        row = await users.check_password(found, data.password)
        return await logins.start(row["user_id"], row["password_hash"])


def _cookie_of(request: Request[Any, Any, Any]) -> str | None:
    headers = cast("list[tuple[bytes, bytes]]", request.scope["headers"])
    return read_cookie(b"; ".join(value for name, value in headers if name == b"cookie"))


def _session(tokens: Tokens, login: Login, session_cookies: SessionCookies) -> Response[SessionBody]:
    access = tokens.issue_access(login.user_id, login.role, time.time(), login.token_version)
    return Response(
        SessionBody(access, ACCESS_LIFETIME_S), headers={"Set-Cookie": session_cookies.set(login.refresh)}
    )

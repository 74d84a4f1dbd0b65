"""Guards of framework routes: any account, staff, or admins."""

from __future__ import annotations

import time
from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from gateway.auth.access_tokens import Caller, Tokens
from gateway.auth.revocation import Revocations
from gateway.http.problems import Problem

Connection = ASGIConnection[Any, Any, Any, Any]

_CALLER = "aisle.caller"


async def logged_in(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: the request needs a valid access token."""
    await _caller_of(connection)


async def staff_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: staff or admins only."""
    if not (await _caller_of(connection)).staff:
        raise Problem("forbidden", "This call is for staff: log in with a staff account.")


async def admin_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard: admins only."""
    if not (await _caller_of(connection)).admin:
        raise Problem("forbidden", "This call is for admins: log in with an admin account.")


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The caller, for handlers with one of these guards."""
    scope = cast("dict[str, Any]", request.scope)
    return cast("Caller", scope[_CALLER])


async def _caller_of(connection: Connection) -> Caller:
    scope = cast("dict[str, Any]", connection.scope)
    if _CALLER not in scope:
        tokens: Tokens = connection.app.state.tokens
        revocations: Revocations = connection.app.state.revocations
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        await revocations.ensure_fresh()
        scope[_CALLER] = tokens.verify(header, time.time())
    return cast("Caller", scope[_CALLER])

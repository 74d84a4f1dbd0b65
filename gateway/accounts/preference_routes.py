"""Endpoints for the e-mails that an account wants, with a login or with the link of an e-mail."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from litestar import Response, Router, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from gateway.accounts.email_preferences import EmailPreferences
from gateway.auth.access_tokens import Caller
from gateway.auth.guards import logged_in
from gateway.http.framework_requests import json_accepted, query_known
from gateway.openapi.annotations import BEARER
from schemas.api_accounts import ChangeEmailPreferencesBody, EmailPreferencesBody

_MAX_BODY = 16 * 1024

_Token = Annotated[str, QueryParameter(max_length=200)]


@get("/me/emails", operation_id="GetMyEmails", guards=[json_accepted, logged_in], security=BEARER)
async def my_emails(
    caller: NamedDependency[Caller], email_preferences: NamedDependency[EmailPreferences]
) -> EmailPreferencesBody:
    """The kinds of e-mails that this account gets besides those about its bookings."""
    return await email_preferences.get(caller.user_id)


@patch("/me/emails", operation_id="ChangeMyEmails", guards=[json_accepted, logged_in], security=BEARER)
async def change_my_emails(
    data: JSONBody[ChangeEmailPreferencesBody],
    caller: NamedDependency[Caller],
    email_preferences: NamedDependency[EmailPreferences],
) -> EmailPreferencesBody:
    """Switch kinds of e-mails on or off. E-mails about one's own bookings are always sent."""
    return await email_preferences.change(caller.user_id, data)


@post("/email/unsubscribe", operation_id="Unsubscribe", status_code=204)
async def unsubscribe(token: _Token, email_preferences: NamedDependency[EmailPreferences]) -> None:
    """Switch off the kind of e-mails that the token is for, without a login (RFC 8058).

    The address with its token stands in the header List-Unsubscribe of such an e-mail. A body is ignored.
    """
    await email_preferences.unsubscribe(token)


@get("/email/unsubscribe", operation_id="OpenUnsubscribePage", status_code=303)
async def open_unsubscribe_page(token: _Token) -> Response[None]:
    """Lead a person who opens the address to the page that asks first: programs that check links open it, too."""
    location = f"/email/unsubscribe#{quote(token, safe='')}"
    return Response(None, status_code=303, headers={"Location": location}, media_type="text/plain")


def preference_routes() -> Router:
    """The router of these endpoints. Dependencies to provide: `email_preferences` and `caller`."""
    handlers: list[Any] = [my_emails, change_my_emails, unsubscribe, open_unsubscribe_page]
    return Router(
        "/api",
        route_handlers=handlers,
        guards=[query_known],
        request_max_body_size=_MAX_BODY,
        tags=["Accounts"],
    )

"""`/inbox`: the e-mails of embedded mode, as pages and as JSON.

The e-mails contain links that set passwords, so the inbox serves only this machine: requests from a loopback address,
not through a proxy, and with a host name of this machine, against DNS rebinding. The HTML of an e-mail is shown in a
sandboxed frame without scripts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import msgspec
from litestar import Request, Response, Router, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, QueryParameter

from gateway.http.bodies import invalid
from gateway.http.problems import Problem
from gateway.inbox.sanitising import sanitised
from gateway.inbox.store import ID, PDF, StoredEmails
from gateway.site.languages import language_for
from gateway.site.rendering import Renderer
from gateway.site.responses import POLICY

_PAGE_CSP = POLICY.decode() + "; frame-src 'self'"
_BODY_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_PROXY_HEADER = re.compile(
    r"forwarded|via|x-(forwarded|real|client|original|envoy|cluster|amzn)-.*|cf-.*|(true-)?client-ip|fastly-.*"
)
_PRIVATE = {"Cache-Control": "no-store"}

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Format = Annotated[
    Literal["html", "json"] | None, QueryParameter(description="Instead of the Accept header.")
]


class FromThisMachine:
    """Guard: accepts requests from this machine that name it as their host.

    The host of `public_url` is accepted as well. Connections from `trusted_proxies` are rejected, since they carry
    requests of other machines.
    """

    def __init__(self, public_url: str, trusted_proxies: Iterable[_Network] = ()) -> None:
        self._hosts = _OWN_HOSTS | {urlsplit(public_url).hostname}
        self._trusted = tuple(trusted_proxies)

    def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        """Raises Problem `forbidden` for any other request."""
        client = connection.client
        address = None if client is None else _address(client.host)
        if (
            address is None
            or not address.is_loopback
            or any(_PROXY_HEADER.fullmatch(name) for name in connection.headers)
            or connection.scope["http_version"] == "1.0"  # as nginx does by default, without a header
            or any(address in network for network in self._trusted)
            or _host(connection.headers.get("host", "")) not in self._hosts
        ):
            raise Problem(
                "forbidden",
                "The inbox holds the e-mails of all users, so it can be opened only on the machine itself, as "
                "http://127.0.0.1, or set AISLE_SMTP_URL to a real mail server.",
            )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _host(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


@get("/", sync_to_thread=True)
def list_emails(
    request: Request[Any, Any, Any],
    emails: NamedDependency[StoredEmails],
    renderer: NamedDependency[Renderer],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, QueryParameter(max_length=40)] = None,
    to: Annotated[str | None, QueryParameter(max_length=320)] = None,
    search: Annotated[str | None, QueryParameter(name="q", max_length=200)] = None,
    format: Format = None,  # noqa: A002
) -> Response[bytes]:
    """The e-mails, newest first."""
    if cursor is not None and not ID.match(cursor):
        raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
    page = emails.page(limit, cursor, to, search)
    if _wants_json(request, format):
        return _json(page)
    older = None
    if page.next_cursor is not None:
        older = f"/inbox?limit={limit}&cursor={page.next_cursor}" + (f"&to={quote(to)}" if to else "")
        older += f"&q={quote(search)}" if search else ""
    return _page(
        request,
        renderer,
        "inbox.html",
        emails=page.items,
        older=older,
        to=to,
        search=search or "",
        first=cursor is None,
    )


@get("/{email_id:str}", sync_to_thread=True)
def show_email(
    request: Request[Any, Any, Any],
    emails: NamedDependency[StoredEmails],
    renderer: NamedDependency[Renderer],
    email_id: FromPath[str],
    format: Format = None,  # noqa: A002
) -> Response[bytes]:
    """One e-mail."""
    email = _found(emails.get(email_id))
    return (
        _json(email)
        if _wants_json(request, format)
        else _page(request, renderer, "inbox_email.html", email=email)
    )


@get("/{email_id:str}/body", sync_to_thread=True)
def show_body(emails: NamedDependency[StoredEmails], email_id: FromPath[str]) -> Response[bytes]:
    """The HTML of an e-mail, for the frame on its page."""
    html = sanitised(_found(emails.html(email_id)))
    return Response(
        html.encode(), media_type="text/html", headers=_PRIVATE | {"Content-Security-Policy": _BODY_CSP}
    )


@get("/{email_id:str}/raw", sync_to_thread=True)
def download_raw(emails: NamedDependency[StoredEmails], email_id: FromPath[str]) -> Response[bytes]:
    """The source of an e-mail."""
    return _download(f"{email_id}.eml", "message/rfc822", _found(emails.raw(email_id)))


@get("/{email_id:str}/attachments/{number:int}", sync_to_thread=True)
def download_attachment(
    emails: NamedDependency[StoredEmails], email_id: FromPath[str], number: FromPath[int]
) -> Response[bytes]:
    """An attachment of an e-mail."""
    return _download(*_found(emails.attachment(email_id, number)))


@get("/{email_id:str}/attachments/{number:int}/view", sync_to_thread=True)
def view_attachment(
    emails: NamedDependency[StoredEmails], email_id: FromPath[str], number: FromPath[int]
) -> Response[bytes]:
    """A PDF, for the frame on the page of its e-mail."""
    name, media_type, content = _found(emails.attachment(email_id, number))
    if media_type != PDF:
        raise Problem("not_found", "Only a PDF is shown; other files are downloaded.")
    headers = _PRIVATE | {
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(name, safe='')}",
        # A viewer of the browser does not run in a sandbox. A PDF is never taken for HTML: see nosniff.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=PDF, headers=headers)


def inbox_routes(home: Path, allowed: FromThisMachine, renderer: Renderer) -> list[Any]:
    """The routes of the inbox over the folder of the notifier's mail server. For embedded mode only."""
    emails = StoredEmails(home / "inbox")
    return [
        Router(
            "/inbox",
            route_handlers=[
                list_emails,
                show_email,
                show_body,
                download_raw,
                download_attachment,
                view_attachment,
            ],
            dependencies={
                "emails": Provide(lambda: emails, sync_to_thread=False),
                "renderer": Provide(lambda: renderer, sync_to_thread=False),
            },
            guards=[allowed],
            include_in_schema=False,
        )
    ]


def _found(value: Any) -> Any:
    if value is None:
        raise Problem(
            "not_found", "There is no such e-mail, or it has been deleted: /inbox lists the e-mails."
        )
    return value


def _wants_json(request: Request[Any, Any, Any], format: str | None) -> bool:  # noqa: A002
    if format is not None:
        return format == "json"
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _json(value: Any) -> Response[bytes]:
    return Response(
        msgspec.json.encode(value), media_type="application/json", headers=_PRIVATE | {"Vary": "Accept"}
    )


def _page(
    request: Request[Any, Any, Any], renderer: Renderer, template: str, **values: Any
) -> Response[bytes]:
    language = language_for(request.scope["query_string"], dict(request.scope["headers"]))
    headers = _PRIVATE | {
        "Content-Security-Policy": _PAGE_CSP,
        "Vary": "Accept, Accept-Language, Cookie",
        "X-Frame-Options": "DENY",
    }
    return Response(renderer.render(template, language, **values), media_type="text/html", headers=headers)


def _download(name: str, media_type: str, content: bytes) -> Response[bytes]:
    headers = _PRIVATE | {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(content, media_type=media_type, headers=headers)

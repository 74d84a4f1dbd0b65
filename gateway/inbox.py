"""`/inbox`: the letters of embedded mode, as pages and as JSON.

The e-mails hold links that set passwords, so the inbox is shown to this machine alone: to requests from a loopback
address, not through a proxy, and under a name that is this machine's, so that no other site's name can be made to point
here (DNS rebinding). What an e-mail contains is shown in a frame that can do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import jinja2
import msgspec
from litestar import Request, Response, Router, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, QueryParameter

from gateway.bodies import invalid
from gateway.problems import Problem
from gateway.stored_letters import ID, StoredLetters

_STYLE = (files("gateway") / "templates" / "inbox.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_PAGE_CSP = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_BODY_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_PRIVATE = {"Cache-Control": "no-store"}

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

Format = Annotated[
    Literal["html", "json"] | None, QueryParameter(description="Instead of the Accept header.")
]


class FromThisMachine:
    """Guard: the request comes from this machine, and asks for it by name.

    `public_url` is Aisle's own address, whose host may be asked for, too; connections from `trusted_proxies` carry the
    requests of others.
    """

    def __init__(self, public_url: str, trusted_proxies: Iterable[_Network] = ()) -> None:
        self._hosts = _OWN_HOSTS | {urlsplit(public_url).hostname}
        self._trusted = tuple(trusted_proxies)

    def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        """Raises Problem `forbidden` for all other requests."""
        client = connection.client
        address = None if client is None else _address(client.host)
        if (
            address is None
            or not address.is_loopback
            or any(name in connection.headers for name in _OF_PROXIES)
            or any(address in network for network in self._trusted)
            or _host(connection.headers.get("host", "")) not in self._hosts
        ):
            raise Problem(
                "forbidden",
                "The inbox holds everybody's e-mails and is shown to the machine itself only: open it there as "
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
def list_letters(
    request: Request[Any, Any, Any],
    letters: NamedDependency[StoredLetters],
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, QueryParameter(max_length=40)] = None,
    to: Annotated[str | None, QueryParameter(max_length=320)] = None,
    format: Format = None,  # noqa: A002
) -> Response[bytes]:
    """The letters, newest first."""
    if cursor is not None and not ID.match(cursor):
        raise invalid(("cursor", "take it unchanged from next_cursor of the page before"))
    page = letters.page(limit, cursor, to)
    if _wants_json(request, format):
        return _json(page)
    older = None
    if page.next_cursor is not None:
        older = f"/inbox?limit={limit}&cursor={page.next_cursor}" + (f"&to={quote(to)}" if to else "")
    return _page("inbox.html", letters=page.items, older=older, to=to, first=cursor is None)


@get("/{letter_id:str}", sync_to_thread=True)
def show_letter(
    request: Request[Any, Any, Any],
    letters: NamedDependency[StoredLetters],
    letter_id: FromPath[str],
    format: Format = None,  # noqa: A002
) -> Response[bytes]:
    """One letter."""
    letter = _found(letters.letter(letter_id))
    return _json(letter) if _wants_json(request, format) else _page("inbox_letter.html", letter=letter)


@get("/{letter_id:str}/body", sync_to_thread=True)
def show_body(letters: NamedDependency[StoredLetters], letter_id: FromPath[str]) -> Response[bytes]:
    """The HTML of a letter, for the frame on its page."""
    html = '<base target="_blank">' + _found(letters.html(letter_id))
    return Response(
        html.encode(), media_type="text/html", headers=_PRIVATE | {"Content-Security-Policy": _BODY_CSP}
    )


@get("/{letter_id:str}/raw", sync_to_thread=True)
def download_raw(letters: NamedDependency[StoredLetters], letter_id: FromPath[str]) -> Response[bytes]:
    """A letter as it went over the wire."""
    return _download(f"{letter_id}.eml", "message/rfc822", _found(letters.raw(letter_id)))


@get("/{letter_id:str}/attachments/{number:int}", sync_to_thread=True)
def download_attachment(
    letters: NamedDependency[StoredLetters], letter_id: FromPath[str], number: FromPath[int]
) -> Response[bytes]:
    """An attachment of a letter."""
    return _download(*_found(letters.attachment(letter_id, number)))


def inbox_routes(home: Path, allowed: FromThisMachine) -> list[Any]:
    """The inbox over the folder that the notifier's mail server fills. For embedded mode only."""
    letters = StoredLetters(home / "inbox")
    return [
        Router(
            "/inbox",
            route_handlers=[list_letters, show_letter, show_body, download_raw, download_attachment],
            dependencies={"letters": Provide(lambda: letters, sync_to_thread=False)},
            guards=[allowed],
            include_in_schema=False,
        )
    ]


def _found(thing: Any) -> Any:
    if thing is None:
        raise Problem(
            "not_found", "There is no such letter, or not any more; see /inbox for those there are."
        )
    return thing


def _wants_json(request: Request[Any, Any, Any], format: str | None) -> bool:  # noqa: A002
    if format is not None:
        return format == "json"
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _json(value: Any) -> Response[bytes]:
    return Response(
        msgspec.json.encode(value), media_type="application/json", headers=_PRIVATE | {"Vary": "Accept"}
    )


def _page(template: str, **values: Any) -> Response[bytes]:
    html = _templates.get_template(template).render(style=_STYLE, **values)
    headers = _PRIVATE | {"Content-Security-Policy": _PAGE_CSP, "Vary": "Accept"}
    return Response(html.encode(), media_type="text/html", headers=headers)


def _download(name: str, media_type: str, content: bytes) -> Response[bytes]:
    headers = _PRIVATE | {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(content, media_type=media_type, headers=headers)

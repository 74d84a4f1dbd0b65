"""AISLE_SMTP_URL: the mail server. Pure.

`smtp://` uses STARTTLS where the server offers it (`?starttls=required` enforces it, `?starttls=off` disables it),
`smtps://` uses TLS from the start; `user:password@` logs in, which requires TLS except on this machine. `?ehlo=…` is
the name that the client gives; else it is the domain of the sender.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from runtime.addresses.connection_url import split_url
from runtime.addresses.web_address import normal_host

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_IMPLICIT_TLS_PORT = 465
_STARTTLS_PORTS = (25, 587)


class MailServer(msgspec.Struct, frozen=True):
    """Address, encryption and login of a mail server."""

    host: str
    port: int
    tls: bool
    starttls: Literal["offered", "required", "off"]
    username: str | None
    password: str | None
    ehlo: str | None = None
    """Name that the client gives; None: the domain of the sender."""

    @property
    def start_tls(self) -> bool | None:
        return {"offered": None, "required": True, "off": False}[self.starttls]


def read_server(text: str) -> MailServer:
    """Returns the server of a URL. Raises ValueError without any part of the URL in its message."""
    url = split_url(text)
    if (
        url.scheme not in ("smtp", "smtps")
        or len(url.hosts) != 1
        or url.path
        or url.hosts[0][0].startswith("/")
    ):
        raise ValueError("smtp://[user:password@]host[:port] or smtps://… is wanted")
    tls = url.scheme == "smtps"
    starttls = url.query.get("starttls", "offered")
    if (
        set(url.query) - {"starttls", "ehlo"}
        or starttls not in ("offered", "required", "off")
        or (tls and "starttls" in url.query)
    ):
        raise ValueError(
            "the options are ?starttls=offered, required or off, with smtp://, and ?ehlo=host.example"
        )
    if url.password is not None and url.user is None:
        raise ValueError("a password needs a user name: smtp://user:password@host")
    host, given_port = url.hosts[0]
    port = given_port or (_IMPLICIT_TLS_PORT if tls else 587 if url.user else 25)
    if port == _IMPLICIT_TLS_PORT and not tls:
        raise ValueError("port 465 speaks TLS from the start: write smtps:// in place of smtp://")
    if port in _STARTTLS_PORTS and tls:
        raise ValueError(
            f"port {port} does not speak TLS from the start: write smtp:// and ?starttls=required in place of smtps://"
        )
    server = MailServer(
        host=host,
        port=port,
        tls=tls,
        starttls="off" if tls else starttls,  # type: ignore[arg-type]
        username=url.user,
        password=url.password or "" if url.user else None,
        ehlo=_ehlo(url.query.get("ehlo")),
    )
    if server.username is None or tls or starttls == "required" or host in _LOOPBACK:
        return server
    if starttls == "off":
        raise ValueError("a password must not go over the net in the clear; leave out ?starttls=off")
    return msgspec.structs.replace(server, starttls="required")


def _ehlo(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return normal_host(name)
    except ValueError:
        raise ValueError("?ehlo= wants a host name, such as ?ehlo=host.venue.example") from None


def read_mail_server_url(text: str) -> str:
    """Returns the normal form of a URL for `read_server`. Raises ValueError without any part of it."""
    read_server(text)
    return str(split_url(text))

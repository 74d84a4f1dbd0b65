"""Server URLs with user name and password: strict parsing and a normal form. Pure.

An ambiguous URL is rejected: programs differ in where they take a password to end. No message repeats any part of
the URL, because any part may belong to a password.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote

import msgspec

from runtime.addresses.web_address import bracketed, split_port

ENCODE = "percent-encode # / @ ? % and blanks in user name and password (%23 %2F %40 %3F %25 %20)"

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class ConnectionUrl(msgspec.Struct, frozen=True):
    """The decoded parts of a URL. Hosts have ports; the folder of a socket begins with `/`."""

    scheme: str
    user: str | None
    password: str | None
    hosts: tuple[tuple[str, int | None], ...]
    path: str
    """Without its first slash."""
    query: dict[str, str]

    def __str__(self) -> str:
        """Returns the normal form, with the password."""
        return self._written(self.password)

    def without_secrets(self) -> str:
        """Returns the form for messages: without password and options."""
        hidden = msgspec.structs.replace(self, query={})
        return hidden._written(None if self.password is None else "…")

    def _written(self, password: str | None) -> str:
        user = "" if self.user is None else quote(self.user, safe="")
        if password is not None:
            user += f":{password if password == '…' else quote(password, safe='')}"
        hosts = ",".join(
            (quote(host, safe="") if host.startswith("/") else bracketed(host)) + (f":{port}" if port else "")
            for host, port in self.hosts
        )
        query = "&".join(f"{name}={quote(value, safe='/,')}" for name, value in self.query.items())
        return "".join(
            (
                f"{self.scheme}://{user}{'@' if user else ''}{hosts}",
                f"/{quote(self.path, safe='/')}" if self.path else "",
                f"?{query}" if query else "",
            )
        )


def split_url(text: str) -> ConnectionUrl:
    """Returns the parts of a URL. Raises ValueError without any part in its message."""
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError(f"it has a blank or a control character: {ENCODE}")
    if "#" in text:
        raise ValueError(f"it has a # as it is: {ENCODE}")
    if _BAD_ESCAPE.search(text):
        raise ValueError(f"it has a % that is not followed by two hexadecimal digits: {ENCODE}")
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError("it has no ://")
    authority, path, query = re.fullmatch(r"([^/?]*)([^?]*)\??(.*)", rest).groups()  # type: ignore[union-attr]
    if "@" in path or "@" in query or authority.count("@") > 1:
        raise ValueError(f"it has an @ in the wrong place: {ENCODE}")
    userinfo, _, hosts = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    if colon and not user and not password:
        raise ValueError("it has a : where user name and password are wanted")
    return ConnectionUrl(
        scheme=scheme.lower(),
        user=_decoded(user) if user else None,
        password=_decoded(password) if password else None,
        hosts=tuple(_host(host) for host in hosts.split(",")) if hosts else (),
        path=_decoded(path[1:]),
        query=_query(query),
    )


def readable_file(word: str, path: str) -> None:
    """Raises ValueError, with the name of the option, for an unreadable file."""
    if not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise ValueError(f"{word} names no file that this user can read")


def _host(text: str) -> tuple[str, int | None]:
    if text[:3].lower() == "%2f":
        folder, _, port = text.partition(":")
        return _decoded(folder), split_port(f"localhost:{port}")[1] if port else None
    return split_port(text)


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if not name or not equals or not value:
            raise ValueError("an option is written ?name=value, several with & between them, none empty")
        if (name := _decoded(name)) in found:
            raise ValueError("an option is there twice")
        found[name] = _decoded(value)
    return found


def _decoded(text: str) -> str:
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"its percent-encoding is not UTF-8: {ENCODE}") from None
    if "\0" in plain:
        raise ValueError("it has a zero byte")
    return plain

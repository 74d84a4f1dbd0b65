"""Normal forms of hosts, origins and the site's own address. Pure.

An origin has the form that browsers send: lower case, IDN in ASCII (IDNA 2008), IPv6 shortened and in brackets,
no port if it is the default of the scheme. Origins are compared in this form.
"""

from __future__ import annotations

import ipaddress
import re

import idna

DEFAULT_PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_NUMERIC_END = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")


def normal_host(host: str) -> str:
    """Returns the normal form of a name or an IP address, IPv6 without brackets. Raises ValueError without the text."""
    if host.startswith("[") and host.endswith("]"):
        return _ipv6(host[1:-1])
    if ":" in host:
        return _ipv6(host)
    if not host.isascii() or "xn--" in host.lower():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise ValueError("the host is not a valid internationalised name") from None
    host = host.lower()
    if _NUMERIC_END.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError("the host is neither a name nor an IPv4 address") from None
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise ValueError("the host is neither a name nor an IP address")
    return host


def bracketed(host: str) -> str:
    """Returns the form of a host in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def split_port(text: str) -> tuple[str, int | None]:
    """Returns host and port of `host`, `host:port` or `[address]:port`, in normal form.

    Raises ValueError without the text in its message.
    """
    if text.startswith("["):
        host, closing, rest = text.partition("]")
        host, colon, port = host + closing, rest[:1], rest[1:]
        if not closing or (rest and colon != ":"):
            raise ValueError("an IPv6 address is written [2001:db8::1], with a port [2001:db8::1]:port")
    else:
        host, colon, port = text.partition(":")
        if ":" in port:
            raise ValueError("an IPv6 address is written [2001:db8::1], with a port [2001:db8::1]:port")
    if not host:
        raise ValueError("the host is missing")
    if colon and not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError("a port is a number from 1 to 65535")
    return normal_host(host), int(port) if colon else None


def read_origin(text: str) -> str:
    """Returns the normal form of an origin. Raises ValueError, with the valid spelling if there is one."""
    if text == "*":
        raise ValueError("each site is named, such as https://shop.example: * is not supported")
    if text.lower() == "null":
        raise ValueError(
            "pages without an origin (null) cannot be listed: serve them from a site with a name"
        )
    return _web_address(text, "https://shop.example", allow_slash=False)


def read_public_url(text: str) -> str:
    """Returns the normal form of the site's address, without a trailing slash. Raises ValueError."""
    return _web_address(text, "https://tickets.example", allow_slash=True)


def read_collector_url(text: str) -> str:
    """Returns the normal form of the address of a collector of traces. Raises ValueError."""
    return _web_address(text, "http://127.0.0.1:4318", allow_slash=True)


def _web_address(text: str, example: str, *, allow_slash: bool) -> str:
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError(f"an address such as {example} is wanted, without blanks")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        raise ValueError(f"an address such as {example} is wanted, with http:// or https://")
    authority, more = re.fullmatch(r"([^/?#\\]*)(.*)", rest).groups()  # type: ignore[union-attr]
    host, port = split_port(authority.rpartition("@")[2])
    if "%" in host:
        raise ValueError("an address with a zone cannot be opened by browsers")
    if "@" in more:
        raise ValueError(f"an address such as {example} is wanted, without user name and password")
    given = "" if port in (None, DEFAULT_PORTS[scheme]) else f":{port}"
    normal = f"{scheme}://{bracketed(host)}{given}"
    if "@" in authority:
        raise ValueError(f"no user name or password belongs here: write {normal}")
    if more and not (allow_slash and not more.strip("/")):
        raise ValueError(f"only scheme, host and port are wanted, no path, query or fragment: write {normal}")
    return normal


def _ipv6(address: str) -> str:
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        raise ValueError("the host is not an IPv6 address") from None

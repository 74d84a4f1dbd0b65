"""AISLE_MAIL_FROM: the name and address that e-mails come from. Pure.

The name may be written as it is, with commas and colons: only one sender is possible, so nothing needs quotes.
"""

from __future__ import annotations

import re

from runtime.addresses.web_address import normal_host

_WANTED = "one address is wanted, such as Venue <tickets@venue.example>"
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def split_sender(text: str) -> tuple[str, str]:
    """Name and address, the domain in ASCII. Raises ValueError."""
    text = text.strip(" ")
    if not text.isprintable():
        raise ValueError(f"{_WANTED}, without control characters")
    if not text.endswith(">"):
        return "", _address(text)
    name, opening, address = text[:-1].rpartition("<")
    if not opening:
        raise ValueError(_WANTED)
    name = name.strip(" ")
    if quoted := _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    elif "@" in name or "<" in name or ">" in name:
        raise ValueError(f"{_WANTED}; a name with @, < or > is put in quotes")
    elif '"' in name:
        raise ValueError(f"{_WANTED}; quotes stand around the whole name")
    if "=?" in name:
        raise ValueError(f"{_WANTED}; the name is written as it is read, not encoded")
    return " ".join(name.split()), _address(address)


def read_sender(text: str) -> str:
    """Returns the normal form, which `split_sender` splits into the same parts. Raises ValueError."""
    name, address = split_sender(text)
    if not name:
        return address
    if re.search(r"[^\w\s&\'’.!-]", name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{address}>"


def _address(text: str) -> str:
    local, at, domain = text.rpartition("@")
    if not at or "@" in local or any(c in local for c in '<>,;:" \\'):
        raise ValueError(_WANTED)
    if len(local.encode()) > 64 or not (_LOCAL.fullmatch(local) if local.isascii() else local[0] != "."):
        raise ValueError(f"{_WANTED}: what stands before the @ is not an address")
    if domain.startswith("[") or ":" in domain:
        raise ValueError(f"{_WANTED}: the domain is a name, not an IP address")
    host = normal_host(domain)
    if host.replace(".", "").isdigit() or host.endswith("."):
        raise ValueError(f"{_WANTED}: the domain is a name, without a dot at its end")
    return f"{local}@{host}"

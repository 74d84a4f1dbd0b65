"""E-mail addresses as people type them, and the form in which they are stored. Pure.

Blanks around an address are cut off, and a domain beyond ASCII is stored as IDNA 2008 writes it: `ada@straße.example`
becomes `ada@xn--strae-oqa.example`, never `strasse.example`, which is somebody else's. Before the @ only the characters
of RFC 5321 without quotes are taken: few servers accept others, and an account has one address.
"""

from __future__ import annotations

import re

from runtime.addresses.web_address import normal_host

LONGEST = 254
_BLANKS = " \t\u00a0\u3000"
"""Cut off at both ends. A line break is none: it is not typed into a field, but smuggled into a header."""
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def read_email(text: str) -> str:
    """The address as it is stored, in ASCII. Raises ValueError for what is not an address."""
    local, at, domain = text.strip(_BLANKS).rpartition("@")
    if not at or "@" in local or not 1 <= len(local) <= 64:
        raise ValueError("an e-mail address such as ada@example.com is wanted")
    if not local.isascii():
        raise ValueError(
            "letters beyond A to Z are fine after the @, but not before it: few mail servers take them"
        )
    if not _LOCAL.fullmatch(local):
        raise ValueError(
            "before the @, a dot at the end, at the start or beside another one is not taken, as many mail servers"
            " refuse it, nor are quotes and blanks"
        )
    try:
        host = normal_host(domain)
    except ValueError:
        host = ""
    if "." not in host.strip(".") or host.endswith(".") or ":" in host or "_" in host or _numeric(host):
        raise ValueError("what stands after the @ is not the name of a mail domain")
    # A domain in ASCII stays as it was typed: addresses are compared regardless of its case.
    address = f"{local}@{domain if domain.isascii() and 'xn--' not in domain.lower() else host}"
    if len(address) > LONGEST:
        raise ValueError(f"an address has at most {LONGEST} characters")
    return address


def ascii_domain(domain: str) -> str:
    """A domain as it is sent. Raises ValueError."""
    return normal_host(domain)


def _numeric(host: str) -> bool:
    return host.replace(".", "").isdigit()

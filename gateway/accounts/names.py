"""The normal form of user names and e-mail addresses, for look-ups, uniqueness and rate limits.

Both are ASCII and compared without regard to the case of A to Z. No other character is folded: `İ` is not an `i`,
neither here nor in PostgreSQL's indexes on lower(username) and lower(email), whose rows are ASCII.
"""

from __future__ import annotations

import string

from gateway.http.bodies import invalid
from runtime.addresses.email_address import read_email

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normal_name(name: str) -> str:
    """The form in which a user name or an e-mail address is compared."""
    return name.translate(_LOWER)


def typed_email(text: str) -> str:
    """The address that was typed into the field `email`, as it is stored. Raises Problem `invalid`."""
    try:
        return read_email(text)
    except ValueError as error:
        raise invalid(("email", str(error))) from None


def looked_up(name: str) -> str:
    """A user name or an address in the form in which accounts are found; what is no address stays as it is."""
    try:
        return normal_name(read_email(name) if "@" in name else name)
    except ValueError:
        return normal_name(name)


_GOOGLE = ("gmail.com", "googlemail.com")


def mailbox(email: str) -> str:
    """The address that the mailbox's others are delivered to, in normal form. For rate limits only.

    Many servers deliver `ada+anything@…` to `ada@…`. Gmail ignores dots as well, and has two domains.
    """
    local, at, domain = normal_name(email).rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _GOOGLE:
        local, domain = local.replace(".", ""), _GOOGLE[0]
    return local + at + domain

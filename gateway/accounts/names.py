"""The normal form of user names and e-mail addresses, for look-ups, uniqueness and rate limits.

Both are ASCII and compared without regard to the case of A to Z. No other character is folded: `İ` is not an `i`,
neither here nor in PostgreSQL's indexes on lower(username) and lower(email), whose rows are ASCII.
"""

from __future__ import annotations

import string

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normal_name(name: str) -> str:
    """The form in which a user name or an e-mail address is compared."""
    return name.translate(_LOWER)


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

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


def mailbox(email: str) -> str:
    """The address without a tag: many servers deliver `ada+anything@…` to `ada@…`. For rate limits only."""
    local, at, domain = email.rpartition("@")
    return (local.partition("+")[0] or local) + at + domain

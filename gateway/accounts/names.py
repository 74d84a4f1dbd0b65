"""The normal form of user names and e-mail addresses: one for look-ups, uniqueness and rate limits.

Both are ASCII, and compared without regard to the case of the letters A to Z. No other character is folded: `İ` is not
an `i`, here or in PostgreSQL's indexes on lower(username) and lower(email), whose rows are ASCII.
"""

from __future__ import annotations

import string

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normal_name(name: str) -> str:
    """A user name or an e-mail address as it is compared."""
    return name.translate(_LOWER)

"""Where letters point to on the site.

What comes after `#` stays in the browser: neither server logs nor other sites get to see a reset token.
"""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID


def home(public_url: str) -> str:
    """The site itself."""
    return f"{public_url}/"


def booking(public_url: str, booking_id: UUID) -> str:
    """One booking."""
    return f"{public_url}/#/bookings/{booking_id}"


def password_reset(public_url: str, token: str) -> str:
    """Where a new password is set with a one-time token."""
    return f"{public_url}/#/reset/{quote(token, safe='')}"


def email_confirmation(public_url: str, token: str) -> str:
    """Where an e-mail address is confirmed with a one-time token."""
    return f"{public_url}/#/email/confirm/{quote(token, safe='')}"


def email_undo(public_url: str, token: str) -> str:
    """Where a change of the e-mail address is undone with a one-time token."""
    return f"{public_url}/#/email/undo/{quote(token, safe='')}"

"""Links of the e-mails to pages of the site.

A browser does not send the part after `#`, so tokens reach neither server logs nor other sites.
"""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID


def home(public_url: str) -> str:
    """The front page."""
    return f"{public_url}/"


def booking(public_url: str, booking_id: UUID) -> str:
    """The page of one booking."""
    return f"{public_url}/bookings/{booking_id}"


def password_reset(public_url: str, token: str) -> str:
    """The page that sets a new password with a one-time token."""
    return f"{public_url}/password/reset#{quote(token, safe='')}"


def email_confirmation(public_url: str, token: str) -> str:
    """The page that confirms an e-mail address with a one-time token."""
    return f"{public_url}/email/confirm#{quote(token, safe='')}"


def email_undo(public_url: str, token: str) -> str:
    """The page that undoes a change of the e-mail address with a one-time token."""
    return f"{public_url}/email/undo#{quote(token, safe='')}"


def show(public_url: str, show_id: int) -> str:
    """The page of one show."""
    return f"{public_url}/shows/{show_id}"

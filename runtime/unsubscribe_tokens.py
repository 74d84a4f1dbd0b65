"""Signed tokens that switch one kind of e-mails of an account off: `reminders.7.xxxx`. Pure.

A token does nothing else, so it may stand in a header that every mail server on the way reads. It does not expire:
somebody may open an old e-mail.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Literal, NamedTuple

Preference = Literal["reminders", "summaries"]

_SIZE = 16


class Unsubscribe(NamedTuple):
    """What a valid token asks for."""

    user_id: int
    preference: Preference


def unsubscribe_token(key: bytes, user_id: int, preference: Preference) -> str:
    """The token for one account and kind."""
    text = f"{preference}.{user_id}"
    return f"{text}.{_signature(key, text)}"


def read_unsubscribe_token(key: bytes, token: str) -> Unsubscribe | None:
    """What a token asks for; None for one that is not ours."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(errors="replace"), _signature(key, text).encode()):
        return None
    preference, _, user_id = text.partition(".")
    return Unsubscribe(int(user_id), "summaries" if preference == "summaries" else "reminders")


def _signature(key: bytes, text: str) -> str:
    made = hmac.new(key, text.encode(errors="replace"), hashlib.sha256).digest()[:_SIZE]
    return base64.urlsafe_b64encode(made).decode().rstrip("=")

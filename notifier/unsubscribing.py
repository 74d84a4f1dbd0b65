"""Links that switch reminders or summaries off, without a login."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import msgspec

from notifier.email_parts import Content
from notifier.facts import Recipient
from runtime.unsubscribe_tokens import unsubscribe_token


class Unsubscribing(msgspec.Struct, frozen=True):
    """Makes the links. `key` signs them."""

    key: bytes
    public_url: str

    def applied(
        self, content: Content, to: Recipient, preference: Literal["reminders", "summaries"], text: str
    ) -> Content:
        """The e-mail with its links: a page that asks, and the address that a mail program posts to."""
        token = quote(unsubscribe_token(self.key, to.user_id, preference), safe="")
        return msgspec.structs.replace(
            content,
            unsubscribe=text,
            unsubscribe_page=f"{self.public_url}/email/unsubscribe#{token}",
            one_click=f"{self.public_url}/api/email/unsubscribe?token={token}",
        )

"""A header with text, in encoded words (RFC 2047) where it is not ASCII.

The standard library's folding of text sometimes drops a space, or adds one at the start.
"""

from __future__ import annotations

from email.header import Header
from email.policy import EmailPolicy

_LINE_LENGTH = 75


class TextHeader(str):
    """A header value for EmailMessage, which calls `fold` on it."""

    name: str
    """The header's name. EmailMessage keeps a value that has this attribute unchanged."""

    @classmethod
    def of(cls, header: str, text: str) -> TextHeader:
        made = cls(text)
        made.name = header
        return made

    def fold(self, *, policy: EmailPolicy) -> str:
        """The folded header."""
        # Text that looks encoded would be decoded by who reads it.
        charset = "us-ascii" if self.isascii() and "=?" not in self else "utf-8"
        encoded = Header(str(self), charset, _LINE_LENGTH, self.name).encode(linesep="\r\n")
        return f"{self.name}: {encoded}\r\n"

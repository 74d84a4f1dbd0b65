"""The header with one mailbox, its name in encoded words (RFC 2047) where it is not ASCII.

Python's own way of folding an address drops a blank between two encoded words now and then.
"""

from __future__ import annotations

from email.header import Header
from email.policy import EmailPolicy

_LINE_LENGTH = 75


class MailboxHeader(str):
    """A value that an EmailMessage keeps, and asks for its lines."""

    name: str
    """Of the header; messages keep values that have it as they are."""
    display_name: str
    address: str

    @classmethod
    def of(cls, header: str, display_name: str, address: str) -> MailboxHeader:
        made = cls(f"{display_name} <{address}>")
        made.name, made.display_name, made.address = header, display_name, address
        return made

    def fold(self, *, policy: EmailPolicy) -> str:
        """The lines of the header."""
        encoded = Header(self.display_name, "utf-8", _LINE_LENGTH, self.name).encode(linesep="\r\n")
        last = encoded.rpartition("\r\n")[2]
        room = _LINE_LENGTH - len(last) - (0 if "\r\n" in encoded else len(self.name) + 2)
        gap = " " if len(self.address) + 3 <= room else "\r\n "
        return f"{self.name}: {encoded}{gap}<{self.address}>\r\n"

"""Assembly of MIME messages (RFC 2045, 2046): the parts of an e-mail as bytes, in one pass. Pure.

The email package parses every header of every part anew and copies the message several times, which costs more than
setting the tickets. It writes the headers of the message, where there is something to encode, and of a file whose name
is not ASCII; the rest has one form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

_PLAIN = re.compile(r"[\w.+ -]+", re.ASCII)
_TOKEN = re.compile(r"[\w.+-]+", re.ASCII)


class Attachment(msgspec.Struct, frozen=True):
    """A file attached to an e-mail."""

    name: str
    media_type: str
    content: bytes
    parameters: tuple[tuple[str, str], ...] = ()
    """Of the media type, such as the `method` of an entry of calendars."""


def assemble(head: bytes, text: str, html: str, attachments: Sequence[Attachment], seed: str) -> bytes:
    """The message: `head`, its own headers without those of its content, then text, HTML and files.

    Boundaries are made from `seed`, so that equal input gives equal bytes. They contain `=_`, which no encoded part
    can: quoted-printable has hexadecimal digits after `=`, base64 has `=` at its end only.
    """
    mark = hashlib.blake2b(seed.encode(), digest_size=12).hexdigest()
    forms = _multipart("alternative", f"=_{mark}_a", [_text("plain", text), _text("html", html)])
    body = forms
    if attachments:
        body = _multipart("mixed", f"=_{mark}_m", [forms, *map(_file, attachments)])
    return b"%sMIME-Version: 1.0\r\n%s" % (head, body)


def _multipart(kind: str, boundary: str, parts: list[bytes]) -> bytes:
    line = b"--" + boundary.encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    pieces = [head]
    for part in parts:
        pieces += (line, b"\r\n", part, b"\r\n")
    pieces += (line, b"--\r\n")
    return b"".join(pieces)


def _text(kind: str, text: str) -> bytes:
    lines = "\n".join(text.splitlines()) if "\r" in text else text
    if not lines.endswith("\n"):
        lines += "\n"
    encoded = binascii.b2a_qp(lines.encode(), istext=True).replace(b"\n", b"\r\n")
    head = (
        f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    )
    return head.encode() + encoded


def _file(one: Attachment) -> bytes:
    encoded = base64.encodebytes(one.content).rstrip(b"\n").replace(b"\n", b"\r\n")
    return _file_head(one) + encoded


def _file_head(one: Attachment) -> bytes:
    values = [value for _, value in one.parameters]
    if not (_PLAIN.fullmatch(one.name) and len(one.name) <= 60 and all(map(_TOKEN.fullmatch, values))):
        return _head_by_library(one)
    more = "".join(f'; {name}="{value}"' for name, value in one.parameters)
    return (
        f"Content-Type: {one.media_type}{more}\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment;\r\n filename="{one.name}"\r\n\r\n'
    ).encode()


def _head_by_library(one: Attachment) -> bytes:
    main, _, sub = one.media_type.partition("/")
    part = EmailMessage(SMTP)
    part.set_content(b"", maintype=main, subtype=sub, filename=one.name, params=dict(one.parameters))
    del part["MIME-Version"]
    part.set_payload("")
    return part.as_bytes().rstrip(b"\r\n") + b"\r\n\r\n"

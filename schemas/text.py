"""Patterns for text that clients may send, each with a description in words.

The patterns mean the same to Python and to readers of the OpenAPI document (ECMA 262). `$(?!\\n)` matches only at the
very end: in Python a bare `$` also matches before a final line break.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

NO_NUL = r"^(?![\s\S]*\x00)"
LINE = r"^(?![\s\S]*[\x00-\x1f\x7f])"
PROSE = r"^(?![\s\S]*[\x00-\x08\x0b-\x1f\x7f])"
NOT_BLANK = r"^(?![\s\S]*[\x00-\x1f\x7f])(?=[\s\S]*\S)"
USERNAME = r"^[A-Za-z0-9_.\-]+$(?!\n)"
EMAIL = r"^\s{0,8}[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]+\.[^\s@\x00-\x1f\x7f]+\s{0,8}$"
"""An address as it is typed; `runtime/addresses/email_address.py` reads it."""
LANGUAGE = r"^[A-Za-z]{2,3}([\-_][A-Za-z0-9]{1,8})*(\.[A-Za-z0-9_\-]{1,16})?(@[A-Za-z0-9_\-]{1,16})?$(?!\n)"
LINK = r"^((https?://|/(?!/))[^\s\x00-\x1f\x7f<>\"'\\]+)?$(?!\n)"
BLOCK_CODE = r"^[A-Za-z0-9_.\-]{1,32}$(?!\n)"
"""The pattern of `BlockCode`, see commands.py."""
NONCE = r"^[!-~]{1,128}$(?!\n)"

WORDS = {
    NO_NUL: "NUL is not allowed",
    LINE: "one line of text without control characters",
    PROSE: "text without control characters; tabs and line breaks are fine",
    NOT_BLANK: "one line of text, not blank, without control characters",
    USERNAME: "only the characters A-Z a-z 0-9 _ . - are allowed",
    EMAIL: "an e-mail address such as ada@example.com is wanted",
    LANGUAGE: "a language tag such as en or pt-BR is wanted; C, POSIX and blanks name no language",
    BLOCK_CODE: "1 to 32 of the characters A-Z a-z 0-9 _ . - are wanted",
    NONCE: "1 to 128 visible ASCII characters are wanted",
    LINK: "an http:// or https:// address, or a path that starts with one /, is wanted",
}
"""Pattern → error message for text that does not match."""

Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=1024, pattern=LINE)]
"""A password or token as entered, to be compared with a stored one."""

"""Keyset pagination: cursors that contain the key of a page's last row."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from gateway.http.bodies import invalid

Row = TypeVar("Row")
Key = TypeVar("Key")

DEFAULT_LIMIT = 20
MAX_CURSOR = 2000
"""Length limit of a cursor, in characters."""
MAX_LIMIT = 100


def write_cursor(key: Sequence[Any]) -> str:
    """The cursor of a page that ends with this key. It is opaque to clients."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def read_cursor(cursor: str, key: type[Key]) -> Key:
    """The key in a cursor. Raises Problem `validation` for an invalid one."""
    try:
        body = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(body, type=key)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise invalid(("cursor", "take it unchanged from next_cursor of the page before")) from None


def split_page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[Any]]
) -> tuple[Sequence[Row], str | None]:
    """Splits up to `limit + 1` rows into the page and the cursor of the next page, None on the last page."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], write_cursor(key(rows[limit - 1]))

"""The catalogue's rows of a show, as its opening command carries them.

A log outlives the database in Kafka. With these rows it brings back a show that was made after the backup from which
the database was restored. They name films and halls, never people. Deciding ignores them.
"""

from __future__ import annotations

import zlib
from typing import Annotated

import msgspec

from schemas.ids import MAX_SHOW_ID

_Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_SHOW_ID)]
_LARGEST_LAYOUT = 16 * 2**20


class MovieRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row of `movies`."""

    movie_id: _Id
    title: str
    duration_minutes: int
    description: str = ""
    genres: tuple[str, ...] = ()
    language: str = ""
    rating: str = ""
    poster_url: str = ""


class CatalogueRows(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the tables `movies`, `layouts` and `shows` have of a show and its other fields in the command have not."""

    movie: MovieRow
    screen_name: str
    timezone: str
    layout: bytes
    """The body of the layout, as `pack_layout` makes it."""
    request_id: bytes | None = None
    """Of a show that was requested with an Idempotency-Key: 16 bytes."""
    request_digest: bytes | None = None


def pack_layout(body: bytes) -> bytes:
    """Compresses the stored body of a layout."""
    return zlib.compress(body, 9)


def unpack_layout(packed: bytes) -> bytes:
    """Returns the body that was packed. Raises ValueError for other bytes."""
    unpacking = zlib.decompressobj()
    try:
        body = unpacking.decompress(packed, _LARGEST_LAYOUT)
    except zlib.error as error:
        raise ValueError(f"the layout cannot be unpacked: {error}") from None
    if not unpacking.eof:
        raise ValueError("the layout is cut short or too large")
    return body

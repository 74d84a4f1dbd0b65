"""Seat-map snapshot: the letter of each seat of one show, all as of one version. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from gateway.seat_maps.compression import brotli_body, gzip_body
from gateway.seat_maps.layout import EncodedLayout
from schemas.seat_states import AVAILABLE, BLOCKED, HELD, SOLD
from schemas.show_status import shown_status
from schemas.wire import ShowSeatChanges

NOT_OPENED = -1
"""The version of a show that its seat worker has not opened: every seat is available."""


Claims: TypeAlias = Sequence[tuple[int, int]]
"""Index and letter of each seat that is not available."""


_LETTERS = frozenset({AVAILABLE, HELD, SOLD, BLOCKED})


class SnapshotListener(Protocol):
    """Receiver of the changes of one snapshot."""

    def changed(self, changes: dict[str, str]) -> None:
        """Called after a change, with label → letter; with nothing when only the show's terms changed."""
        ...


class ShowTerms(msgspec.Struct, frozen=True):
    """The terms that determine a show's status. Times in Unix milliseconds."""

    status: str | None
    """The status that the seat worker keeps; None until it has opened the show."""
    starts_ms: int
    sales_start_ms: int | None = None
    sales_end_ms: int | None = None

    def status_at(self, now_ms: float) -> str:
        """Returns the status that clients see."""
        return shown_status(self.status, self.starts_ms, self.sales_start_ms, self.sales_end_ms, now_ms)


class SeatMapSnapshot:
    """The seats of one show. Encoded forms are cached per version."""

    __slots__ = (
        "_body",
        "_brotli_body",
        "_gzip_body",
        "_message",
        "awaited_since",
        "awaited_version",
        "brotli_etag",
        "etag",
        "gzip_etag",
        "invalidated_at",
        "layout",
        "listener",
        "read_at",
        "show_id",
        "states",
        "terms",
        "used_at",
        "valid_until",
        "version",
    )

    def __init__(
        self,
        show_id: int,
        layout: EncodedLayout,
        version: int,
        claims: Claims,
        terms: ShowTerms,
    ) -> None:
        self.show_id = show_id
        self.layout = layout
        self.listener: SnapshotListener | None = None
        self.used_at = self.read_at = self.valid_until = 0.0
        self.invalidated_at = -1.0
        self.awaited_version: int | None = None
        """A version that is in PostgreSQL and whose changes have not arrived; `awaited_since`: since when."""
        self.awaited_since = 0.0
        self._set(version, _states(layout, claims), terms)

    def _set(self, version: int, states: bytearray, terms: ShowTerms) -> None:
        self.states = states
        self.terms = terms
        self._set_version(version)

    def _set_version(self, version: int) -> None:
        self.version = version
        self.etag = b'"%d.%d"' % (self.show_id, version)
        self.gzip_etag = b'"%d.%d-gzip"' % (self.show_id, version)
        self.brotli_etag = b'"%d.%d-br"' % (self.show_id, version)
        self._body: bytes | None = None
        self._brotli_body: bytes | None = None
        self._gzip_body: bytes | None = None
        self._message: bytes | None = None

    def apply(self, change: ShowSeatChanges) -> bool:
        """Applies a published change. Returns False when an earlier change is missing."""
        if change.to_version <= self.version:
            return True
        if change.from_version < 0 or change.from_version > self.version:
            return False
        find, states = self.layout.seating.find, self.states
        for label, letter in change.changes.items():
            seat = find(label)
            if seat < 0 or letter not in _LETTERS:
                return False
            states[seat] = ord(letter)
        self._set_version(change.to_version)
        if self.listener is not None and change.changes:
            self.listener.changed(change.changes)
        return True

    def replace(self, version: int, claims: Claims, terms: ShowTerms) -> None:
        """Replaces the seats by those read from PostgreSQL, and passes the difference to the listener."""
        before, after = self.states, _states(self.layout, claims)
        self._set(version, after, terms)
        if self.listener is not None:
            label = self.layout.seating.label
            self.listener.changed(
                {label(seat): chr(now) for seat, now in enumerate(after) if now != before[seat]}
                if before != after
                else {}
            )

    def body(self) -> bytes:
        """Returns the JSON of the seat map."""
        if self._body is None:
            self._body = self.layout.head + self._tail()
        return self._body

    def gzip_body(self) -> bytes | None:
        """Returns the same as gzip; None for a layout that is not compressed."""
        if self._gzip_body is None and (head := self.layout.compressed_head) is not None:
            self._gzip_body = gzip_body(head, self._tail())
        return self._gzip_body

    def brotli_body(self) -> bytes | None:
        """Returns the same in Brotli; None for a layout that is not compressed."""
        if self._brotli_body is None and (head := self.layout.compressed_head) is not None:
            self._brotli_body = brotli_body(head, self._tail())
        return self._brotli_body

    def _tail(self) -> bytes:
        """Returns the fields that change, which follow the head of the layout."""
        head = b',"show_id":%d,"version":%d,"states":"' % (self.show_id, self.version)
        return b"".join((head, self.states, b'"}'))

    def message(self) -> bytes:
        """Returns the first message of a live socket."""
        if self._message is None:
            head = b'{"type":"seats","version":%d,"states":"' % self.version
            self._message = b"".join((head, self.states, b'"}'))
        return self._message


def _states(layout: EncodedLayout, claims: Claims) -> bytearray:
    states = bytearray(AVAILABLE.encode() * len(layout.seating))
    for seat, letter in claims:
        states[seat] = letter
    return states

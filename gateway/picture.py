"""What a gateway knows of one show's seats: a letter per seat, all as of one version. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from gateway.shown_layout import ShownLayout
from schemas.wire import ShowSeatChanges

NOT_OPENED = -1
"""The version of a show that its writer has not opened: every seat is available."""


Claims: TypeAlias = Sequence[tuple[int, int]]
"""Of each seat that is not available, its index and letter."""


_LETTERS = frozenset("ahsb")


class Watchers(Protocol):
    """Those who are to be told of every change of a picture."""

    def changed(self, changes: dict[str, str]) -> None:
        """The picture has moved on: label → letter. None where only the show's terms changed."""
        ...


class ShowTerms(msgspec.Struct, frozen=True):
    """What a show's status follows from. Times in Unix milliseconds."""

    status: str | None
    """As its writer keeps it; None until it has opened the show."""
    starts_ms: int
    sales_start_ms: int | None = None
    sales_end_ms: int | None = None

    def status_at(self, now_ms: float) -> str:
        """The status as clients see it. The same rule as in gateway/catalogue/shows.py."""
        if self.status == "cancelled":
            return "cancelled"
        if self.starts_ms <= now_ms:
            return "past"
        if self.status is None:
            return "opening"
        if self.status == "closed":
            return "closed"
        if self.sales_start_ms is not None and self.sales_start_ms > now_ms:
            return "scheduled"
        if self.sales_end_ms is not None and self.sales_end_ms <= now_ms:
            return "closed"
        return "on_sale"


class Picture:
    """One show's seats, with what was written out of them as long as it stays true."""

    __slots__ = (
        "_body",
        "_message",
        "asked_at",
        "doubted_at",
        "etag",
        "good_until",
        "layout",
        "missing",
        "missing_at",
        "read_at",
        "show_id",
        "states",
        "terms",
        "version",
        "watchers",
    )

    def __init__(
        self,
        show_id: int,
        layout: ShownLayout,
        version: int,
        claims: Claims,
        terms: ShowTerms,
    ) -> None:
        self.show_id = show_id
        self.layout = layout
        self.watchers: Watchers | None = None
        self.asked_at = self.read_at = self.good_until = 0.0
        self.doubted_at = -1.0
        self.missing: int | None = None
        """A version that PostgreSQL has and that has not been heard of yet; `missing_at`: since when."""
        self.missing_at = 0.0
        self._body: bytes | None = None
        self._message: bytes | None = None
        self._take(version, _states(layout, claims), terms)

    def _take(self, version: int, states: bytearray, terms: ShowTerms) -> None:
        self.states = states
        self.terms = terms
        self._move_to(version)

    def _move_to(self, version: int) -> None:
        self.version = version
        self.etag = b'"%d.%d"' % (self.show_id, version)
        self._body = self._message = None

    def hear(self, change: ShowSeatChanges) -> bool:
        """Moves on by what was published; False when something before it is missing."""
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
        self._move_to(change.to_version)
        if self.watchers is not None and change.changes:
            self.watchers.changed(change.changes)
        return True

    def replace(self, version: int, claims: Claims, terms: ShowTerms) -> None:
        """Becomes what was read; watchers are told the difference."""
        before, after = self.states, _states(self.layout, claims)
        self._take(version, after, terms)
        if self.watchers is not None:
            label = self.layout.seating.label
            self.watchers.changed(
                {label(seat): chr(now) for seat, now in enumerate(after) if now != before[seat]}
                if before != after
                else {}
            )

    def body(self) -> bytes:
        """The seat map as it is answered."""
        if self._body is None:
            head = b'{"show_id":%d,"version":%d,"sections":' % (self.show_id, self.version)
            self._body = b"".join((head, self.layout.sections, b',"states":"', self.states, b'"}'))
        return self._body

    def message(self) -> bytes:
        """The first message of a live socket."""
        if self._message is None:
            head = b'{"type":"seats","version":%d,"states":"' % self.version
            self._message = b"".join((head, self.states, b'"}'))
        return self._message


def _states(layout: ShownLayout, claims: Claims) -> bytearray:
    states = bytearray(b"a" * len(layout.seating))
    for seat, letter in claims:
        states[seat] = letter
    return states

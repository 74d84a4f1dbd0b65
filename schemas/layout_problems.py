"""Validation of new layouts, and the form in which they are stored. Stored layouts are not validated again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.currencies import CURRENCY_WANTED, is_currency
from schemas.layout import MAX_PRICE, MAX_SEATS, Layout, Money, Row, SeatPrice, Section, Stage
from schemas.seat_labels import DEFAULT_PATTERN, LabelPattern, label_fault, nfc, read_pattern

_MAX_LABEL_FAULTS = 20
"""Labels with unusable characters that are reported for a layout."""

Problem = tuple[str, str]
"""The path of a field, and what is wrong with it."""


def in_stored_form(layout: Layout) -> Layout:
    """Returns a new layout as it is stored: names of rows, labels and patterns in NFC."""
    stage = layout.stage
    return Layout(
        sections=tuple(
            Section(
                section.name,
                Money(section.price.amount, section.price.currency),
                tuple(map(_stored_row, section.rows)),
                section.level,
                None if section.label is None else nfc(section.label),
            )
            for section in layout.sections
        ),
        stage=None if stage is None else Stage(stage.x, stage.y, stage.width, stage.height, stage.label),
        accessible=_stored_labels(layout.accessible),
        companions=_stored_labels(layout.companions),
        restricted_view=_stored_labels(layout.restricted_view),
        label=None if layout.label is None else nfc(layout.label),
    )


def _stored_row(row: Row) -> Row:
    return Row(
        nfc(row.name),
        row.seats if isinstance(row.seats, int) else _stored_labels(row.seats),
        row.aisles_after,
        row.x,
        row.y,
        row.angle,
        row.curve,
        row.pitch,
        tuple(
            SeatPrice(_stored_labels(one.seats), Money(one.price.amount, one.price.currency))
            for one in row.prices
        ),
    )


def _stored_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(nfc, labels))


def problems(layout: Layout) -> Iterator[Problem]:
    """The faults of a layout in its stored form, as (field, message); none for a usable one."""
    if not layout.sections:
        yield "sections", "a layout needs at least one section"
    names: set[str] = set()
    labels = _Labels()
    currency = layout.sections[0].price.currency if layout.sections else ""
    listed_at = _first_listed(section for section in layout.sections if section.label is None)
    yield from _pattern_problems("label", layout.label, listed_at)
    for s, section in enumerate(layout.sections):
        at = f"sections[{s}]"
        if section.name in names:
            yield f"{at}.name", f"there is another section {section.name!r}"
        names.add(section.name)
        if "\0" in section.name:
            yield f"{at}.name", "NUL is not allowed"
        yield from _price_problems(f"{at}.price", section.price, currency)
        yield from _pattern_problems(f"{at}.label", section.label, _first_listed([section]))
        if not section.rows:
            yield f"{at}.rows", "a section needs at least one row"
        pattern = _pattern_of(layout, section)
        for r, row in enumerate(section.rows):
            if len(labels) + len(row) > MAX_SEATS:
                yield f"{at}.rows[{r}]", f"at most {MAX_SEATS} seats in a layout"
                return
            yield from _row_problems(f"{at}.rows[{r}]", row)
            yield from labels.add(f"{at}.rows[{r}].seats", section, row, pattern)
            yield from _seat_price_problems(f"{at}.rows[{r}].prices", row, pattern, currency)
    yield from _kind_problems(layout, labels)


def _first_listed(sections: Iterable[Section]) -> str | None:
    """The name of the first row that lists its labels."""
    rows = (row for section in sections for row in section.rows if not isinstance(row.seats, int))
    return next((row.name for row in rows), None)


def _pattern_problems(at: str, text: str | None, listed: str | None) -> Iterator[Problem]:
    if text is None:
        return
    try:
        read_pattern(text)
    except ValueError as error:
        yield at, str(error)
    if listed is not None:
        yield at, f"row {listed!r} lists its labels: a pattern goes only with rows whose seats is a number"


def _pattern_of(layout: Layout, section: Section) -> LabelPattern:
    try:
        return layout.pattern_of(section)
    except ValueError:
        return DEFAULT_PATTERN


def _price_problems(at: str, price: Money, currency: str) -> Iterator[Problem]:
    if price.currency != currency:
        yield f"{at}.currency", f"one layout has one currency; the first section has {currency}"
    if not is_currency(price.currency):
        yield f"{at}.currency", CURRENCY_WANTED
    if price.amount > MAX_PRICE:
        yield f"{at}.amount", f"at most {MAX_PRICE}"


def _row_problems(at: str, row: Row) -> Iterator[Problem]:
    if "\0" in row.name:
        yield f"{at}.name", "NUL is not allowed"
    if not len(row):
        yield f"{at}.seats", "a row needs at least one seat"
    if any(after >= len(row) for after in row.aisles_after):
        yield f"{at}.aisles_after", "an aisle lies between two seats: every number is below the row's seats"


def _seat_price_problems(at: str, row: Row, pattern: LabelPattern, currency: str) -> Iterator[Problem]:
    if not row.prices:
        return
    labels, priced = frozenset(row.labels(pattern)), set[str]()
    for p, one in enumerate(row.prices):
        yield from _price_problems(f"{at}[{p}].price", one.price, currency)
        for n, label in enumerate(one.seats):
            if label not in labels:
                yield f"{at}[{p}].seats[{n}]", f"row {row.name!r} has no seat {label!r}"
                return
            if label in priced:
                yield f"{at}[{p}].seats[{n}]", f"seat {label!r} has a price already"
                return
            priced.add(label)


def _kind_problems(layout: Layout, labels: _Labels) -> Iterator[Problem]:
    kind_of: dict[str, str] = {}
    for kind in ("accessible", "companions", "restricted_view"):
        for n, label in enumerate(getattr(layout, kind)):
            if label not in labels.places:
                yield f"{kind}[{n}]", f"the layout has no seat {label!r}"
                break
            if label in kind_of:
                yield f"{kind}[{n}]", f"seat {label!r} is named in {kind_of[label]} already"
                break
            kind_of[label] = kind


class _Place(NamedTuple):
    section: Section
    row: Row
    pattern: LabelPattern


class _Labels:
    """The labels of the rows so far."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        """Label → number of its first seat."""
        self._rows: list[_Place] = []
        self._ends: list[int] = []
        self._faults = 0

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def add(self, at: str, section: Section, row: Row, pattern: LabelPattern) -> Iterator[Problem]:
        """Adds the labels of a row. Yields unusable ones, and the first that another seat has."""
        start = len(self)
        self._rows.append(_Place(section, row, pattern))
        self._ends.append(start + len(row))
        labels = row.labels(pattern)
        yield from self._faults_of(at, row, labels)
        duplicate = False
        for seat, label in enumerate(labels, start):
            first = self.places.setdefault(label, seat)
            if first != seat and not duplicate:
                duplicate = True
                yield at, self._duplicate(label, seat, first)

    def _faults_of(self, at: str, row: Row, labels: tuple[str, ...]) -> Iterator[Problem]:
        # Computed labels differ in their number only: the longest one, which is the last, stands for all.
        for label in labels[-1:] if isinstance(row.seats, int) else labels:
            fault = label_fault(label)
            if fault is None and nfc(label) != label:
                fault = f"{label!r} is not in NFC: give the row another name or the section another label"
            if fault is not None and self._faults < _MAX_LABEL_FAULTS:
                self._faults += 1
                yield at, fault

    def _duplicate(self, label: str, seat: int, first: int) -> str:
        """The message about two seats with one label: where they are, and the way out."""
        one, other = self._place(seat), self._place(first)
        if not (isinstance(one.row.seats, int) or isinstance(other.row.seats, int)):
            way_out = "labels are unique within a layout"
        elif one.row.name == other.row.name and one.section is other.section:
            way_out = "give one of the rows another name"
        else:
            way_out = f'give the section a label such as "{_distinct_pattern(one, other)}"'
        named = one.section is not other.section
        return f"{self._words(one, seat, named)} and {self._words(other, first, named)} are both {label!r}: {way_out}"

    def _place(self, seat: int) -> _Place:
        return self._rows[bisect_right(self._ends, seat)]

    def _words(self, place: _Place, seat: int, named: bool) -> str:
        at = bisect_right(self._ends, seat)
        section = f" of {place.section.name!r}" if named else ""
        return f"row {place.row.name!r}{section} seat {seat - (self._ends[at] - len(place.row)) + 1}"


def _distinct_pattern(one: _Place, other: _Place) -> str:
    """A pattern that tells two rows apart: by their names, or by text of one section's own."""
    return "{row}-{seat}" if one.row.name != other.row.name else "B-{row}{seat}"

"""Request and response bodies for movies and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from schemas.commands import BlockCode
from schemas.formats import Timestamp
from schemas.ids import MAX_PARTITIONS, MAX_SHOW_ID
from schemas.languages import folded_language
from schemas.layout import MAX_SEATS, Layout, Money, RequestedLabel, Row, SeatPrice, Section, Stage
from schemas.show_status import ShownStatus
from schemas.text import LINE, LINK, NOT_BLANK, PROSE

MAX_SEARCH = 100
"""Characters of a search over titles."""
MAX_WORD = 40
"""Characters of a genre or language to filter by."""
MAX_SEATS_PER_CUSTOMER = 10_000

Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=NOT_BLANK)]
Minutes = Annotated[int, msgspec.Meta(ge=1, le=1440)]
Description = Annotated[str, msgspec.Meta(max_length=5000, pattern=PROSE)]
Genres = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=NOT_BLANK)], ...],
    msgspec.Meta(max_length=10),
]
Tongue = Annotated[str, msgspec.Meta(max_length=40, pattern=LINE)]
Rating = Annotated[str, msgspec.Meta(max_length=20, pattern=LINE)]
PosterUrl = Annotated[str, msgspec.Meta(max_length=2000, pattern=LINK)]
ScreenName = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=NOT_BLANK)]
TimezoneName = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=LINE)]
SeatsPerCustomer = Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS_PER_CUSTOMER)]
Note = Annotated[str, msgspec.Meta(max_length=500, pattern=PROSE)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 with an offset."""
Status = ShownStatus


class NewMovieBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A movie to be added. `poster_url` may be a path on this site."""

    title: Title
    duration_minutes: Minutes
    description: Description = ""
    genres: Genres = ()
    language: Tongue = ""
    rating: Rating = ""
    poster_url: PosterUrl = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "language", folded_language(self.language))


class ChangeMovieBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that are left out do not change."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    duration_minutes: Minutes | msgspec.UnsetType = msgspec.UNSET
    description: Description | msgspec.UnsetType = msgspec.UNSET
    genres: Genres | msgspec.UnsetType = msgspec.UNSET
    language: Tongue | msgspec.UnsetType = msgspec.UNSET
    rating: Rating | msgspec.UnsetType = msgspec.UNSET
    poster_url: PosterUrl | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.language is not msgspec.UNSET:
            msgspec.structs.force_setattr(self, "language", folded_language(self.language))


class MovieBody(msgspec.Struct, frozen=True):
    """A movie."""

    id: int
    title: str
    duration_minutes: int
    description: str
    genres: list[str]
    language: str
    rating: str
    poster_url: str


class MoviesPage(msgspec.Struct, frozen=True):
    """Movies, by title."""

    items: list[MovieBody]
    next_cursor: str | None


class MoneyBody(Money, frozen=True, forbid_unknown_fields=True):
    """An amount in minor units (cents) of an ISO 4217 currency."""


class SeatPriceBody(SeatPrice, frozen=True, forbid_unknown_fields=True):
    """The price of single seats of a row, which wins over the price of the section."""

    seats: Annotated[tuple[RequestedLabel, ...], msgspec.Meta(min_length=1)]
    price: MoneyBody


class RowBody(Row, frozen=True, forbid_unknown_fields=True):
    """A row of seats. `seats` is their number (labels are then row name + 1, 2, …) or the labels themselves.

    On the map x grows to the right and y downwards, in widths of a seat. `x` and `y`: the middle of the first seat.
    `angle`: the direction of the row there, in degrees clockwise, 0 to the right. `curve`: the radius of the arc on
    which the seats are, 0 for a straight row; positive: the centre of the circle is to the left of somebody who walks
    from the first seat to the last. `pitch`: the distance between neighbouring seats, 1 if left out; an aisle takes as
    much once more.
    """

    seats: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS)] | tuple[RequestedLabel, ...]
    prices: tuple[SeatPriceBody, ...] = ()
    """Prices of single seats, which win over the price of the section."""


class SectionBody(Section, frozen=True, forbid_unknown_fields=True):
    """Rows that share a name and a price, best row first.

    `label`: the pattern of the labels, where `seats` is a number, such as `{row}-{seat}`. `level`: the floor.
    """

    price: MoneyBody
    rows: tuple[RowBody, ...]


class StageBody(Stage, frozen=True, forbid_unknown_fields=True):
    """The stage or screen on the map: a rectangle, by its upper left corner."""


class LayoutBody(Layout, frozen=True, forbid_unknown_fields=True):
    """The whole seating of a screen, in layout order. Unlike a stored layout it has no unknown fields.

    `label`: the pattern of the labels in sections that have none, `{row}{seat}` if left out. `accessible`, `companions`
    and `restricted_view`: labels of the seats for wheelchair users and for their companions, and of those from which
    not all can be seen.
    """

    sections: tuple[SectionBody, ...]
    stage: StageBody | None = None
    accessible: tuple[RequestedLabel, ...] = ()
    companions: tuple[RequestedLabel, ...] = ()
    restricted_view: tuple[RequestedLabel, ...] = ()


class NewShowBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A show to be created, with `total_seats` numbered seats or with a `layout`."""

    movie_id: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHOW_ID)]
    screen_name: ScreenName
    starts_at: Instant
    total_seats: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS)] | None = None
    layout: LayoutBody | None = None
    seats_per_customer: SeatsPerCustomer = 10
    price: MoneyBody | None = None
    """Price of every seat, with `total_seats`; free if left out."""
    sales_start_at: Instant | None = None
    sales_end_at: Instant | None = None
    timezone: TimezoneName | None = None
    """Time zone for e-mails, tickets and days in filters, such as Europe/Berlin."""
    partition: Annotated[int, msgspec.Meta(ge=0, lt=MAX_PARTITIONS)] | None = None
    """The partition of the log, such as a reserved one; chosen if left out."""
    past: bool = False
    """True allows a start in the past, to import old data."""


class ChangeShowBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fields that are left out do not change; null removes a sales time. Movie, seats and prices never change."""

    screen_name: ScreenName | msgspec.UnsetType = msgspec.UNSET
    starts_at: Instant | msgspec.UnsetType = msgspec.UNSET
    timezone: TimezoneName | msgspec.UnsetType = msgspec.UNSET
    seats_per_customer: SeatsPerCustomer | msgspec.UnsetType = msgspec.UNSET
    sales_start_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    sales_end_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    past: bool = False
    """True allows moving the start into the past."""


class WithheldSeatsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seats to withhold from sale, or to put back on sale, any number; `note` is a remark for staff."""

    seats: Annotated[tuple[RequestedLabel, ...], msgspec.Meta(min_length=1, max_length=MAX_SEATS)]
    note: Note = ""


class BlockSeatsBody(WithheldSeatsBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Seats to withhold from sale: for what, and until when they are withheld."""

    code: BlockCode | None = None
    """What they are withheld for, such as `press`: a word, never a name."""
    release_at: Instant | None = None
    """When they become available by themselves; null: never."""


class SeatsNoteBody(msgspec.Struct, frozen=True):
    """Seats that staff blocked or unblocked, with their note."""

    action: Literal["block", "unblock"]
    seats: list[str]
    """The seats of the request, including those that were already in that state."""
    note: str
    user_id: int
    at: Timestamp
    code: str | None
    """With `block`: what the seats are withheld for."""
    release_at: Timestamp | None
    """With `block`: when they become available by themselves."""


class SeatsNotesPage(msgspec.Struct, frozen=True):
    """Blocked and unblocked seats of a show, newest first."""

    items: list[SeatsNoteBody]
    next_cursor: str | None


class PriceBody(msgspec.Struct, frozen=True):
    """A price of seats of a section. A numbered layout has one section without a name."""

    section: str
    price: Money


class ShowBody(msgspec.Struct, frozen=True):
    """A show. `opening`: its seat worker has not opened it yet. `scheduled`: sales have not started."""

    id: int
    movie: MovieBody
    screen_name: str
    starts_at: Timestamp
    timezone: str
    status: Status
    total_seats: int
    available_seats: int
    seats_per_customer: int
    prices: list[PriceBody]
    """The price of each section and then the prices of single seats in it, each once. In lists, if there are more than
    20, the first section of each price, at most 20."""
    sales_start_at: Timestamp | None
    sales_end_at: Timestamp | None


class ShowsPage(msgspec.Struct, frozen=True):
    """Shows, by the time they start."""

    items: list[ShowBody]
    next_cursor: str | None


class PendingShowBody(msgspec.Struct, frozen=True):
    """A created show that will be opened; poll `command` for the outcome."""

    command: str
    show_id: int
    status: Literal["pending"] = "pending"

"""Request and response bodies for movies and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from schemas.formats import Timestamp
from schemas.ids import MAX_SHOW_ID
from schemas.languages import folded_language
from schemas.layout import MAX_SEATS, Label, Layout, Money, Row, Section
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
Status = Literal["opening", "scheduled", "on_sale", "closed", "cancelled", "past"]


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


class RowBody(Row, frozen=True, forbid_unknown_fields=True):
    """A row of seats. `seats` is their number (labels are then row name + 1, 2, …) or the labels themselves."""


class SectionBody(Section, frozen=True, forbid_unknown_fields=True):
    """Rows that share a name and a price, best row first."""

    price: MoneyBody
    rows: tuple[RowBody, ...]


class LayoutBody(Layout, frozen=True, forbid_unknown_fields=True):
    """The whole seating of a screen, in layout order. Unlike a stored layout it has no unknown fields."""

    sections: tuple[SectionBody, ...]


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
    past: bool = False
    """True allows a start in the past, to import old data."""


class ChangeShowBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out stays; null takes a sales time away. Movie, seats and prices never change."""

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

    seats: Annotated[tuple[Label, ...], msgspec.Meta(min_length=1, max_length=MAX_SEATS)]
    note: Note = ""


class SeatsNoteBody(msgspec.Struct, frozen=True):
    """Seats that staff blocked or unblocked, with their note."""

    action: Literal["block", "unblock"]
    seats: list[str]
    """The seats of the request, including those that were already in that state."""
    note: str
    user_id: int
    at: Timestamp


class SeatsNotesPage(msgspec.Struct, frozen=True):
    """Blocked and unblocked seats of a show, newest first."""

    items: list[SeatsNoteBody]
    next_cursor: str | None


class PriceBody(msgspec.Struct, frozen=True):
    """The price of a seat of a section. A numbered layout has one section without a name."""

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
    """The price of each section. In lists, if there are more than 20, the first section of each price, at most 20."""
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

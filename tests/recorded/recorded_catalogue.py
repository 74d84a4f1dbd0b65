"""The shows, layouts and customers of a recording: small and large, plain and odd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from schemas.layout import Layout, Money, Row, SeatPrice, Section, encode_layout, layout_digest, numbered

BEGAN = datetime(2031, 3, 3, 10, tzinfo=UTC)
"""Log time at the start. In the future, so that the log's clock is the one that the recorder sets."""
BEGAN_MS = int(BEGAN.timestamp() * 1000)
HOUR_MS = 3_600_000
PARTITIONS = 3
STAFF = 90
CUSTOMERS = range(1, 41)
FORGOTTEN = 40
LANGUAGES = ("en", "de", "fr", "es", "pt-BR", "xx")

_ODD = Layout(
    (
        Section(
            "Parkett – „Mitte“",
            Money(2500, "JPY"),
            (
                Row("Ä", 12, aisles_after=(4, 8)),
                Row("ß", ("é1", "e\u03011", "座席1", "مقعد ٢", "😀 7", "a b", "x" * 16, "'\"\\<&>")),
            ),
        ),
        Section("Rang", Money(0, "JPY"), (Row("R", 9, aisles_after=(3,)), Row("", ("Loge 1", "Loge 2")))),
    )
)
_DIGITS = Layout(
    (
        Section("", Money(1250, "EUR"), (Row("A1", 30), Row("A", 9), Row("B", 40, aisles_after=(20,)))),
        Section("Balcony", Money(10**9, "EUR"), (Row("2-", 15),)),
    )
)
_LARGE = Layout(
    (
        Section(
            "Stalls", Money(4200, "EUR"), tuple(Row(f"S{n}-", 120, aisles_after=(40, 80)) for n in range(100))
        ),
        Section("Circle", Money(9900, "EUR"), tuple(Row(f"C{n}-", 80) for n in range(100))),
    )
)

_KINDS = Layout(
    (
        Section(
            "Parkett",
            Money(1500, "EUR"),
            (
                Row("A", 12, aisles_after=(6,)),
                Row("B", 12, prices=(SeatPrice(("B1", "B2"), Money(900, "EUR")),)),
            ),
        ),
        Section("Loge", Money(4000, "EUR"), (Row("L", 6),)),
    ),
    accessible=("A1", "A7", "B5"),
    companions=("A2", "A6", "A8", "B4", "B6"),
    restricted_view=("B12",),
)


class Planned(NamedTuple):
    """A show of the recording."""

    show_id: int
    partition: int
    layout: Layout
    starts_after_h: float
    limit: int = 10_000
    sales_start_after_h: float | None = None
    sales_end_after_h: float | None = None
    timezone: str = "Europe/Berlin"
    payment: Literal["none", "required"] = "none"

    @property
    def digest(self) -> str:
        return layout_digest(encode_layout(self.layout))

    def time_ms(self, after_h: float | None) -> int | None:
        return None if after_h is None else BEGAN_MS + int(after_h * HOUR_MS)


SHOWS = (
    Planned(1, 0, numbered(5, Money(1000, "EUR")), 400),
    Planned(2, 0, numbered(60, Money(1199, "EUR")), 400, limit=12, timezone="Pacific/Kiritimati"),
    Planned(3, 1, _ODD, 400, timezone="Asia/Tokyo"),
    Planned(4, 2, _LARGE, 400),
    Planned(5, 1, numbered(80, Money(700, "USD")), 400, sales_start_after_h=3, sales_end_after_h=60),
    Planned(6, 2, numbered(40, Money(0, "EUR")), 5, timezone="America/Los_Angeles"),
    Planned(7, 0, numbered(90, Money(1500, "EUR")), 400),
    Planned(8, 1, numbered(1200, Money(900, "EUR")), 400),
    Planned(9, 2, numbered(30, Money(900, "EUR")), 400),
    Planned(10, 2, _DIGITS, 400, limit=4),
    Planned(11, 0, _KINDS, 400, limit=8, payment="required"),
)
UNOPENED = 9
"""A show of the catalogue whose OpenShow never came."""


async def store(database: Any) -> None:
    """Writes accounts, movies, layouts and shows."""
    await database.executemany(
        "INSERT INTO users (user_id, username, email, name, language, role, password_hash)"
        " VALUES ($1, $2, $3, $4, $5, $6, '$argon2id$recorded')",
        [
            (
                n,
                None if n == FORGOTTEN else f"user{n}",
                None if n == FORGOTTEN else f"user{n}@example.org",
                ("", "Ada Lovelace", "Søren Ångström 座", "O’Neill; <b>")[n % 4],
                LANGUAGES[n % len(LANGUAGES)],
                "staff" if n == STAFF else "customer",
            )
            for n in (*CUSTOMERS, STAFF)
        ],
    )
    await database.executemany(
        "INSERT INTO movies (movie_id, title, duration_minutes, description, genres) VALUES ($1, $2, $3, $4, $5)",
        [
            (1, "The Lighthouse at Noon", 128, "Nothing happens.\nThen it does.", ["Drama"]),
            (2, "Ærø & Ünder <the> Sea 🦀", 1, "", []),
        ],
    )
    for show in SHOWS:
        body = encode_layout(show.layout)
        prices = [{"section": s.name, "price": s.price} for s in show.layout.sections]
        layout_id = await database.fetchval(
            "INSERT INTO layouts (layout_id, digest, total_seats, body, prices) VALUES ($1, $2, $3, $4, $5)"
            " RETURNING layout_id",
            show.show_id,
            show.digest,
            sum(len(row) for section in show.layout.sections for row in section.rows),
            body,
            msgspec.json.encode(prices).decode(),
        )
        await database.execute(
            "INSERT INTO shows (show_id, movie_id, screen_name, starts_at, timezone, layout_id, seats_per_customer,"
            " sales_start_at, sales_end_at, partition) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            show.show_id,
            show.show_id % 2 + 1,
            f"Saal {show.show_id} „Süd“",
            BEGAN + timedelta(hours=show.starts_after_h),
            show.timezone,
            layout_id,
            show.limit,
            _after(show.sales_start_after_h),
            _after(show.sales_end_after_h),
            show.partition,
        )


def _after(hours: float | None) -> datetime | None:
    return None if hours is None else BEGAN + timedelta(hours=hours)

"""Time zones of shows: accepted names, and the zone used for a stored name that is unusable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import msgspec
import pypdfium2
import pytest

from gateway.catalogue import zones as zones_module
from gateway.catalogue.days import to_ms
from gateway.catalogue.zones import local_day, read_zones
from gateway.reports.figures import ReportFigures
from runtime.settings import SettingError, Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import a_show, add_movie, add_show, ids

VENUE_ZONE = "Europe/Berlin"
UNUSABLE = ["localtime", "Mars/Olympus", "", "../etc/passwd", "Europe", "posixrules", "no\nzone", "Ä"]


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url,
        redis_url=redis_url,
        jwt_keys=KEYS,
        partitions=2,
        rate_limits=False,
        timezone=VENUE_ZONE,
    )
    async with serving(made) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


@pytest.mark.parametrize(
    "zone",
    ["localtime", "Factory", "posixrules", "posix/UTC", "right/UTC", "europe/berlin", "EUROPE/BERLIN",
     "UTC ", "Europe", "CET-1CEST", "+02:00", "America/Argentina", "Europe/Berl\u0131n"],
)  # fmt: skip
async def test_a_name_that_is_not_a_zone_everywhere_is_refused(staff: httpx.AsyncClient, zone: str) -> None:
    movie = await add_movie(staff)
    show = await add_show(staff, movie)
    for answer in (
        await staff.post("/api/shows", json=a_show(movie, timezone=zone)),
        await staff.patch(f"/api/shows/{show['id']}", json={"timezone": zone}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "validation")
        assert [error["field"] for error in answer.json()["errors"]] == ["timezone"]


async def test_a_zone_that_only_python_knows_is_refused(
    settings: Callable[..., Settings], database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = (
        "SELECT array_agg(name) FROM pg_timezone_names WHERE name NOT IN ('NZ', 'Singapore', 'US/Eastern')"
    )
    monkeypatch.setattr(zones_module, "_ZONES_SQL", lacking)
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    async with serving(made) as server, server.client(1, "staff") as staff:
        movie = await add_movie(staff)
        for zone in ("NZ", "Singapore", "US/Eastern"):
            answer = await staff.post("/api/shows", json=a_show(movie, timezone=zone))
            assert (answer.status_code, answer.json()["code"]) == (400, "validation"), zone
        kept = (await add_show(staff, movie, timezone="Pacific/Auckland"))["id"]
        await server.sql("UPDATE shows SET timezone = 'NZ' WHERE show_id = $1", kept)
        shown = (await staff.get(f"/api/shows/{kept}")).json()
        assert shown["timezone"] in ("NZ", "Pacific/Auckland")  # Python can still tell the time there
        assert await ids(staff, "/api/shows?from=2098-06-01&to=2098-06-01") == [kept]


async def test_the_venues_own_zone_has_to_be_one_of_the_database(
    settings: Callable[..., Settings], database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        zones_module, "_ZONES_SQL", "SELECT array_agg(name) FROM pg_timezone_names WHERE name <> 'NZ'"
    )
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    with pytest.raises(SettingError, match=r"^AISLE_TIMEZONE='NZ': ") as refusal:
        async with serving(msgspec.structs.replace(made, timezone="NZ"), worker=False):
            pass
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("zone", UNUSABLE)
async def test_a_stored_show_with_an_unusable_zone_is_taken_as_the_venues(
    server: Server, staff: httpx.AsyncClient, zone: str
) -> None:
    starts_at = (datetime.now(UTC) + timedelta(days=3)).replace(hour=23, minute=30, second=0, microsecond=0)
    movie = await add_movie(staff)
    broken = (await add_show(staff, movie, starts_at=starts_at.isoformat()))["id"]
    sound = (await add_show(staff, movie, starts_at=starts_at.isoformat(), timezone="UTC"))["id"]
    await server.sql("UPDATE shows SET timezone = $2 WHERE show_id = $1", broken, zone)
    in_utc, in_berlin = starts_at.date(), starts_at.astimezone(ZoneInfo(VENUE_ZONE)).date()

    shown = (await staff.get(f"/api/shows/{broken}")).json()
    assert shown["timezone"] == VENUE_ZONE
    assert await ids(staff, "/api/shows") == [broken, sound]
    assert await ids(staff, f"/api/shows?from={in_utc}&to={in_utc}") == [sound]
    assert await ids(staff, f"/api/shows?from={in_berlin}&to={in_berlin}") == [broken]
    assert await ids(staff, f"/api/movies/{movie}/shows?from={in_berlin}") == [broken]
    for day in (in_utc, in_berlin):
        assert await ids(staff, f"/api/movies?on={day}") == [movie]
    assert await ids(staff, f"/api/movies?on={in_utc - timedelta(days=1)}") == []
    assert (await staff.get("/")).status_code == 200

    async with server.client(5) as customer:
        for show in (broken, sound):
            booked = await customer.post(f"/api/shows/{show}/bookings", json={"quantity": 2})
            assert booked.status_code == 201, booked.text
            ticket = await customer.get(f"/api/bookings/{booked.json()['id']}/ticket.pdf")
            assert ticket.status_code == 200
            page = pypdfium2.PdfDocument(ticket.content)[0].get_textpage().get_text_bounded()
            local = starts_at.astimezone(ZoneInfo(VENUE_ZONE if show == broken else "UTC"))
            assert f"{local:%H:%M}" in page
        cancelled = await customer.post(f"/api/bookings/{booked.json()['id']}/cancel")
        assert cancelled.status_code == 200

    today = datetime.now(UTC).date()
    days = f"from={today - timedelta(days=1)}&to={today + timedelta(days=9)}"
    for accept in ("application/json", "text/csv"):
        for report in (
            "sales?by=day&",
            "sales?by=show&",
            "cancellations?by=movie&",
            "customers?",
            "occupancy?",
        ):
            for query in (days, ""):
                answer = await staff.get(f"/api/reports/{report}{query}", headers={"Accept": accept})
                assert answer.status_code == 200, (report, query, answer.text)
    occupancy = (await staff.get(f"/api/reports/occupancy?from={in_berlin}&to={in_berlin}")).json()
    assert [(item["show_id"], item["sold"]) for item in occupancy["items"]] == [(broken, 2)]
    sales = (await staff.get("/api/reports/sales?by=show")).json()
    assert [(item["show_id"], item["seats"]) for item in sales["items"]] == [(broken, 2), (sound, 2)]

    moved = await staff.patch(
        f"/api/shows/{broken}", json={"starts_at": (starts_at + timedelta(days=1)).isoformat()}
    )
    assert moved.status_code == 200, moved.text
    mended = await staff.patch(f"/api/shows/{broken}", json={"timezone": "Asia/Kathmandu"})
    assert mended.status_code == 200, mended.text
    assert mended.json()["timezone"] == "Asia/Kathmandu"


async def test_figures_are_counted_on_the_venues_day_where_a_zone_is_unusable(
    server: Server, staff: httpx.AsyncClient, database_url: str
) -> None:
    movie = await add_movie(staff)
    show = (await add_show(staff, movie, timezone="UTC"))["id"]
    async with server.client(5) as customer:
        assert (await customer.post(f"/api/shows/{show}/bookings", json={"quantity": 1})).status_code == 201
    # Decided at 23:30 UTC, which is the next day in Berlin.
    at = datetime(2026, 1, 15, 23, 30, tzinfo=UTC)
    await server.sql("DELETE FROM report_progress")
    await server.sql("DELETE FROM report_sales")
    await server.sql("DELETE FROM report_customer_days")
    await server.sql("DELETE FROM report_customers")
    await server.sql("UPDATE decisions SET at_ms = $1", to_ms(at))
    await server.sql("UPDATE shows SET timezone = 'Mars/Olympus'")
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        figures = ReportFigures(pool, await read_zones(pool, VENUE_ZONE))
        await figures.catch_up()
    rows = await server.sql("SELECT day::text, seats FROM report_sales")
    assert [tuple(row) for row in rows] == [("2026-01-16", 1)]
    assert await server.sql("SELECT 1 FROM report_sales_now WHERE show_id = $1", show)


async def test_days_in_the_database_are_those_of_python(database: asyncpg.Connection) -> None:
    zones = await read_zones(database, "UTC")
    day = local_day("$1::timestamptz", "zone", "$2", "$3")
    for at in (
        datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(1990, 1, 1, 11, tzinfo=UTC),
        datetime(2024, 3, 30, 22, 30, tzinfo=UTC),
        datetime(2037, 6, 1, 10, tzinfo=UTC),
    ):
        rows = await database.fetch(
            f"SELECT zone, {day} AS day FROM unnest($2::text[]) zone", at, zones.known, zones.default
        )
        theirs = {row["zone"]: row["day"] for row in rows}
        ours = {zone: at.astimezone(ZoneInfo(zone)).date() for zone in zones.known}
        # A government's decision of this year may be in one table and not yet in the other.
        different = {zone for zone in ours if ours[zone] != theirs[zone]}
        assert len(different) <= 3, different
    assert (
        await database.fetchval(
            f"SELECT {day} FROM (VALUES ('localtime')) v (zone)",
            datetime(2026, 1, 1, tzinfo=UTC),
            [],
            "Asia/Tokyo",
        )
        == datetime(2026, 1, 1).date()
    )


async def test_days_without_midnight_and_the_ends_of_the_calendar(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    # In Beirut 31 March 2024 begins at 01:00: the clock goes from 23:59 to 01:00.
    times = {"before": "2024-03-30T21:59:00Z", "after": "2024-03-30T22:00:00Z"}
    shows = {}
    for name, starts_at in times.items():
        body = a_show(movie, starts_at=starts_at, timezone="Asia/Beirut")
        answer = await staff.post("/api/shows", json=body)
        if answer.status_code == 400:  # a show in the past has to be wanted
            answer = await staff.post("/api/shows", json=body | {"past": True})
        assert answer.status_code == 201, answer.text
        shows[name] = answer.json()["id"]
    assert await ids(staff, "/api/shows?from=2024-03-31&to=2024-03-31") == [shows["after"]]
    assert await ids(staff, "/api/shows?from=2024-03-30&to=2024-03-30") == [shows["before"]]
    # Samoa had no 30 December 2011; the days around it have the shows of their own.
    for day in ("0001-01-01", "0001-01-02", "9999-12-31", "2011-12-30", "2038-01-19"):
        for path in (f"/api/movies?on={day}", f"/api/shows?from={day}&to={day}", f"/api/movies/{movie}/shows?to={day}",
                     f"/api/reports/occupancy?from={day}&to={day}", f"/api/reports/sales?from={day}&to={day}",
                     f"/api/reports/customers?to={day}", f"/api/reports/cancellations?from={day}"):  # fmt: skip
            answer = await staff.get(path)
            assert answer.status_code == 200, (path, answer.text)
    assert await ids(staff, "/api/shows?from=0001-01-01&to=9999-12-31") == [shows["before"], shows["after"]]

"""Reports over HTTP: figures of real bookings, permissions and formats."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving

REPORTS = ("sales", "occupancy", "cancellations", "customers")
CSV = {"Accept": "text/csv"}


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2, rate_limits=False
    )
    async with serving(made) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(900, "staff") as client:
        yield client


async def new_show(staff: httpx.AsyncClient, title: str = "A movie", **changes: Any) -> int:
    movie = await staff.post("/api/movies", json={"title": title, "duration_minutes": 90})
    show = {
        "movie_id": movie.json()["id"],
        "screen_name": "Hall",
        "starts_at": (datetime.now(UTC) + timedelta(days=3)).isoformat(),
        "total_seats": 20,
        "price": {"amount": 1250, "currency": "EUR"},
    } | changes
    made = await staff.post("/api/shows", json=show)
    assert made.status_code == 201, made.text
    number: int = made.json()["id"]
    return number


async def ok(request: Any, status: int = 200) -> Any:
    answer = await request
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_bookings_and_cancellations_are_in_every_report_at_once(
    server: Server, staff: httpx.AsyncClient
) -> None:
    show = await new_show(staff, timezone="Asia/Tokyo")
    before = datetime.now(UTC)
    async with server.client(1) as ada, server.client(2) as ben:
        one = await ok(ada.post(f"/api/shows/{show}/bookings", json={"seats": ["1", "2"]}), 201)
        two = await ok(ben.post(f"/api/shows/{show}/bookings", json={"seats": ["3"]}), 201)
        three = await ok(ben.post(f"/api/shows/{show}/holds", json={"seats": ["4", "5", "6"]}), 201)
        await ok(ben.post(f"/api/shows/{show}/holds", json={"seats": ["7"]}), 201)
        assert (await ok(staff.get("/api/reports/sales")))["items"][0]["seats"] == 3
        await ok(ben.post(f"/api/bookings/{three['id']}/confirm"))
        await ok(ada.post(f"/api/bookings/{one['id']}/cancel"))
        await ok(staff.post(f"/api/bookings/{two['id']}/cancel"))

    sales = await ok(staff.get("/api/reports/sales?by=show"))
    assert (sales["by"], sales["from"], sales["to"], sales["next_cursor"]) == ("show", None, None, None)
    [row] = sales["items"]
    assert (row["show_id"], row["screen_name"], row["title"]) == (show, "Hall", "A movie")
    assert (row["bookings"], row["seats"], row["gross"]) == (3, 6, {"amount": 7500, "currency": "EUR"})
    assert (row["cancelled_seats"], row["cancelled"]["amount"], row["net"]["amount"]) == (3, 3750, 3750)
    assert sales["totals"][0].items() <= row.items()

    [row] = (await ok(staff.get("/api/reports/sales")))["items"]
    days = {(at + timedelta(hours=9)).date().isoformat() for at in (before, datetime.now(UTC))}
    assert row["day"] in days

    [row] = (await ok(staff.get("/api/reports/cancellations?by=movie")))["items"]
    assert (row["by_customer"], row["by_staff"], row["by_show"], row["rate"]) == (1, 1, 0, 66.7)

    occupancy = await ok(staff.get("/api/reports/occupancy"))
    [row] = occupancy["items"]
    assert (row["total_seats"], row["sold"], row["held"], row["blocked"], row["available"]) == (
        20,
        3,
        1,
        0,
        16,
    )
    assert row["occupancy"] == occupancy["totals"]["occupancy"] == 15.0

    report = await ok(staff.get("/api/reports/customers"))
    assert (report["customers"], report["new"], report["returning"]) == (2, 2, 0)
    assert [(row["user_id"], row["net"]["amount"]) for row in report["items"]] == [(2, 3750), (1, 0)]


async def test_a_cancelled_show_cancels_all_its_sales(server: Server, staff: httpx.AsyncClient) -> None:
    show = await new_show(staff)
    async with server.client(1) as ada:
        await ok(ada.post(f"/api/shows/{show}/bookings", json={"seats": ["1", "2"]}), 201)
    await ok(staff.post(f"/api/shows/{show}/cancel"))
    while not (found := (await ok(staff.get("/api/reports/cancellations?by=screen")))["items"]):
        pass  # each booking is cancelled by a command of its own, soon
    assert (found[0]["by_show"], found[0]["by_staff"], found[0]["cancelled_seats"]) == (1, 0, 2)
    report = await ok(staff.get("/api/reports/occupancy"))
    assert report["items"][0]["cancelled"] is True
    assert report["totals"]["total_seats"] == 0


async def test_occupancy_is_of_one_movie_and_of_the_days_of_its_shows(
    server: Server, staff: httpx.AsyncClient
) -> None:
    late = await new_show(staff, starts_at="2098-06-01T22:30:00Z", timezone="Europe/Berlin")
    early = await new_show(staff, starts_at="2098-06-01T20:00:00Z", timezone="UTC")
    movie = (await ok(staff.get(f"/api/shows/{early}")))["movie"]["id"]

    async def shows(query: str) -> list[int]:
        return [row["show_id"] for row in (await ok(staff.get(f"/api/reports/occupancy?{query}")))["items"]]

    assert await shows("") == [early, late]
    assert await shows("from=2098-06-02") == [late]
    assert await shows("from=2098-06-01&to=2098-06-01") == [early]
    assert await shows(f"movie={movie}") == [early]
    assert await shows("movie=999999") == []
    first = await ok(staff.get("/api/reports/occupancy?limit=1"))
    second = await ok(
        staff.get("/api/reports/occupancy", params={"limit": 1, "cursor": first["next_cursor"]})
    )
    assert [row["show_id"] for row in first["items"] + second["items"]] == [early, late]
    assert second["next_cursor"] is None
    assert first["totals"] == second["totals"]


async def test_csv_is_complete_and_has_no_formula(server: Server, staff: httpx.AsyncClient) -> None:
    title = '=HYPERLINK("http://x"), बारिश\u00a0"quoted"'
    show = await new_show(staff, title, screen_name="@1")
    async with server.client(1) as ada:
        await ok(ada.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]}), 201)
    answer = await staff.get("/api/reports/sales?by=show&from=2020-01-01", headers=CSV)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="sales-by-show-2020-01-01.csv"'
    text = answer.content.decode("utf-8-sig")
    assert answer.content == text.encode("utf-8-sig")
    [line] = csv.DictReader(io.StringIO(text, newline=""))
    assert (line["title"], line["screen_name"]) == ("'" + title, "'@1")
    assert (line["bookings"], line["gross"], line["net"], line["currency"]) == ("1", "12.50", "12.50", "EUR")
    assert text.endswith("\r\n")
    for name in REPORTS:
        head, *rows = (await staff.get(f"/api/reports/{name}", headers=CSV)).text.splitlines()
        assert len(set(head.split(","))) == len(head.split(",")) > 5
        assert len(rows) == (0 if name == "cancellations" else 1)


TITLES = [
    "Zoë & Łukasz",
    "日本",
    "=1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
    '\u200b\u3000"-1',
    "Paris;=1+1",
]


async def test_titles_of_every_kind_are_text_in_each_table_that_shows_them(
    server: Server, staff: httpx.AsyncClient
) -> None:
    titles = {}
    for title in TITLES:
        movie = await staff.post("/api/movies", json={"title": title, "duration_minutes": 90})
        if movie.status_code == 400:  # a title may be refused instead
            assert title not in ("Zoë & Łukasz", "日本")
            continue
        show = await new_show(staff)
        await server.sql("UPDATE shows SET movie_id = $2 WHERE show_id = $1", show, movie.json()["id"])
        titles[movie.json()["id"]] = title
        async with server.client(1) as ada:
            await ok(ada.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]}), 201)
            await ok(ada.delete(f"/api/bookings/{await newest(ada)}"))
    for report in ("sales?by=movie", "sales?by=show", "cancellations?by=movie", "occupancy"):
        answer = await staff.get(f"/api/reports/{report}", headers=CSV)
        assert answer.content.startswith(b"\xef\xbb\xbf"), report
        rows = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
        found = {int(row["movie_id"]): row["title"] for row in rows}
        assert set(found) == set(titles), report
        for movie_id, title in titles.items():
            text = found[movie_id]
            assert text.replace("'", "") == title
            assert text.startswith("'") == (title not in ("Zoë & Łukasz", "日本", "Paris;=1+1"))
            assert ";=" not in text


async def newest(client: httpx.AsyncClient) -> str:
    """The customer's newest booking."""
    booking: str = (await ok(client.get("/api/me/bookings")))["items"][0]["id"]
    return booking


async def test_deleted_customers_have_no_name(server: Server, staff: httpx.AsyncClient) -> None:
    show = await new_show(staff)
    new = {"username": "ada", "email": "ada@example.com", "password": "correct horse 1"}
    user_id = (await ok(staff.post("/api/signup", json=new), 201))["id"]
    async with server.client(user_id) as ada:
        await ok(ada.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]}), 201)
        assert (await ok(staff.get("/api/reports/customers")))["items"][0]["username"] == "ada"
        gone = await ada.request("DELETE", "/api/me", json={"password": "correct horse 1"})
        assert gone.status_code == 204
    report = await staff.get("/api/reports/customers")
    assert report.json()["items"][0]["username"] is None
    assert "ada" not in report.text


async def test_reports_are_for_staff(server: Server) -> None:
    async with server.client() as nobody, server.client(1) as customer, server.client(2, "admin") as admin:
        for name in REPORTS:
            assert (await nobody.get(f"/api/reports/{name}")).status_code == 401
            assert (await customer.get(f"/api/reports/{name}")).status_code == 403
            assert (await customer.get(f"/api/reports/{name}", headers=CSV)).status_code == 403
            answer = await admin.get(f"/api/reports/{name}")
            assert (answer.status_code, answer.headers["vary"]) == (200, "Accept")
            assert answer.json()["items"] == []


FORMATS = [
    ("*/*", 200, "application/json"),
    ("application/json", 200, "application/json"),
    ("text/html, application/*;q=0.5", 200, "application/json"),
    ("text/csv, application/json", 200, "application/json"),
    ("text/csv, */*", 200, "text/csv; charset=utf-8"),
    ("TEXT/CSV; charset=utf-8", 200, "text/csv; charset=utf-8"),
    ("application/json;q=0.1, text/*;q=0.2", 200, "text/csv; charset=utf-8"),
    ("text/html", 406, "application/problem+json"),
    ("text/csv;q=0", 406, "application/problem+json"),
]


async def test_the_accept_header_selects_json_or_csv(staff: httpx.AsyncClient) -> None:
    for accept, status, kind in FORMATS:
        answer = await staff.get("/api/reports/sales", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (status, kind), accept


WRONG = [
    ("sales?from=yesterday", "from"),
    ("sales?to=2026-02-30", "to"),
    ("sales?from=2026-11-22&to=2026-11-21", "from"),
    ("sales?by=week", "by"),
    ("sales?from=", "from"),
    ("sales?form=2026-11-21", "form"),
    ("cancellations?by=", "by"),
    ("customers?by=day", "by"),
    ("customers?limit=0", "limit"),
    ("customers?limit=101", "limit"),
    ("occupancy?movie=x", "movie"),
    ("occupancy?movie=99999999999", "movie"),
    ("sales?cursor=x", "cursor"),
    ("sales?cursor=WyJ4IiwiRVVSIl0", "cursor"),
    ("occupancy?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsOTk5OTk5OTk5OTk5XQ", "cursor"),
    ("customers?cursor=Wy05MjIzMzcyMDM2ODU0Nzc1ODA4LDEsIkVVUiJd", "cursor"),
    ("customers?cursor=WzEsMSwiXHUwMDAwIl0", "cursor"),
]


async def test_an_invalid_parameter_is_named(staff: httpx.AsyncClient) -> None:
    for path, field in WRONG:
        answer = await staff.get(f"/api/reports/{path}")
        assert answer.status_code == 400, (path, answer.text)
        assert answer.json()["code"] == "validation"
        assert field in [error["field"] for error in answer.json()["errors"]], path


async def test_both_formats_of_each_report_are_documented(staff: httpx.AsyncClient) -> None:
    paths = (await ok(staff.get("/openapi.json")))["paths"]
    for name in REPORTS:
        operation = paths[f"/api/reports/{name}"]["get"]
        content = operation["responses"]["200"]["content"]
        assert content["application/json"]["schema"]["$ref"].endswith("Page")
        assert content["text/csv"]["schema"]["type"] == "string"
        assert {"400", "401", "403", "406", "503"} <= set(operation["responses"])
        assert [p["name"] for p in operation["parameters"]].count("from") == 1

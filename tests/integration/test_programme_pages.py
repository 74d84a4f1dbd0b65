"""The programme, the pages of films, and posters over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from gateway.catalogue.shows import Shows
from gateway.site.folding import folded
from gateway.site.programme import MAX_PENDING
from gateway.site.programme_data import DATA_AGE_S
from tests.integration.gateway_server import Server
from tests.integration.programme import LAYOUT, add_movie, add_show, until_shown

MARKUP = "</script><script>alert(1)</script><b>'\"&amp; {{ 7*7 }}"
SHOW_LINK = r'<a class="show [^"]*" href="/shows/\d+"'
SOON = datetime.now(UTC) + timedelta(hours=30)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as browser:
        browser.headers["Accept"] = "text/html"
        browser.headers["Accept-Language"] = "en"
        yield browser


async def films(client: httpx.AsyncClient, address: str) -> list[str]:
    """The titles that a page of the programme shows."""
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return [unescape(title) for title in re.findall(r"<h3[^>]*><a[^>]*><bdi>(.*?)</bdi></a>", answer.text)]


def a_day(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def on_sale(staff: httpx.AsyncClient, movie: int, **changes: Any) -> int:
    changes = {"starts_at": a_day(SOON), "timezone": "UTC"} | changes
    number: int = (await add_show(staff, movie, **changes))["id"]
    await until_shown(staff, f"/api/shows/{number}", status="on_sale")
    return number


async def test_films_are_found_by_title_genre_language_day_and_seats_left(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    amelie = await add_movie(staff, title="Amélie", genres=["Comédie"], language="French")
    rain = await add_movie(staff, title="बारिश का डाकघर", genres=["Drama"], language="Hindi")
    later = await add_movie(staff, title="Later", genres=["Drama"], language="German")
    await add_movie(staff, title="Without shows", genres=["Drama"])
    await on_sale(staff, amelie)
    full = await on_sale(staff, rain, starts_at=a_day(SOON + timedelta(minutes=1)), total_seats=1)
    await on_sale(staff, later, starts_at=a_day(SOON + timedelta(days=20)))
    assert (await staff.post(f"/api/shows/{full}/bookings", json={"seats": ["1"]})).status_code == 201
    both = ["Amélie", "बारिश का डाकघर"]
    await until_shown(staff, f"/api/shows/{full}", available_seats=0)
    assert await films(client, "/?search=") == [*both, "Later"]
    assert await films(client, "/?search=AMELIE") == ["Amélie"]
    assert await films(client, "/?search=%E0%A4%A1%E0%A4%BE%E0%A4%95") == ["बारिश का डाकघर"]
    assert await films(client, "/?genre=comedie") == ["Amélie"]
    assert await films(client, "/?genre=drama&language=hindi") == ["बारिश का डाकघर"]
    assert await films(client, "/?available=1") == ["Amélie", "Later"]
    assert await films(client, f"/?day={SOON.date()}") == both
    assert await films(client, "/?day=week&search=a&genre=&language=&available=") == ["Amélie"]
    assert await films(client, "/?day=today") == []
    text = (await client.get("/?search=nowhere&day=week")).text
    assert "“nowhere”" in text
    assert 'href="/?search=nowhere"' in text
    assert "Sold out" in (await client.get("/?search=ba&genre=drama&language=Hindi")).text or full


async def test_a_strange_address_shows_the_programme(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    await on_sale(staff, await add_movie(staff, title="One"))
    for query in (
        "day=yesterday",
        "day=2026-02-31",
        "page=-1",
        "page=99",
        "page=x&utm_source=mail",
        "%zz=%ff&search=%00",
        "search=" + "x" * 3000,
        "&".join(f"a={n}" for n in range(60)),
    ):
        assert await films(client, f"/?{query}") == ["One"], query
    assert await films(client, "/?genre=%3Cscript%3Ealert(1)%3C/script%3E") == []
    page = (
        await client.get("/?genre=%3Cscript%3Ealert(1)%3C/script%3E&search=%22%3E%3Cb%3E&lang=%3Cb%3E")
    ).text
    assert "<script>alert" not in page
    assert '"><b>"' not in page


async def test_filtered_pages_do_not_fill_the_cache(server: Server, client: httpx.AsyncClient) -> None:
    responses = {(await client.get(f"/?search={n}&genre={n}")).headers["etag"] for n in range(20)}
    assert len(responses) == 20
    kept = [
        (await client.get("/?day=2000-01-01", headers={"If-None-Match": etag})).status_code
        for etag in responses
    ]
    assert set(kept) == {200}


async def test_searches_wait_for_each_other_and_too_many_are_refused(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get(f"/?search={n}") for n in range(3 * MAX_PENDING)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 503}
    assert statuses[200] >= MAX_PENDING
    for answer in answers:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (await client.get("/?search=1")).status_code == 200


async def test_the_programme_is_rendered_once_and_revalidated(
    staff: httpx.AsyncClient, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_sale(staff, await add_movie(staff, title="One"))
    page = await client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    for day in ("", "?day=today", "?day=week"):
        etag = (await client.get(f"/{day}")).headers["etag"]
        again = await client.get(f"/{day}", headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
    reads = []
    upcoming = Shows.upcoming

    async def counted(shows: Shows, limit: int) -> Any:
        reads.append(limit)
        return await upcoming(shows, limit)

    monkeypatch.setattr(Shows, "upcoming", counted)
    for n in range(30):
        await client.get(f"/?search={n}")
    assert len(reads) < 10, "the data is shared, and read twice a second"


async def test_markup_in_titles_is_text(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    movie = await add_movie(
        staff,
        title=MARKUP,
        description=MARKUP,
        genres=[MARKUP[:40]],
        language=MARKUP[:40],
        rating=MARKUP[:20],
        poster_url="",
    )
    await on_sale(staff, movie, screen_name=MARKUP[:55])
    assert await films(client, "/?search=alert") == [MARKUP]
    for address in ("/?search=alert", f"/movies/{movie}"):
        page = (await client.get(address)).text
        assert "<script>alert" not in page
        assert "<b>" not in page.replace("<b>Aisle</b>", "")
        assert "49" not in re.findall(r"<h[13][^>]*>.*?</h[13]>", page)[0]
    block = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    assert json.loads(block[1])["@graph"][0]["name"] == MARKUP
    poster = re.search(r'src="(/posters/[^"]+)"', page)
    assert poster is not None
    ElementTree.fromstring((await client.get(poster[1])).content)


async def test_a_film_has_its_page_with_shows_offers_and_previews(
    server: Server, staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    movie = await add_movie(staff, title="Nächte", poster_url="", rating="12")
    first = await on_sale(
        staff,
        movie,
        total_seats=None,
        layout=LAYOUT,
        starts_at="2098-06-01T22:30:00Z",
        timezone="Europe/Berlin",
    )
    scheduled = (
        await add_show(staff, movie, starts_at="2098-06-03T20:00:00Z", sales_start_at="2098-01-01T10:00:00Z")
    )["id"]
    cancelled = await on_sale(staff, movie, starts_at="2098-06-04T20:00:00Z")
    assert (await staff.post(f"/api/shows/{cancelled}/cancel")).status_code == 200
    await until_shown(staff, f"/api/shows/{scheduled}", status="scheduled")
    answer = await client.get(f"/movies/{movie}", params={"fresh": "1"})
    page = answer.text
    assert answer.status_code == 200
    assert "<title>Nächte · Aisle</title>" in page
    assert f'<meta property="og:url" content="{server.settings.public_url}/movies/{movie}">' in page
    assert "Monday, 2 June 2098" in page, "the day of the show's own zone"
    for number in (first, scheduled, cancelled):
        assert f'href="/shows/{number}"' in page
    assert "from €8.00" in page
    assert "On sale from" in page
    assert "Cancelled" in page
    block = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert block is not None
    film, event, *others = json.loads(block[1])["@graph"]
    assert (film["@type"], film["duration"], film["inLanguage"]) == ("Movie", "PT100M", "de")
    assert event["startDate"] == "2098-06-02T00:30+02:00"
    assert [(offer["price"], offer["priceCurrency"]) for offer in event["offers"]] == [
        ("12.00", "EUR"),
        ("8.00", "EUR"),
    ]
    assert event["offers"][0]["availability"] == "https://schema.org/InStock"
    assert {other["eventStatus"] for other in others} == {
        "https://schema.org/EventScheduled",
        "https://schema.org/EventCancelled",
    }
    etag = answer.headers["etag"]
    assert (await client.get(f"/movies/{movie}", headers={"If-None-Match": etag})).status_code in (200, 304)


@pytest.mark.parametrize("address", ["/movies/999999", "/movies/0", "/movies/x", "/movies/99999999999999"])
async def test_an_unknown_film_is_a_page_with_a_way_on(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.get(address)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert 'href="/"' in answer.text


async def test_shows_of_a_film_come_in_pages(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    for n in range(62):
        await add_show(staff, movie, starts_at=f"2098-06-01T{n // 60 + 10}:{n % 60:02}:00Z", total_seats=1)
    page = (await client.get(f"/movies/{movie}")).text
    later = re.search(r'rel="next" href="([^"#]+)', page)
    assert len(re.findall(SHOW_LINK, page)) == 60
    assert later is not None
    assert len(re.findall(SHOW_LINK, (await client.get(unescape(later[1]))).text)) == 2
    assert len(re.findall(SHOW_LINK, (await client.get(f"/movies/{movie}?after=nonsense")).text)) == 60


async def test_a_poster_is_stored_under_its_own_address_only(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    movie = await add_movie(staff, title="Before", poster_url="")
    found = re.search(r'src="(/posters/[^"]+)"', (await client.get(f"/movies/{movie}")).text)
    assert found is not None
    poster = await client.get(found[1])
    assert poster.headers["content-type"] == "image/svg+xml"
    assert "immutable" in poster.headers["cache-control"]
    assert poster.headers["content-security-policy"].startswith("default-src 'none'")
    assert (await client.get(found[1], headers={"If-None-Match": poster.headers["etag"]})).status_code == 304
    assert (await staff.patch(f"/api/movies/{movie}", json={"title": "After"})).status_code == 200
    outdated = await client.get(found[1])
    assert b"After" in outdated.content
    assert outdated.headers["cache-control"] == "no-cache"
    for unknown in ("/posters/999999-000000000000.svg", "/posters/x.svg", "/posters/1-2.svg", "/posters/"):
        assert (await client.get(unknown)).status_code == 404


async def test_a_poster_of_its_own_is_shown(staff: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    await on_sale(staff, await add_movie(staff, poster_url="https://example.com/p.jpg"))
    assert 'src="https://example.com/p.jpg"' in (await client.get("/?search=n")).text


async def test_search_engines_get_rules_and_a_map(
    server: Server, staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    movie = await add_movie(staff)
    show = await on_sale(staff, movie)
    rules = (await client.get("/robots.txt")).text
    assert f"Sitemap: {server.settings.public_url}/sitemap.xml" in rules
    sitemap = ElementTree.fromstring((await client.get("/sitemap.xml")).content)
    assert {
        (entry.text or "").removeprefix(server.settings.public_url)
        for entry in sitemap.iter()
        if (entry.text or "").strip()
    } == {
        "/",
        f"/movies/{movie}",
        f"/shows/{show}",
    }
    manifest = (await client.get("/site.webmanifest")).json()
    assert (await client.get(manifest["icons"][0]["src"])).status_code == 200


async def test_letters_are_folded_as_by_the_database(server: Server) -> None:
    texts = [
        "ÀÉÎõü",
        "Straße",
        "ÆŒæœ",
        "Łódź ØRE",
        "ĐđŦŧ",
        "ΣΑΣ ς",
        "Ｆｕｌｌ",
        "ﬁ",
        "बारिश",
        "ガ",
        "þÞð",
        "ı",
        "plain",
    ]
    rows = await server.sql(
        "SELECT fold_text_v1(t) AS folded FROM unnest($1::text[]) WITH ORDINALITY u(t, n) ORDER BY n", texts
    )
    assert [folded(text) for text in texts] == [row["folded"] for row in rows]


async def test_seats_left_are_at_most_a_second_old(
    staff: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    assert 2 * DATA_AGE_S <= 1
    show = await on_sale(staff, await add_movie(staff, title="One"), total_seats=40)
    assert (await staff.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]})).status_code == 201
    await asyncio.sleep(1)
    assert "39 seats left" in (await client.get("/")).text

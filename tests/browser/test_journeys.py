"""The whole way of a new customer, from the front page to the ticket: by mouse and by touch."""

from __future__ import annotations

import itertools
import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.choosing import READY_MS, confirm, confirm_button, hold_button, seat
from tests.browser.conftest import MakeVisitor
from tests.browser.layouts import rows
from tests.browser.site import PASSWORD, Site

_TITLE = "The Usher’s Holiday"
_numbers = itertools.count(1)


@pytest.fixture
async def show(site: Site) -> int:
    """Returns a show of a film that no other test has."""
    return await site.make_show_of(
        rows({"Front": "AB"}, 4), title=f"{_TITLE} {next(_numbers)}", starts_at="2098-01-01T20:00:00.000Z"
    )


async def film_title(site: Site, show: int) -> str:
    """Returns the title of the film of a show."""
    async with site.client(1) as client:
        title: str = (await client.get(f"/api/shows/{show}")).json()["movie"]["title"]
    return title


async def fill_sign_up(page: Page, name: str) -> None:
    """Fills the form and sends it."""
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("E-mail").fill(f"{name}@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign up").click()


async def expect_ticket(page: Page, *seats: str) -> None:
    """Expects the page of a confirmed booking, with a code for each seat."""
    for label in seats:
        await expect(page.get_by_role("img", name=re.compile(rf"\b{label}$"))).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("button", name=re.compile("PDF")).click()
    path = await (await download.value).path()
    assert path.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
async def test_from_the_front_page_to_the_ticket(
    visitors: MakeVisitor, site: Site, show: int, touch: bool
) -> None:
    visitor = await visitors(touch=touch, width=375 if touch else 1280)
    title = await film_title(site, show)
    page = await visitor.open("/")

    async def press(locator: Locator) -> None:
        await (locator.tap() if touch else locator.click())

    await page.get_by_label("Search films").fill(title.lower())
    await press(page.get_by_role("link", name=re.compile(re.escape(title))).first)
    await page.wait_for_url("**/movies/*")
    await press(page.locator(f'a[href="/shows/{show}"]').first)
    await page.wait_for_url(f"**/shows/{show}")
    await expect(seat(page, "A1")).to_be_visible(timeout=READY_MS)
    await press(seat(page, "A2"))
    await press(seat(page, "A3"))
    await press(hold_button(page))
    await page.wait_for_url("**/login?next=*")
    await press(page.get_by_role("main").get_by_role("link", name="Make an account"))
    await fill_sign_up(page, f"{'touch' if touch else 'mouse'}traveller{show}")
    await page.wait_for_url(f"**/shows/{show}")
    await expect(confirm_button(page)).to_be_visible(timeout=READY_MS)
    await confirm(page)
    await expect_ticket(page, "A2", "A3")


async def test_a_seat_is_taken_on_the_canvas_by_touch(visitors: MakeVisitor, site: Site, show: int) -> None:
    visitor = await visitors(touch=True, width=375, height=720, account=await site.customer())
    page = await visitor.open(f"/shows/{show}")
    await expect(seat(page, "A1")).to_be_visible()
    await page.wait_for_timeout(500)
    canvas = page.locator("#map canvas").first
    box = await canvas.bounding_box()
    assert box is not None
    selected = page.get_by_role("grid").locator('button[aria-pressed="true"]')
    for part in (0.3, 0.35, 0.4, 0.45, 0.55, 0.6, 0.65, 0.7):
        await page.touchscreen.tap(box["x"] + box["width"] * 0.42, box["y"] + box["height"] * part)
        await page.wait_for_timeout(150)
        if await selected.count():
            break
    await expect(selected).to_have_count(1)
    after = await canvas.bounding_box()
    assert after is not None
    assert abs(after["y"] - box["y"]) < 2, "the page stays where it is while seats are tapped"


async def test_a_next_elsewhere_leads_to_the_front_page(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    for other in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        page = await (await visitors()).open(f"/login?next={other}")
        await page.get_by_label("User name").fill(account.username)
        await page.get_by_label("Password", exact=True).fill(account.password)
        await page.get_by_role("main").get_by_role("button", name="Log in").click()
        await page.wait_for_url(lambda address: "/login" not in address)
        assert page.url in (f"{site.url}/", f"{site.url}/account")


async def test_a_booking_of_somebody_else_is_not_shown(visitors: MakeVisitor, site: Site, show: int) -> None:
    booking = await site.book(await site.customer(), show, "B4")
    visitor = await visitors(account=await site.customer())
    visitor.expected.add(403)
    page = await visitor.open(f"/bookings/{booking['id']}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("This is somebody else’s booking")
    assert "B4" not in await page.get_by_role("main").inner_text()


async def test_the_programme_can_be_read_without_javascript(visitors: MakeVisitor) -> None:
    page = await (await visitors(javascript=False)).open("/?search=orchestra")
    await expect(page.get_by_role("link", name=re.compile("A Small Orchestra")).first).to_be_visible()
    await page.get_by_role("link", name=re.compile("A Small Orchestra")).first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("A Small Orchestra")

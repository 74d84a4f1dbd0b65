"""Pages whose scripts are still on their way: a control works without them, or it is disabled."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import BrowserContext, Route, expect

from tests.browser.conftest import MakeVisitor
from tests.browser.layouts import rows
from tests.browser.settled import settled
from tests.browser.site import Site
from tests.browser.tour import Tour

# Links, menus and the programme's form, which has an address, are the browser's own.
_WITHOUT_HANDLER = """
() => [...document.querySelectorAll("button, input, select, textarea, [role=button], [onclick]")]
  .filter(control => control.checkVisibility({ visibilityProperty: true }))
  .filter(control => !control.matches(":disabled, [aria-disabled=true]"))
  .filter(control => !control.form?.matches("[method=get][action]"))
  .map(control => control.outerHTML.slice(0, 160))
"""
_STILL_DISABLED = """
() => [...document.querySelectorAll("fieldset[data-needs-script]:disabled")].map(group => group.outerHTML.slice(0, 160))
"""


@asynccontextmanager
async def scripts_under_way(context: BrowserContext) -> AsyncIterator[asyncio.Event]:
    """Scripts arrive once the event is set."""
    arrive = asyncio.Event()

    async def wait(route: Route) -> None:
        await arrive.wait()
        await route.continue_()

    await context.route("**/*.js", wait)
    yield arrive
    arrive.set()
    await context.unroute_all(behavior="wait")


@pytest.mark.timeout(240)
async def test_a_control_that_needs_a_script_is_disabled_before_it(tour: Tour, visitors: MakeVisitor) -> None:
    guest, customer = await visitors(), await visitors(account=tour.account)
    guest.expected |= {400, 404}
    found: list[str] = []
    for place in tour.places:
        context = (customer if place.logged_in else guest).context
        page = await context.new_page()
        async with scripts_under_way(context) as arrive:
            await page.goto(f"{guest.url}{place.path}", wait_until="commit")
            await page.locator("footer").wait_for()
            found += [
                f"{place.name}: no script listens to {one}" for one in await page.evaluate(_WITHOUT_HANDLER)
            ]
            arrive.set()
            await settled(page)
            found += [f"{place.name}: stays disabled: {one}" for one in await page.evaluate(_STILL_DISABLED)]
        await page.close()
    assert not found, "\n".join(found)


async def test_what_is_pressed_before_the_scripts_come_is_done(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    show = await site.make_show_of(rows({"Front": "A"}, 4))
    booking = await site.book(account, show, "A1")
    async with site.client(account.id) as client:
        assert (await client.post(f"/api/bookings/{booking['id']}/cancel", json={})).status_code == 200
    visitor = await visitors(account=account)
    page = await visitor.context.new_page()
    async with scripts_under_way(visitor.context) as arrive:
        await page.goto(f"{site.url}/account#bookings", wait_until="commit")
        pressed = asyncio.create_task(page.get_by_role("button", name="Cancelled").click())
        await page.locator("footer").wait_for()
        arrive.set()
        await pressed
    await expect(page.get_by_role("button", name="Cancelled")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#bookings-list")).to_contain_text("A Film for Tests")


async def test_a_password_typed_early_is_never_in_the_address(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    visitor = await visitors()
    page = await visitor.context.new_page()
    async with scripts_under_way(visitor.context) as arrive:
        await page.goto(f"{site.url}/login", wait_until="commit")
        await page.locator("footer").wait_for()
        box = await page.get_by_label("Password", exact=True).bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + 9, box["y"] + 9)
        await page.keyboard.type(account.password)
        await page.keyboard.press("Enter")
        arrive.set()
        await page.get_by_label("User name").fill(account.username)
        await expect(page.get_by_label("Password", exact=True)).to_have_value("")
    assert [one.url for one in visitor.requests if one.is_navigation_request()] == [f"{site.url}/login"]


async def test_a_filter_that_is_set_early_is_followed(visitors: MakeVisitor, site: Site) -> None:
    visitor = await visitors()
    page = await visitor.context.new_page()
    async with scripts_under_way(visitor.context) as arrive:
        await page.goto(f"{site.url}/", wait_until="commit")
        await page.get_by_label("Genre").select_option("Drama")
        await page.get_by_label("Tomorrow", exact=True).check()
        arrive.set()
        await expect(page).to_have_url(re.compile(r"/\?day=tomorrow&genre=Drama$"))
    await expect(page.get_by_label("Genre")).to_have_value("Drama")
    await page.reload()
    await expect(page.get_by_label("Tomorrow", exact=True)).to_be_checked()

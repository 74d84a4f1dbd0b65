"""The session of a browser: two tabs, a reload within a refresh, logging out elsewhere; and the service's clock."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import MakeVisitor
from tests.browser.site import Site
from tests.browser.visitor import PAGE_MODULES, Visitor

_REFRESH = "/api/session/refresh"


async def in_module(page: Page, path: str, script: str, given: object = None) -> Any:
    """Evaluates an expression with one of the page's modules, which is `m`, and a value, which is `given`."""
    with_modules = (
        f"async ([path, given]) => {{ const m = (await ({PAGE_MODULES})())[path]; return {script}; }}"
    )
    return await page.evaluate(with_modules, [path, given])


async def user_of(page: Page) -> str | None:
    """The user name that a page knows, once it is settled."""
    name: str | None = await in_module(
        page, "js/session.js", "(await m.session.ready, m.session.user?.username ?? null)"
    )
    return name


async def test_a_page_without_a_login_asks_for_none(visitor: Visitor) -> None:
    page = await visitor.open("/")
    assert await user_of(page) is None
    await page.reload()
    assert await user_of(page) is None
    assert visitor.calls("POST", _REFRESH) == []
    assert visitor.calls("GET", "/api/me") == []


async def test_a_reload_and_a_second_tab_stay_logged_in(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    visitor = await visitors(account=account)
    tabs = [await visitor.open("/account") for _ in range(2)]
    for _ in range(3):
        await asyncio.gather(*(tab.reload() for tab in tabs))
        assert [await user_of(tab) for tab in tabs] == [account.username] * 2
    [cookie] = [one for one in await visitor.context.cookies(f"{site.url}/api/session") if one["httpOnly"]]
    assert (cookie["name"], cookie["path"], cookie["sameSite"]) == ("aisle_refresh", "/api/session", "Strict")
    stored = await tabs[0].evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert "ey" not in stored, "no access token"
    assert cookie["value"] not in stored


async def test_a_reload_in_the_middle_of_a_refresh_stays_logged_in(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    visitor = await visitors(account=account)
    page = await visitor.open("/")
    lost = asyncio.Event()

    async def lose_the_response(route: Route) -> None:
        await route.fetch()  # the service has spent the token, and the browser keeps the old cookie
        lost.set()
        await route.abort()

    cookies = await visitor.context.cookies(f"{site.url}/api/session")
    await page.route(f"**{_REFRESH}", lose_the_response, times=1)
    visitor.connection_fails = True
    await page.goto(f"{site.url}/account", wait_until="commit")
    await asyncio.wait_for(lost.wait(), 10)
    [old] = [one for one in cookies if one["httpOnly"]]
    await visitor.context.add_cookies(
        [
            {
                "name": old["name"],
                "value": old["value"],
                "domain": old["domain"],
                "path": old["path"],
                "httpOnly": True,
            }
        ]
    )
    await page.reload()
    assert await user_of(page) == account.username


async def test_logging_out_in_a_tab_logs_out_the_others(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    visitor = await visitors(account=account)
    show = await site.theatre()
    booking = await site.book(account, show["id"], "K10")
    tickets = await visitor.open(f"/bookings/{booking['id']}")
    await expect(tickets.locator(".ticket img").first).to_be_visible()
    other = await visitor.open("/account")
    assert await user_of(other) == account.username
    await other.locator("main").get_by_role("button", name="Log out").click()
    await tickets.wait_for_url(lambda address: urlsplit(address).path == "/login")
    assert await user_of(tickets) is None
    assert [one for one in await visitor.context.cookies(f"{site.url}/api/session") if one["httpOnly"]] == []
    third = await visitor.open("/account")
    await third.wait_for_url(lambda address: urlsplit(address).path == "/login")


async def test_logging_in_in_a_tab_is_seen_by_the_others(visitor: Visitor, site: Site) -> None:
    account = await site.customer(name="Grace Hopper")
    waiting = await visitor.open("/")
    assert await user_of(waiting) is None
    await visitor.log_in(await visitor.context.new_page(), account)
    await expect(waiting.locator("#account-menu")).to_contain_text("Grace Hopper")


async def test_a_session_that_ended_leads_to_the_log_in_and_back(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    visitor = await visitors(account=account)
    await visitor.context.clear_cookies()
    visitor.expected.add(401)
    page = await visitor.open("/account")
    await page.wait_for_url(lambda address: urlsplit(address).path == "/login")
    assert "next=%2Faccount" in page.url
    await page.reload()
    assert await user_of(page) is None
    assert len([one for one in visitor.calls("POST", _REFRESH) if one.frame.page == page]) == 1


@pytest.mark.parametrize("wrong_ms", [-240_000, 240_000])
async def test_the_clock_is_the_services_whatever_the_device_says(visitor: Visitor, wrong_ms: int) -> None:
    await visitor.context.add_init_script(
        f"const right = Date.now.bind(Date); Date.now = () => right() + {wrong_ms};"
    )
    page = await visitor.open("/password/forgot")
    calls = "Promise.all([1, 2, 3].map(() => m.call('GET', '/api/movies?limit=1')))"
    await in_module(page, "js/api.js", calls)
    off_ms = await in_module(page, "js/clock.js", f"m.now() - (Date.now() - {wrong_ms})")
    assert abs(off_ms) < 2_500


async def test_a_right_clock_stays_as_it_is(visitor: Visitor) -> None:
    page = await visitor.open("/password/forgot")
    await in_module(page, "js/api.js", "m.call('GET', '/api/movies?limit=1')")
    assert abs(await in_module(page, "js/clock.js", "m.now() - Date.now()")) <= 50


async def test_next_is_an_address_of_this_site(visitor: Visitor, site: Site) -> None:
    page = await visitor.open("/login")
    front = f"{site.url}/"
    for given, expected in {
        "/shows/7?x=1#a": f"{site.url}/shows/7?x=1#a",
        "//evil.example": front,
        "/\\evil.example": front,
        "/\t/evil.example": front,
        "\\\\evil.example": front,
        "https://evil.example/": front,
        "javascript:alert(1)": front,
        " /shows/7": front,
        "": front,
    }.items():
        found = await in_module(page, "js/next.js", "m.ownAddress(given)", given)
        assert found == expected, given
    for given in ("/.//evil.example", "/%2F/evil.example", "/@evil.example"):
        found = await in_module(page, "js/next.js", "m.ownAddress(given)", given)
        assert urlsplit(found).netloc == urlsplit(site.url).netloc, given

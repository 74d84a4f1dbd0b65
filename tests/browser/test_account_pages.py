"""Accounts in a browser: sign up, log in and out, look at bookings, cancel, get a new password."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.conftest import MakeVisitor
from tests.browser.site import PASSWORD, Account, Site
from tests.browser.visitor import Visitor

_LONG = "a" * 10_000
_LAYOUT = {
    "sections": [
        {"name": "Stalls", "price": {"amount": 1250, "currency": "EUR"}, "rows": [{"name": "C", "seats": 12}]}
    ]
}


def field(page: Page, label: str) -> Locator:
    """Returns a field by its label."""
    return page.get_by_role("main").get_by_label(label, exact=True)


def button(page: Page, name: str) -> Locator:
    """Returns a button of the page, not of its header."""
    return page.get_by_role("main").get_by_role("button", name=name, exact=True)


async def submit_login(page: Page, username: str, password: str) -> None:
    """Fills in the log-in and submits it."""
    await field(page, "User name").fill(username)
    await field(page, "Password").fill(password)
    await button(page, "Log in").click()


async def expect_error(page: Page, label: str, text: str | re.Pattern[str]) -> None:
    """Checks that a field has an error beside it, and the focus."""
    wrong = field(page, label)
    await expect(wrong).to_have_attribute("aria-invalid", "true")
    await expect(wrong).to_be_focused()
    await expect(wrong).to_have_accessible_description(text)


async def test_somebody_signs_up_logs_out_and_logs_in_again(visitor: Visitor) -> None:
    page = await visitor.open("/signup?next=%2Faccount")
    await field(page, "User name").fill("grace.hopper")
    await field(page, "E-mail").fill("grace.hopper@example.org")
    await field(page, "Password").fill(PASSWORD)
    await button(page, "Sign up").dblclick()
    await page.wait_for_url("**/account")
    await expect(page.locator("#account-menu")).to_contain_text("grace.hopper")
    assert len(visitor.calls("POST", "/api/signup")) == 1

    await button(page, "Log out").click()
    await expect(page.locator("#account-menu")).to_contain_text("Log in")
    await page.goto(f"{visitor.url}/account")
    await page.wait_for_url("**/login?next=%2Faccount")
    await submit_login(page, "Grace.Hopper@example.org", PASSWORD)
    await page.wait_for_url("**/account")
    await expect(page.locator("#account-menu")).to_contain_text("grace.hopper")


async def test_a_wrong_password_is_said_in_the_form_and_nothing_typed_is_lost(
    visitor: Visitor, site: Site
) -> None:
    visitor.expected.add(401)
    account = await site.customer()
    page = await visitor.open("/login")
    await submit_login(page, account.username, "not my password")
    await expect(page.locator("form")).to_contain_text(re.compile("user name and password", re.IGNORECASE))
    await expect(field(page, "User name")).to_have_value(account.username)
    await expect(field(page, "Password")).to_have_value("not my password")
    await expect(page).to_have_url(f"{visitor.url}/login")


async def test_what_is_wrong_stands_beside_the_field(visitor: Visitor) -> None:
    page = await visitor.open("/signup")
    await button(page, "Sign up").click()
    await expect_error(page, "User name", re.compile("needed"))
    assert not visitor.calls("POST", "/api/.*")
    visitor.expected.add(400)
    await field(page, "User name").fill("ada")
    await field(page, "E-mail").fill("ada@example.org")
    await field(page, "Password").fill("short")
    await button(page, "Sign up").click()
    await expect_error(page, "Password", re.compile("10"))
    await expect(field(page, "User name")).not_to_have_attribute("aria-invalid", "true")
    await expect(field(page, "Password")).to_have_value("short")


async def test_a_taken_user_name_is_said_beside_it(visitor: Visitor, site: Site) -> None:
    visitor.expected.add(409)
    account = await site.customer()
    page = await visitor.open("/signup")
    await field(page, "User name").fill(account.username)
    await field(page, "E-mail").fill("another.one@example.org")
    await field(page, "Password").fill(PASSWORD)
    await button(page, "Sign up").click()
    await expect_error(page, "User name", re.compile("taken", re.IGNORECASE))
    await expect(field(page, "Password")).to_have_value(PASSWORD)


async def test_a_name_of_ten_thousand_characters_is_refused_and_kept(visitor: Visitor, site: Site) -> None:
    visitor.expected.add(400)
    page = await visitor.open("/signup")
    await field(page, "User name").fill(_LONG)
    await field(page, "E-mail").fill("long@example.org")
    await field(page, "Password").fill(PASSWORD)
    await button(page, "Sign up").click()
    await expect_error(page, "User name", re.compile("."))
    await expect(field(page, "User name")).to_have_value(_LONG)
    await expect(field(page, "E-mail")).to_have_value("long@example.org")


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/movies/1?day=2026-11-21", "/movies/1?day=2026-11-21"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_next_leads_to_pages_of_the_site_only(
    visitor: Visitor, site: Site, wanted: str, path: str
) -> None:
    visitor.expected.add(404)
    account = await site.customer()
    page = await visitor.open(f"/login?{httpx.QueryParams({'next': wanted})}")
    await submit_login(page, account.username, account.password)
    await expect(page).to_have_url(f"{visitor.url}{path}")


async def test_the_password_can_be_shown(visitor: Visitor) -> None:
    page = await visitor.open("/login")
    await field(page, "Password").fill("secret words")
    await expect(field(page, "Password")).to_have_attribute("type", "password")
    await page.get_by_role("main").get_by_role("button", name=re.compile("^Show")).click()
    await expect(field(page, "Password")).to_have_attribute("type", "text")


async def test_a_link_to_a_booking_asks_for_the_log_in_and_comes_back(visitor: Visitor, site: Site) -> None:
    account, booking = await _booked(site)
    page = await visitor.open(f"/bookings/{booking}")
    await page.wait_for_url("**/login?next=*")
    await submit_login(page, account.username, account.password)
    await page.wait_for_url(f"**/bookings/{booking}")
    main = page.get_by_role("main")
    await expect(main.get_by_role("heading", level=1)).to_have_text("A Film for Tests")
    for label in ("C4", "C5"):
        code = main.get_by_role("img", name=re.compile(rf"\b{label}\b"))
        await expect(code).to_have_attribute("src", re.compile("^data:image/svg"))
        assert await code.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    await expect(main.locator(".ticket").first).to_contain_text("Stalls · Row C")


async def test_the_tickets_are_saved_as_a_pdf_and_for_a_calendar(visitors: MakeVisitor, site: Site) -> None:
    account, booking = await _booked(site)
    visitor = await visitors(account=account, accept_downloads=True)
    page = await visitor.open(f"/bookings/{booking}")
    for name, begin in (("Tickets as PDF", b"%PDF-"), ("Add to the calendar", b"BEGIN:VCALENDAR")):
        async with page.expect_download() as started:
            await button(page, name).click()
        saved = await (await started.value).path()
        assert saved.read_bytes().startswith(begin)


async def test_the_tickets_are_sent_by_e_mail_again(visitors: MakeVisitor, site: Site) -> None:
    account, booking = await _booked(site)
    visitor = await visitors(account=account)
    page = await visitor.open(f"/bookings/{booking}")
    await button(page, "Send the tickets by e-mail again").click()
    said = page.locator("#actions").get_by_role("status")
    await expect(said).to_have_text("The tickets are on their way by e-mail.")
    assert len(visitor.calls("POST", r"/api/bookings/[^/]+/send")) == 1
    async with asyncio.timeout(30):
        while not await _has_tickets_again(site, account):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    # What happened in another tab is said, and shown.
    visitor.expected.add(409)
    async with site.client(account.id) as client:
        assert (await client.post(f"/api/bookings/{booking}/cancel", json={})).status_code == 200
    await button(page, "Send the tickets by e-mail again").click()
    await expect(page.get_by_role("main")).to_contain_text("Its tickets do not open the door any more.")
    await expect(button(page, "Send the tickets by e-mail again")).to_be_hidden()


async def test_a_list_that_is_opened_twice_shows_each_booking_once(visitors: MakeVisitor, site: Site) -> None:
    account, _ = await _booked(site)
    visitor = await visitors(account=account)
    page = await visitor.open("/account#bookings")
    listed = page.locator("#bookings-list").get_by_role("link")
    await expect(listed).to_have_count(1)

    async def late(route: Route) -> None:
        await asyncio.sleep(0.3)
        await route.continue_()

    await page.route(re.compile(r"/api/me/bookings\?"), late)
    await button(page, "Coming").dblclick()
    async with asyncio.timeout(30):
        while len(visitor.calls("GET", r"/api/me/bookings")) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)  # both answers have come
    await expect(listed).to_have_count(1)


async def test_a_booking_is_cancelled_after_a_question(visitors: MakeVisitor, site: Site) -> None:
    account, booking = await _booked(site)
    visitor = await visitors(account=account)
    page = await visitor.open(f"/bookings/{booking}")
    await button(page, "Cancel the booking …").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("on sale")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await button(page, "Cancel the booking …").click()
    await dialog.get_by_role("button", name="Cancel the booking", exact=True).click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("main")).to_contain_text(re.compile("cancelled", re.IGNORECASE))
    await expect(button(page, "Tickets as PDF")).to_be_hidden()
    assert [one["status"] for one in await site.bookings(account)] == ["cancelled"]
    assert len(visitor.calls("POST", r"/api/bookings/[^/]+/cancel")) == 1

    await page.goto(f"{visitor.url}/account#bookings")
    await button(page, "Cancelled").click()
    await expect(page.get_by_role("main").get_by_role("link", name="A Film for Tests")).to_be_visible()


async def test_a_hold_has_a_clock_and_leads_to_its_show(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    show = await site.make_show_of(_LAYOUT)
    hold = await site.hold(account, show, "C7")
    visitor = await visitors(account=account)
    page = await visitor.open(f"/bookings/{hold['id']}")
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"[34]:[0-5]\d"))
    to_show = page.get_by_role("link", name="Go on to confirm")
    await expect(to_show).to_have_attribute("href", f"/shows/{show}")
    await expect(button(page, "Tickets as PDF")).to_be_hidden()


async def test_somebody_elses_booking_is_said_to_be_so(visitors: MakeVisitor, site: Site) -> None:
    _, booking = await _booked(site)
    visitor = await visitors(account=await site.customer())
    visitor.expected.add(403)
    page = await visitor.open(f"/bookings/{booking}")
    await expect(page.get_by_role("main")).to_contain_text("another account")
    await expect(page.get_by_role("main").get_by_role("link").first).to_be_visible()
    await expect(page.get_by_role("main").get_by_role("img")).to_have_count(0)


async def test_a_forgotten_password_is_replaced_by_the_link_in_the_inbox(
    visitor: Visitor, site: Site
) -> None:
    account = await site.customer()
    page = await visitor.open("/password/forgot")
    await field(page, "E-mail").fill(account.email)
    await button(page, "Send the link").click()
    link = await _link_to(site, account, "/password/reset#")
    await page.goto(link)
    await field(page, "Password").fill("a brand new one 8")
    await button(page, "Set the password").click()
    await page.get_by_role("main").get_by_role("link", name="Log in").click()
    await submit_login(page, account.username, "a brand new one 8")
    await page.wait_for_url(f"{visitor.url}/")

    visitor.expected.add(400)
    await page.goto(link.replace("/password/reset#", "/#/reset/"))
    await page.wait_for_url("**/password/reset#*")
    await field(page, "Password").fill("yet another one 8")
    await button(page, "Set the password").click()
    await expect(page.get_by_role("main")).to_contain_text("has been used")


async def test_the_address_is_confirmed_by_the_link_in_the_welcome(visitor: Visitor, site: Site) -> None:
    account = await site.customer()
    page = await visitor.open((await _link_to(site, account, "/email/confirm#")).removeprefix(site.url))
    await page.get_by_role("main").get_by_role("button").first.click()
    await expect(page.get_by_role("main").get_by_text("This address is yours now.")).to_be_visible()
    async with site.client(account.id) as client:
        assert (await client.get("/api/me")).json()["email_confirmed"] is True


async def test_reminders_are_switched_off_and_on_in_the_account_and_off_by_a_link(
    visitors: MakeVisitor, site: Site
) -> None:
    account = await site.customer()
    visitor = await visitors(account=account)
    page = await visitor.open("/account")
    reminders = page.get_by_label("Remind me before a show")
    await expect(reminders).to_be_checked()
    await expect(page.get_by_label("Tell me about sales")).to_be_hidden()
    for wanted in (False, True):
        await reminders.set_checked(wanted)
        await button(page, "Change the e-mails").click()
        await expect(page.locator("#emails").get_by_role("status")).to_be_visible()
        await page.reload()
        await expect(reminders).to_be_checked(checked=wanted)
    visitor.expected.add(400)
    await page.goto(f"{visitor.url}/email/unsubscribe#reminders.{account.id}.forged")
    await button(page, "Send me no more of these").click()
    await expect(page.get_by_role("main").get_by_role("alert")).to_be_visible()


async def test_the_language_of_the_account_is_that_of_the_pages(visitors: MakeVisitor, site: Site) -> None:
    visitor = await visitors(account=await site.customer())
    page = await visitor.open("/account")
    await page.locator("select[name=language]").select_option("de")
    await button(page, "Save").click()
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await page.goto(f"{visitor.url}/login")
    await expect(page.locator("html")).to_have_attribute("lang", "de")


async def test_an_account_is_deleted_with_its_password(visitors: MakeVisitor, site: Site) -> None:
    account = await site.customer()
    visitor = await visitors(account=account)
    visitor.expected.add(401)
    page = await visitor.open("/account")
    await button(page, "Delete the account …").click()
    dialog = page.get_by_role("dialog")
    await dialog.locator("input[type=password]").fill(account.password)
    await dialog.locator("button[type=submit]").click()
    await page.wait_for_url(f"{visitor.url}/")
    await expect(page.locator("#account-menu")).to_contain_text("Log in")
    async with httpx.AsyncClient(base_url=site.url) as client:
        answer = await client.post(
            "/api/login", json={"username": account.username, "password": account.password}
        )
    assert answer.status_code == 401


async def _booked(site: Site) -> tuple[Account, str]:
    """Signs up a customer who books two seats; returns the booking's id, too."""
    account = await site.customer()
    booking = await site.book(account, await site.make_show_of(_LAYOUT), "C4", "C5")
    return account, booking["id"]


async def _has_tickets_again(site: Site, account: Account) -> bool:
    async with httpx.AsyncClient(base_url=site.url, timeout=30) as client:
        listed = (await client.get("/inbox", params={"format": "json", "to": account.email})).json()["items"]
    return any(summary["subject"].startswith("Your tickets once more") for summary in listed)


async def _link_to(site: Site, account: Account, part: str) -> str:
    """Returns the link with this part in an e-mail to an account, once it has arrived."""
    async with httpx.AsyncClient(base_url=site.url, timeout=30) as client, asyncio.timeout(30):
        while True:
            for summary in (await client.get("/inbox", params={"format": "json"})).json()["items"]:
                email = (await client.get(f"/inbox/{summary['id']}", params={"format": "json"})).json()
                found = re.search(rf"https?://\S+{re.escape(part)}[\w%-]+", email["text"])
                if found is not None and account.email in str(email):
                    return found[0]
            await asyncio.sleep(0.2)

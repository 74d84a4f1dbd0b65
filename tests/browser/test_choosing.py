"""Choosing, holding and confirming seats: competition, lost connections, clocks, tabs."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.choosing import confirm, confirm_button, hold, hold_button, seat, select
from tests.browser.conftest import MakeVisitor
from tests.browser.layouts import rows
from tests.browser.site import STAFF, Account, Site
from tests.browser.visitor import Visitor


async def new_show(site: Site) -> int:
    """Creates a show with two sections of three rows, A to C and D to F, of twelve seats."""
    return await site.make_show_of(rows({"Front": "ABC", "Back": "DEF"}, 12))


async def customer(visitors: MakeVisitor, site: Site) -> tuple[Visitor, Account]:
    """Returns a visitor who is logged in, and the account."""
    account = await site.customer()
    return await visitors(account=account), account


async def statuses(site: Site, account: Account) -> list[tuple[str, list[str]]]:
    """Returns status and seats of a customer's bookings."""
    return [(booking["status"], booking["seats"]) for booking in await site.bookings(account)]


async def test_seats_are_held_and_confirmed(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    page = await visitor.open(f"/shows/{show}")
    await hold(page, "A3", "A4")
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"[45]:\d\d"))
    await confirm(page)
    assert await statuses(site, account) == [("confirmed", ["A3", "A4"])]
    await expect(page.get_by_role("main")).to_contain_text("A3")


async def test_a_double_click_holds_once_and_confirms_nothing(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    page = await visitor.open(f"/shows/{show}")
    await select(page, "B1")
    await hold_button(page).dblclick()
    await expect(confirm_button(page)).to_be_visible()
    assert await statuses(site, account) == [("held", ["B1"])]


async def test_two_holds_have_buttons_with_names_of_their_own(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    for label in ("A1", "B1"):
        await site.hold(account, show, label)
    page = await visitor.open(f"/shows/{show}")
    await expect(confirm_button(page)).to_have_count(2)
    for label in ("A1", "B1"):
        await expect(page.get_by_role("button", name=f"Confirm 1 seat: {label}", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="More time").last).to_have_accessible_description(
        re.compile("^B1")
    )


async def test_two_customers_want_the_same_seat(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    (ada, _), (bob, bobs) = await customer(visitors, site), await customer(visitors, site)
    first, second = await ada.open(f"/shows/{show}"), await bob.open(f"/shows/{show}")
    await select(second, "A1", "A2")
    await hold(first, "A2")
    await expect(second.get_by_text("A2 was just taken", exact=True)).to_be_visible()
    await expect(seat(second, "A2")).to_have_accessible_name(re.compile("held by somebody else"))
    await expect(seat(second, "A1")).to_have_attribute("aria-pressed", "true")
    await second.get_by_role("button", name=re.compile(r"^Take .* instead$")).click()
    await hold_button(second).click()
    await expect(confirm_button(second)).to_be_visible()
    [(status, seats)] = await statuses(site, bobs)
    assert (status, len(seats), "A2" in seats, "A1" in seats) == ("held", 2, False, True)


async def test_a_refused_hold_says_why_and_keeps_the_other_seats(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, _ = await customer(visitors, site)
    visitor.expected.add(409)
    page = await visitor.open(f"/shows/{show}")
    await page.route_web_socket("**/live", lambda socket: None)
    await page.reload()
    await select(page, "C1", "C2")
    await site.hold(await site.customer(), show, "C1")
    await hold_button(page).click()
    await expect(page.get_by_text("C1 was just taken", exact=True)).to_be_visible()
    await expect(seat(page, "C2")).to_have_attribute("aria-pressed", "true")
    await expect(seat(page, "C1")).to_have_attribute("aria-pressed", "false")


async def test_a_selection_and_a_hold_survive_a_reload(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    page = await visitor.open(f"/shows/{show}")
    await select(page, "A5")
    await page.reload()
    await expect(seat(page, "A5")).to_have_attribute("aria-pressed", "true")
    await hold_button(page).click()
    await expect(confirm_button(page)).to_be_visible()
    await page.reload()
    await expect(confirm_button(page)).to_be_visible()
    other_tab = await visitor.open(f"/shows/{show}")
    await expect(confirm_button(other_tab)).to_be_visible()
    await confirm(other_tab)
    await page.bring_to_front()
    await expect(confirm_button(page)).to_be_hidden()
    assert await statuses(site, account) == [("confirmed", ["A5"])]


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_connection_lost_while_holding_books_once(
    visitors: MakeVisitor, site: Site, arrives: bool
) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    visitor.connection_fails = True
    page = await visitor.open(f"/shows/{show}")
    await lose_first(page, f"**/api/shows/{show}/holds", arrives=arrives)
    await select(page, "A1")
    await hold_button(page).click()
    await expect(confirm_button(page)).to_be_visible()
    assert await statuses(site, account) == [("held", ["A1"])]
    keys = {call.headers["idempotency-key"] for call in visitor.calls("POST", rf"/api/shows/{show}/holds")}
    assert len(keys) == 1


async def test_a_connection_lost_while_confirming_confirms_once(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    visitor.connection_fails = True
    page = await visitor.open(f"/shows/{show}")
    await hold(page, "A1")
    await lose_first(page, "**/api/bookings/*/confirm", arrives=True)
    await confirm(page)
    assert await statuses(site, account) == [("confirmed", ["A1"])]


async def test_a_reload_while_holding_goes_on_with_the_same_request(
    visitors: MakeVisitor, site: Site
) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    visitor.connection_fails = True
    page = await visitor.open(f"/shows/{show}")
    await lose_first(page, f"**/api/shows/{show}/holds", arrives=True, times=100)
    await select(page, "A1", "A2")
    await hold_button(page).click()
    await expect(page.get_by_text("The connection is lost.")).to_be_visible()
    await page.unroute_all(behavior="ignoreErrors")
    await page.reload()
    await expect(confirm_button(page)).to_be_visible()
    assert await statuses(site, account) == [("held", ["A1", "A2"])]


async def test_a_hold_is_extended_and_one_runs_out(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    await site.hold(account, show, "A1", hold_s=30)
    page = await visitor.open(f"/shows/{show}")
    timer = page.get_by_role("timer")
    await expect(timer).to_have_text(re.compile(r"0:[012]\d"))
    await expect(page.get_by_role("alert")).to_contain_text(re.compile("second|30"))
    await page.wait_for_timeout(3_000)
    await page.get_by_role("button", name="More time").click()
    await expect(timer).to_have_text(re.compile(r"0:(30|2[6-9])"))
    await expect(page.get_by_text("Your hold has run out", exact=True)).to_be_visible(timeout=45_000)
    await page.get_by_role("button", name="Select them again").click()
    await expect(seat(page, "A1")).to_have_attribute("aria-pressed", "true")
    assert await statuses(site, account) == [("expired", ["A1"])]


async def test_the_clock_is_that_of_the_service(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    await visitor.context.add_init_script(
        "const real = Date.now.bind(Date); Date.now = () => real() + 240_000;"
        "globalThis.Date = class extends Date {"
        "  constructor(...given) { given.length ? super(...given) : super(Date.now()); } };"
    )
    page = await visitor.open(f"/shows/{show}")
    await hold(page, "A1")
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"5:00|4:5\d"))
    assert await statuses(site, account) == [("held", ["A1"])]


async def test_the_map_polls_where_web_sockets_are_blocked(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor = await visitors()
    visitor.connection_fails = True
    await visitor.context.route_web_socket("**/live", lambda socket: socket.close())
    page = await visitor.open(f"/shows/{show}")
    await expect(page.get_by_text("Updated every few seconds")).to_be_visible(timeout=30_000)
    await site.book(await site.customer(), show, "B6")
    await expect(seat(page, "B6")).to_have_accessible_name(re.compile("sold$"))


async def test_changes_are_live_and_a_summary_tells_them(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    page = await (await visitors()).open(f"/shows/{show}")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    someone = await site.customer()
    await site.book(someone, show, "C6", "C7")
    await expect(seat(page, "C7")).to_have_accessible_name(re.compile("sold$"))
    await expect(page.get_by_text("70 of 72 seats left")).to_be_visible()
    await page.get_by_role("button", name="What changed").click()
    await expect(page.locator("#changes")).to_contain_text("2 seats taken")


async def test_many_changes_at_once_reach_map_list_and_selection(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    page = await (await visitors()).open(f"/shows/{show}")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await select(page, "B1", "C12")
    labels = [f"{row}{number}" for row in "ABCD" for number in range(1, 13)]
    async with site.client(STAFF, "staff") as staff:
        assert (await staff.post(f"/api/shows/{show}/block", json={"seats": labels})).is_success
    await expect(page.get_by_role("alert")).to_contain_text("B1")
    for label in labels[:36]:
        await expect(seat(page, label)).to_have_accessible_name(re.compile("not for sale$"))
        await expect(seat(page, label)).to_have_attribute("aria-pressed", "false")
    await expect(page.get_by_text("24 of 72 seats left")).to_be_visible()


async def test_choosing_continues_after_the_log_in(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    account = await site.customer()
    page = await (await visitors()).open(f"/shows/{show}")
    await select(page, "A7", "A8")
    await hold_button(page).click()
    await page.wait_for_url("**/login?next=*")
    await page.get_by_label("User name").fill(account.username)
    await page.get_by_label("Password", exact=True).fill(account.password)
    await page.get_by_role("main").get_by_role("button", name="Log in").click()
    await page.wait_for_url(f"**/shows/{show}")
    await expect(confirm_button(page)).to_be_visible()
    assert await statuses(site, account) == [("held", ["A7", "A8"])]


async def test_a_session_that_ended_while_choosing_loses_nothing(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    visitor.expected |= {401}
    page = await visitor.open(f"/shows/{show}")
    await select(page, "A9")
    async with site.client(account.id) as client:
        changed = await client.patch(
            "/api/me", json={"password": "another pass phrase", "old_password": account.password}
        )
    assert changed.status_code == 200, changed.text
    await page.wait_for_timeout(1_100)
    await hold_button(page).click()
    await page.wait_for_url("**/login?next=*")
    await page.get_by_label("User name").fill(account.username)
    await page.get_by_label("Password", exact=True).fill("another pass phrase")
    await page.get_by_role("main").get_by_role("button", name="Log in").click()
    await page.wait_for_url(f"**/shows/{show}")
    await expect(confirm_button(page)).to_be_visible()
    await expect(seat(page, "A9")).to_have_accessible_name(re.compile("held by you$"))


async def test_the_service_chooses_the_best_seats(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    page = await visitor.open(f"/shows/{show}")
    await page.get_by_text("Let us find the best seats").click()
    await page.get_by_label("How many").fill("3")
    await page.get_by_role("button", name="Hold the best seats").click()
    await expect(confirm_button(page)).to_be_visible()
    [(status, seats)] = await statuses(site, account)
    assert (status, len(seats)) == ("held", 3)


async def test_held_seats_are_changed_and_released(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    visitor, account = await customer(visitors, site)
    page = await visitor.open(f"/shows/{show}")
    await hold(page, "A1")
    await page.get_by_role("button", name="Change seats").click()
    await seat(page, "A1").click()
    await seat(page, "A2").click()
    await page.get_by_role("button", name="Move to this seat").click()
    await expect(page.get_by_role("button", name="Change seats")).to_be_visible()
    assert await statuses(site, account) == [("held", ["A2"])]
    await page.get_by_role("button", name="Release").click()
    await expect(confirm_button(page)).to_be_hidden()
    assert await statuses(site, account) == [("released", ["A2"])]


async def test_odd_titles_and_labels_are_text(visitors: MakeVisitor, site: Site) -> None:
    title = '<img src=x onerror="alert(1)">"\'</script><script>alert(2)</script>'
    labels = ['A"1', "B'2", "<b>3"]
    show = await site.make_show_of(
        {
            "sections": [
                {
                    "name": "<i>Room</i>",
                    "price": {"amount": 900, "currency": "EUR"},
                    "rows": [{"name": "&", "seats": labels}],
                }
            ]
        },
        title=title,
    )
    visitor, account = await customer(visitors, site)
    page = await visitor.open(f"/shows/{show}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    await hold(page, *labels)
    await confirm(page)
    assert await statuses(site, account) == [("confirmed", labels)]
    await expect(page.get_by_role("main")).to_contain_text("<b>3")


async def test_a_show_that_closes_says_so_at_once(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    page = await (await visitors()).open(f"/shows/{show}")
    await expect(seat(page, "A1")).to_be_visible()
    async with site.client(STAFF, "staff") as staff:
        assert (await staff.post(f"/api/shows/{show}/close")).status_code == 200
    await expect(page.locator("#show-status")).to_contain_text("Sales have ended.")


async def test_without_javascript_a_show_says_what_is_needed(visitors: MakeVisitor, site: Site) -> None:
    show = await new_show(site)
    page = await (await visitors(javascript=False)).open(f"/shows/{show}")
    notice = page.locator("noscript .notice")  # locators by text leave <noscript> out
    await expect(notice).to_be_visible()
    await expect(notice).to_contain_text("Choosing seats needs JavaScript.")


@pytest.mark.parametrize("seats", [3, 100_000])
async def test_houses_of_any_size_can_be_booked(visitors: MakeVisitor, site: Site, seats: int) -> None:
    show = await site.make_show_of(None, total_seats=seats)
    visitor, account = await customer(visitors, site)
    page = await visitor.open(f"/shows/{show}")
    await hold(page, "2", "3")
    await confirm(page)
    assert await statuses(site, account) == [("confirmed", ["2", "3"])]


async def lose_first(page: Page, pattern: str, *, arrives: bool, times: int = 1) -> None:
    """Cuts the connection of the first requests, after the service has had them or before."""

    async def cut(route: Route) -> None:
        if arrives:
            await asyncio.shield(route.fetch())
        await route.abort("connectionreset")

    await page.route(pattern, cut, times=times)

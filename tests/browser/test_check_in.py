"""The page of the door: scans, repeats, and what happens without a connection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from ops.local.keys import ticket_keys
from runtime.signing_keys import read_ticket_keys
from tests.browser.conftest import MakeVisitor
from tests.browser.site import STAFF, Account, Site
from tests.browser.visitor import Colours, Visitor
from tickets.tokens import TicketSigner

DOOR = Account(STAFF, "staff", "", "staff-password-1")
_LAYOUT = {
    "sections": [
        {"name": "Stalls", "price": {"amount": 1250, "currency": "EUR"}, "rows": [{"name": "C", "seats": 12}]}
    ]
}
_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


class Tickets(NamedTuple):
    """A show that starts soon, with the tokens of a booking of its first seats."""

    show_id: int
    booking: dict[str, Any]
    tokens: list[str]


@pytest_asyncio.fixture(loop_scope="session")
async def tickets(site: Site) -> Tickets:
    """Returns three tickets."""
    starts_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    show_id = await site.make_show_of(_LAYOUT, starts_at=starts_at)
    booking = await site.book(await site.customer(), show_id, "C1", "C2", "C3")
    signer = TicketSigner(read_ticket_keys(ticket_keys(site.home)).private)
    return Tickets(show_id, booking, [signer.sign(UUID(booking["id"]), show_id, n) for n in range(3)])


async def open_door(visitor: Visitor) -> Page:
    page = await visitor.open("/checkin")
    await expect(page.locator("#token")).to_be_enabled()
    await expect(page.locator("#connection")).to_have_text("Connected")
    return page


async def type_code(page: Page, code: str) -> None:
    """Types as a hand scanner does, wherever the focus is."""
    await page.keyboard.insert_text(code[:-1])
    await page.keyboard.type(code[-1])
    await page.keyboard.press("Enter")


def verdict(page: Page) -> Locator:
    return page.locator("#verdict")


def states(page: Page) -> Locator:
    """The states of the scans, newest first."""
    return page.locator("#scans .chip")


async def scan_elsewhere(site: Site, token: str) -> str:
    async with site.client(STAFF, "staff") as staff:
        answer = await staff.post("/api/checkin", json={"token": token, "gate": "north"})
    return str(answer.json()["result"])


async def test_a_typed_ticket_is_valid_and_then_already_used(visitors: MakeVisitor, tickets: Tickets) -> None:
    visitor = await visitors(account=DOOR)
    page = await open_door(visitor)
    await page.locator("#gate").fill("south-2")
    await page.locator("#token").focus()
    await type_code(page, tickets.tokens[0].lower())
    await expect(verdict(page)).to_have_attribute("data-verdict", "good")
    await expect(verdict(page)).to_contain_text("Valid")
    await expect(verdict(page)).to_contain_text("Seat C1")
    await expect(states(page)).to_have_text(["confirmed by the service"])
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_have_attribute("data-verdict", "bad")
    await expect(verdict(page)).to_contain_text("Already used")
    await expect(verdict(page)).to_contain_text("gate south-2")
    await type_code(page, "XXXX")
    await expect(verdict(page)).to_contain_text("Not a valid ticket")
    await expect(page.locator("#queue")).to_have_text("Everything is confirmed.")


async def test_a_check_in_is_taken_back(visitors: MakeVisitor, site: Site, tickets: Tickets) -> None:
    page = await open_door(await visitors(account=DOOR))
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_contain_text("Valid")
    await page.get_by_role("button", name="Take back").click()
    await expect(states(page)).to_have_text(["taken back"])
    assert await scan_elsewhere(site, tickets.tokens[0]) == "valid"


async def test_the_door_of_a_show_counts_and_refuses_other_shows(
    visitors: MakeVisitor, tickets: Tickets, site: Site
) -> None:
    other = await site.make_show_of(
        _LAYOUT, title="Another Film", starts_at=(datetime.now(UTC) + timedelta(hours=2)).isoformat()
    )
    page = await open_door(await visitors(account=DOOR))
    await page.locator("#show").select_option(str(other))
    await page.locator("#token").focus()
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_contain_text("Another show")
    await page.locator("#show").select_option(str(tickets.show_id))
    await page.locator("#token").focus()
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_contain_text("Valid")
    await expect(page.locator("#counts")).to_contain_text("1 of 3 are in")


async def test_without_a_connection_signatures_count_until_the_service_confirms(
    visitors: MakeVisitor, tickets: Tickets
) -> None:
    visitor = await visitors(account=DOOR)
    page = await open_door(visitor)
    visitor.connection_fails = True
    await visitor.context.set_offline(True)
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_have_attribute("data-verdict", "warn")
    await expect(verdict(page)).to_contain_text("By signature only")
    await expect(states(page)).to_have_text(["by signature only, not confirmed yet"])
    await expect(page.locator("#connection")).to_have_text("No connection")
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_have_attribute("data-verdict", "bad")
    await expect(verdict(page)).to_contain_text("This device has let somebody in with it already.")
    token = tickets.tokens[1]
    await type_code(page, f"{token[:70]}{'C' if token[70] == 'B' else 'B'}{token[71:]}")
    await expect(verdict(page)).to_contain_text("Not a valid ticket")
    await expect(page.locator("#queue")).to_have_text("1 scan waits for the service")
    await visitor.context.set_offline(False)
    await expect(states(page)).to_have_text(
        ["refused by this device", "refused by this device", "confirmed by the service"]
    )
    await expect(page.locator("#queue")).to_have_text("Everything is confirmed.")


async def test_a_late_scan_of_a_used_ticket_is_a_conflict(
    visitors: MakeVisitor, site: Site, tickets: Tickets
) -> None:
    visitor = await visitors(account=DOOR)
    page = await open_door(visitor)
    visitor.connection_fails = True
    await visitor.context.set_offline(True)
    await type_code(page, tickets.tokens[2])
    await expect(verdict(page)).to_contain_text("By signature only")
    assert await scan_elsewhere(site, tickets.tokens[2]) == "valid"
    await visitor.context.set_offline(False)
    await expect(states(page)).to_have_text(["conflict"])
    await expect(page.locator("#queue")).to_have_text("1 conflict")
    async with site.client(STAFF, "staff") as staff:
        door = (await staff.get(f"/api/shows/{tickets.show_id}/checkin")).json()
    assert [(one["seat"], one["used_gate"]) for one in door["conflicts"]] == [("C3", "north")]


async def test_a_scan_survives_a_reload_as_the_same_scan(
    visitors: MakeVisitor, site: Site, tickets: Tickets
) -> None:
    """Its answer is lost on the way: the service has decided it, and the page does not know."""
    visitor = await visitors(account=DOOR)
    page = await open_door(visitor)
    visitor.connection_fails = True
    lose = "**/api/checkin"

    async def answer_is_lost(route: Any) -> None:
        await route.fetch()
        await route.abort()

    await page.route(lose, answer_is_lost)
    await type_code(page, tickets.tokens[1])
    await expect(states(page)).to_have_text(["by signature only, not confirmed yet"])
    await page.unroute_all(behavior="wait")
    await page.reload()
    await expect(states(page)).to_have_text(["confirmed by the service"])
    await expect(page.locator("#scans b")).to_have_text("C2 · Valid")
    sent = [request.post_data_json or {} for request in visitor.calls("POST", "/api/checkin")]
    nonces = {body["nonce"] for body in sent}
    assert len(nonces) == 1
    async with site.client(STAFF, "staff") as staff:
        door = (await staff.get(f"/api/shows/{tickets.show_id}/checkin")).json()
    assert (door["checked_in"], door["conflicts"]) == (1, [])


async def test_customers_and_guests_do_not_get_the_door(visitors: MakeVisitor, site: Site) -> None:
    guest = await visitors()
    page = await guest.open("/checkin")
    await page.wait_for_url("**/login?next=%2Fcheckin")
    customer = await visitors(account=await site.customer())
    page = await customer.open("/checkin")
    await expect(page.locator("#trouble")).to_contain_text("This page is for staff")
    await expect(page.locator("#token")).to_be_disabled()


@pytest.mark.parametrize(("width", "colours"), [(375, "dark"), (375, "light"), (1280, "light")])
async def test_axe_finds_nothing_in_any_state_of_the_door(
    visitors: MakeVisitor, tickets: Tickets, width: int, colours: Colours
) -> None:
    visitor = await visitors(account=DOOR, width=width, height=800, colours=colours)
    page = await open_door(visitor)

    async def check() -> None:
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        found = (await Axe().run(page, options=_RULES)).response["violations"]
        assert not found, [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]

    await check()
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_contain_text("Valid")
    await check()
    await type_code(page, tickets.tokens[0])
    await expect(verdict(page)).to_contain_text("Already used")
    await check()
    visitor.connection_fails = True
    await visitor.context.set_offline(True)
    await type_code(page, tickets.tokens[1])
    await expect(verdict(page)).to_contain_text("By signature only")
    await visitor.context.set_offline(False)
    await expect(states(page).first).to_have_text("confirmed by the service")

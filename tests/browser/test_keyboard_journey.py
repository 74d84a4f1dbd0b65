"""A new customer's whole way by the keyboard alone, from the front page to the tickets, as it is read aloud."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.choosing import confirm_button
from tests.browser.settled import settled
from tests.browser.site import PASSWORD, Site
from tests.browser.spoken import spoken
from tests.browser.visitor import Visitor

_RECORD = Path(__file__).with_name("keyboard_journey.txt")


async def new_film(site: Site) -> str:
    """Makes a film with one show of two rows; returns its title."""
    title = "The Pianist of Platform Nine"
    movie = await site.make_movie(title=title)
    price = {"amount": 1250, "currency": "EUR"}
    rows = [{"name": name, "seats": 4} for name in "AB"]
    layout = {"sections": [{"name": "Stalls", "price": price, "rows": rows}]}
    await site.make_show(movie_id=movie, layout=layout, screen_name="Screen 7", seats_per_customer=10)
    return title


async def expect_tickets(page: Page, visitor: Visitor, *seats: str) -> None:
    """The booking's page has a code for each seat, and nothing was asked for twice."""
    await expect(page.get_by_role("heading", name="Tickets")).to_be_visible()
    codes = page.get_by_role("main").get_by_role("listitem")
    for seat in seats:
        await expect(codes.filter(has_text=seat).first).to_be_visible()
    assert len(visitor.calls("POST", r"/api/shows/\d+/holds")) == 1
    assert len(visitor.calls("POST", r"/api/bookings/.*/confirm")) == 1


@pytest.mark.timeout(180)
async def test_a_new_customer_gets_tickets_by_the_keyboard_alone(site: Site, visitor: Visitor) -> None:
    """What is read aloud on the way is recorded; AISLE_RECORD=1 writes the record anew."""
    title = await new_film(site)
    heard: list[str] = []
    page = await visitor.open("/")
    await tab_to(page, heard, "Search films")
    await page.keyboard.type(title)
    await expect(page.locator("#results .film")).to_have_count(1)
    await tab_to(page, heard, title)
    await press(page, heard, "Enter")
    await page.wait_for_url("**/movies/*")
    await tab_to(page, heard, "Choose seats for")
    await press(page, heard, "Enter")
    await expect(page.get_by_role("button", name=re.compile("^A1,"))).to_be_visible()
    await tab_to(page, heard, "A1,")
    for key in ("End", "Home", "ArrowRight", "Enter", "ArrowDown", "Space"):
        await press(page, heard, key)
        heard.append(await spoken(page))
    await tab_to(page, heard, "Hold 2 seats")
    await press(page, heard, "Enter")
    await page.wait_for_url("**/login?next=*")
    await settled(page)
    await tab_to(page, heard, "Make an account")
    await press(page, heard, "Enter")
    await page.wait_for_url("**/signup?next=*")
    await settled(page)
    username = "keytraveller"
    fields = {"User name": username, "E-mail": f"{username}@example.org", "Password": PASSWORD}
    for label, text in fields.items():
        await tab_to(page, heard, label)
        await page.keyboard.type(text)
    await press(page, heard, "Enter")
    await page.wait_for_url("**/shows/*")
    await expect(confirm_button(page)).to_be_visible()
    await page.wait_for_timeout(700)
    await tab_to(page, heard, "Confirm 2 seats")
    await press(page, heard, "Enter")
    await page.wait_for_url("**/bookings/*")
    await expect_tickets(page, visitor, "A2", "B2")
    await tab_to(page, heard, "Tickets as PDF")
    text = record(heard, title, username)
    if os.environ.get("AISLE_RECORD") == "1":
        _RECORD.write_text(text)
    assert text == _RECORD.read_text()


async def tab_to(page: Page, heard: list[str], name: str, most: int = 80) -> None:
    """Presses Tab until the focus is on the element with this name, and notes every stop on the way.

    A page that has put the focus there already needs none.
    """
    if (said := await spoken(page)).startswith(name):
        heard.append(said)
        return
    for _ in range(most):
        await page.keyboard.press("Tab")
        said = await spoken(page)
        heard.append(said)
        if said.startswith(name):
            return
    raise AssertionError(f"{name!r} is not reached by Tab:\n" + "\n".join(heard))


async def press(page: Page, heard: list[str], key: str) -> None:
    """Presses a key and notes where the focus is then."""
    await page.keyboard.press(key)
    heard.append(f"({key})")


def record(heard: list[str], title: str, username: str) -> str:
    """Returns what was heard, without what differs from day to day."""
    text = "\n".join(heard).replace(title, "(title)").replace(username, "(user)")
    text = re.sub(r"\b\w{3,9}, \d{1,2} \w+( \d{4})?|\b\w{3,9}, \w{3,9} \d{1,2}(, \d{4})?", "(date)", text)
    return f"{text}\n"

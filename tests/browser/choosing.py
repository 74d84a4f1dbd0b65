"""Actions of a customer on the page of a show, by the names that a screen reader reads."""

from __future__ import annotations

import re

from playwright.async_api import Locator, Page, expect

READY_MS = 15_000


def seat(page: Page, label: str) -> Locator:
    """Returns the button of a seat of the section in focus."""
    return page.get_by_role("grid").get_by_role("button", name=re.compile(rf"^{re.escape(label)},"))


def hold_button(page: Page) -> Locator:
    """Returns the button that holds what is selected."""
    return page.get_by_role("button", name=re.compile(r"^Hold \d+ seat"))


def confirm_button(page: Page) -> Locator:
    """Returns the button that confirms a hold."""
    return page.get_by_role("button", name=re.compile(r"^Confirm \d+ seat"))


async def select(page: Page, *labels: str) -> None:
    """Selects seats in the list."""
    for label in labels:
        await seat(page, label).click()
        await expect(seat(page, label)).to_have_attribute("aria-pressed", "true")


async def hold(page: Page, *labels: str) -> None:
    """Selects seats and holds them."""
    await select(page, *labels)
    await hold_button(page).click()
    await expect(confirm_button(page)).to_be_visible()


async def confirm(page: Page) -> None:
    """Confirms the hold, once its button takes clicks, and waits for the booking's page."""
    await page.wait_for_timeout(700)
    await confirm_button(page).click()
    await page.wait_for_url("**/bookings/*")

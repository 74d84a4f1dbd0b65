"""axe-core finds nothing on any page, by the rules of WCAG 2.2 AA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.browser.conftest import MakeVisitor
from tests.browser.settled import settled
from tests.browser.tour import Place, Tour
from tests.browser.visitor import Colours

_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}

_DOCS = Place("docs", "/docs")
"""Swagger UI, which draws itself."""


@pytest.mark.timeout(360)
@pytest.mark.parametrize(("width", "colours"), [(1280, "light"), (375, "dark")])
async def test_axe_finds_nothing_on_any_page(
    tour: Tour, visitors: MakeVisitor, width: int, colours: Colours
) -> None:
    guest = await visitors(width=width, colours=colours)
    customer = await visitors(width=width, colours=colours, account=tour.account)
    guest.expected |= {400, 404}
    found: list[str] = []
    for place in (*tour.places, _DOCS):
        visitor = customer if place.logged_in else guest
        page = await visitor.open(place.path)
        if place is _DOCS:
            await page.locator(".opblock-summary-control").first.click()
            await page.locator(".opblock-body").wait_for()
        await settled(page)
        # The whole page in one window: nothing is under the bar at its bottom only because of where it is scrolled.
        height: int = await page.evaluate("document.documentElement.scrollHeight")
        await page.set_viewport_size({"width": width, "height": max(height, 900)})
        await settled(page)
        results = await Axe().run(page, options=_RULES)
        found += [f"{place.name}: {one}" for one in findings(results.response)]
        await page.close()
    assert not found, "\n".join(found)


def findings(response: dict[str, Any]) -> Iterator[str]:
    """Yields what axe-core found: the rule, the element, what to do."""
    for violation in response["violations"]:
        for node in violation["nodes"]:
            yield f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"

"""Cases: pages with a cold cache, until they can be used, and what they transfer."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.browser.bench.stage import Stage, Transfers

Measured = tuple[dict[str, float], dict[str, Any]]
_SETTLING_S = 1.0

_LANDING = """
() => ({
  paint: performance.getEntriesByType("paint").map(entry => [entry.name, entry.startTime]),
  shift: aisleProbe.shift,
})
"""


async def big_map(stage: Stage) -> Measured:
    """The map of 100,000 seats."""
    return await _map(stage, 100_000)


async def usual_map(stage: Stage) -> Measured:
    """The map of 5,000 seats."""
    return await _map(stage, 5_000)


async def landing_page(stage: Stage) -> Measured:
    """The programme of the sample data."""
    async with stage.visit() as context:
        page = await context.new_page()
        transfers = await Transfers.of(page)
        await page.goto(f"{stage.url}/", wait_until="load")
        await asyncio.sleep(_SETTLING_S)
        seen: dict[str, Any] = await page.evaluate(_LANDING)
        paints = dict(seen["paint"])
        figures = {
            "landing-fcp": paints["first-contentful-paint"],
            "landing-cls": seen["shift"],
            "landing-kb": transfers.total_kb,
        }
        return figures, {"paints": paints, "bytes": transfers.bytes_of}


async def _map(stage: Stage, seats: int) -> Measured:
    show_id = await stage.show(seats)
    async with stage.visit() as context:
        page = await context.new_page()
        transfers = await Transfers.of(page)
        usable_ms = await stage.open_map(page, show_id)
        await asyncio.sleep(_SETTLING_S)
        figures = {f"map-{seats}": usable_ms, f"map-{seats}-kb": transfers.total_kb}
        marks: dict[str, float] = await page.evaluate(
            "Object.fromEntries(performance.getEntriesByType('mark').map(mark => [mark.name, mark.startTime]))"
        )
        return figures, {"marks": marks, "bytes": transfers.bytes_of}

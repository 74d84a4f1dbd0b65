"""Cases: the main thread's work while the map is panned, and when a thousand seats change at once."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from playwright.async_api import Page

from loadtest.bench.report.statistics import percentile
from tests.browser.bench.loading import Measured
from tests.browser.bench.stage import Stage
from tests.browser.bench.trace import CATEGORIES, MainThread, read_trace

_ZOOMS = (0, 2, 4, 6)
"""Steps of the zoom button at which the map is panned: from all of it to single seats."""
_STEPS = 90
_CHANGED = 1_000
_SETTLED_S = 1.2
"""Time after a message within which everything on the page shows it: the list, the numbers of seats left."""


async def panning(stage: Stage) -> Measured:
    """100,000 seats, dragged at several zooms; the figure is that of the slowest zoom."""
    show_id = await stage.show(100_000)
    async with stage.visit() as context:
        page = await context.new_page()
        await stage.open_map(page, show_id)
        await asyncio.sleep(0.5)
        zoomed = 0
        seen: dict[int, list[float]] = {}
        rates: dict[int, float] = {}
        for steps in _ZOOMS:
            for _ in range(steps - zoomed):
                await page.get_by_role("button", name="Zoom in").click()
            zoomed = steps
            await asyncio.sleep(0.6)
            thread = await _dragged(stage, page)
            began, ended = thread.marks["bench:began"], thread.marks["bench:ended"]
            seen[steps] = thread.per_frame(began, ended)
            rates[steps] = len(seen[steps]) / (ended - began) * 1e6
        p95 = {steps: percentile(sorted(worked), 95) for steps, worked in seen.items()}
        worst = max(p95, key=lambda steps: p95[steps])
        figures = {"pan-p95": p95[worst], "pan-frames": rates[worst]}
        return figures, {"p95": p95, "per second": rates, "per frame": seen}


async def _dragged(stage: Stage, page: Page) -> MainThread:
    box = await page.locator("canvas").first.bounding_box()
    assert box is not None, "the map is not visible"
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reach = min(box["width"], box["height"]) / 3
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 12, y)
    await stage.browser.start_tracing(page=page, categories=CATEGORIES)
    await page.evaluate("performance.mark('bench:began')")
    for step in range(_STEPS):
        # To and fro over the middle, a little further each time.
        turn = step % 30
        way = (turn if turn < 15 else 30 - turn) / 15
        await page.mouse.move(x + reach * way, y + reach * way * (step / _STEPS))
    await page.evaluate("performance.mark('bench:ended')")
    trace = await stage.browser.stop_tracing()
    await page.mouse.up()
    return read_trace(trace, "bench:began")


async def many_changes(stage: Stage) -> Measured:
    """A thousand seats of 5,000 blocked by one command: until the frame with it is drawn, and what follows."""
    show_id = await stage.new_show(5_000)
    async with stage.visit() as context:
        page = await context.new_page()
        await stage.open_map(page, show_id)
        await asyncio.sleep(1.0)
        seats = await stage.client.ask("GET", f"/api/shows/{show_id}/seats", token="")
        labels = [label for section in seats["sections"] for row in section["rows"] for label in _labels(row)]
        await page.evaluate("performance.mark('bench:began')")
        await stage.browser.start_tracing(page=page, categories=CATEGORIES)
        await page.evaluate("performance.mark('bench:began')")
        # Every fourth one: all over the map.
        body = {"seats": labels[: 4 * _CHANGED : 4]}
        await stage.client.ask("POST", f"/api/shows/{show_id}/block", token=stage.accounts.staff(), body=body)
        await page.wait_for_function(
            "() => aisleProbe.messages.some(message => message.drawn !== null)", polling=50
        )
        await asyncio.sleep(_SETTLED_S + 0.3)
        thread = read_trace(await stage.browser.stop_tracing(), "bench:began")
        messages: list[dict[str, Any]] = await page.evaluate("aisleProbe.messages")
        number = next(n for n in itertools.count() if messages[n]["characters"] > 10 * _CHANGED)
        received, drawn = thread.marks[f"probe:received-{number}"], thread.marks[f"probe:drawn-{number}"]
        figures = {
            "changes-1000": thread.between(received, drawn),
            "changes-1000-all": thread.between(received, received + _SETTLED_S * 1e6),
        }
        return figures, {"messages": messages, "elapsed ms": (drawn - received) / 1000}


def _labels(row: dict[str, Any]) -> list[str]:
    labels: list[str] = row["seats"]
    return labels

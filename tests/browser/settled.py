"""Waiting until a page shows what it has to show."""

from __future__ import annotations

from playwright.async_api import Page

_QUIET = """
async () => {
  await document.fonts.ready;
  const busy = () => document.querySelector('[aria-busy="true"]') !== null;
  const until = performance.now() + 10000;
  while (busy() && performance.now() < until) await new Promise(then => setTimeout(then, 50));
  await new Promise(then => requestAnimationFrame(() => requestAnimationFrame(then)));
}
"""


async def settled(page: Page) -> None:
    """Waits until nothing is being fetched or drawn on a page with scripts."""
    await page.wait_for_load_state("load")
    await page.wait_for_timeout(300)
    await page.evaluate(_QUIET)

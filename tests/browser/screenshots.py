"""`python -m tests.browser.screenshots`: pictures of every page, with a crowd on the show's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from playwright.async_api import Browser

from tests.browser.chromium import chromium
from tests.browser.email_pictures import take_email_pictures
from tests.browser.settled import settled
from tests.browser.site import Site
from tests.browser.tour import Tour, prepare_tour
from tests.browser.visitor import Visitor

SETTINGS = {"AISLE_RATE_LIMITS": "off", "AISLE_TIMEZONE": "Europe/Berlin"}
_SIZES = {375: 812, 1280: 900}
_CROWD_S = 240

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def screenshots(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")] = Path(".screenshots"),
    only: Annotated[list[str] | None, typer.Option(help="Only this page, such as `show`.")] = None,
) -> None:
    """Pictures of every page and e-mail: small and wide, light and dark, English and Hindi."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_take(folder, only or []))


async def _take(folder: Path, only: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="aisle-screenshots-") as temporary:
        site = Site(Path(temporary) / "home", SETTINGS)
        try:
            await site.start()
            tour = await prepare_tour(site)
            show_id = int(tour.place("show").path.rpartition("/")[2])
            async with chromium() as browser:
                await take_email_pictures(browser, folder, only)
                with crowd(site, show_id, people=150, seconds=_CROWD_S):
                    await asyncio.sleep(10)
                    for (width, height), colours, language in product(
                        _SIZES.items(), ("light", "dark"), ("en", "hi")
                    ):
                        await _pictures(browser, site, tour, folder, width, height, colours, language, only)
        finally:
            site.stop()


async def _pictures(
    browser: Browser,
    site: Site,
    tour: Tour,
    folder: Path,
    width: int,
    height: int,
    colours: str,
    language: str,
    only: list[str],
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        locale=language,
        color_scheme="dark" if colours == "dark" else "light",
        reduced_motion="reduce",
    )
    visitor = Visitor(context, site.url)
    logged_in = False
    for place in sorted(tour.places, key=lambda place: place.logged_in):
        if only and place.name not in only:
            continue
        if place.logged_in and not logged_in:
            page = await context.new_page()
            await visitor.log_in(page, tour.account)
            await page.close()
            logged_in = True
        path, mark, fragment = place.path.partition("#")
        page = await visitor.open(f"{path}?lang={language}{mark}{fragment}")
        await settled(page)
        # The whole page in one window: what sticks to the bottom of it is there in the picture, too.
        shown_height = 0
        while (page_height := await page.evaluate("document.documentElement.scrollHeight")) > shown_height:
            shown_height = max(height, page_height)
            await page.set_viewport_size({"width": width, "height": shown_height})
            await settled(page)
        name = f"{place.name}-{width}-{colours}-{language}.png"
        await page.screenshot(path=folder / name)
        sys.stdout.write(f"{name}\n")
        await page.close()
    await context.close()


@contextmanager
def crowd(site: Site, show_id: int, *, people: int, seconds: int) -> Iterator[None]:
    """Runs `aisle crowd` on a show meanwhile."""
    arguments = (
        "-m",
        "ops",
        "crowd",
        "--show",
        str(show_id),
        "--people",
        str(people),
        "--for",
        f"{seconds}s",
    )
    with subprocess.Popen(
        [sys.executable, *arguments], env=site.environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


if __name__ == "__main__":
    app()

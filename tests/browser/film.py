"""`python -m tests.browser.film FILE`: a short film of a seat map while a crowd buys, as an animated WebP."""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from tests.browser.chromium import chromium
from tests.browser.screenshots import SETTINGS, crowd
from tests.browser.settled import settled
from tests.browser.site import Site
from tests.browser.visitor import Visitor

_PEOPLE = 420
_SECONDS = 60
_FRAMES = 60
_WIDTH = 720
_FRAME_MS = 140
_QUALITY = 55


def film(
    file: Annotated[Path, typer.Argument(help="The WebP file.")] = Path(".screenshots/crowd.webp"),
) -> None:
    """A film of the map, under 2 MB."""
    file.parent.mkdir(parents=True, exist_ok=True)
    frames = asyncio.run(_frames())
    first, *rest = [frame.resize((_WIDTH, round(frame.height * _WIDTH / frame.width))) for frame in frames]
    first.save(
        file, save_all=True, append_images=rest, duration=_FRAME_MS, loop=0, quality=_QUALITY, method=6
    )
    typer.echo(f"{file}: {file.stat().st_size / 1000:,.0f} kB")


async def _frames() -> list[Image.Image]:
    with tempfile.TemporaryDirectory(prefix="aisle-film-") as temporary:
        site = Site(Path(temporary) / "home", SETTINGS)
        try:
            await site.start()
            show = await site.theatre()
            async with chromium() as browser:
                context = await browser.new_context(
                    viewport={"width": 1280, "height": 900}, device_scale_factor=1.25
                )
                page = await Visitor(context, site.url).open(f"/shows/{show['id']}")
                await settled(page)
                made = []
                with crowd(site, show["id"], people=_PEOPLE, seconds=_SECONDS):
                    for _ in range(_FRAMES):
                        picture = await page.locator(".seat-map").screenshot(animations="allow")
                        made.append(Image.open(io.BytesIO(picture)).convert("RGB"))
                        await asyncio.sleep(_SECONDS / _FRAMES - 0.2)
                return made
        finally:
            site.stop()


if __name__ == "__main__":
    typer.run(film)

"""`python -m tests.browser.email_pictures`: a picture of every kind of e-mail, as a mail program shows it."""

from __future__ import annotations

import asyncio
import sys
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import typer
from playwright.async_api import Browser

from notifier.rendering import render
from tests.browser.chromium import chromium
from tests.unit.email_examples import examples

WIDTHS = (320, 700)
LANGUAGES = ("en", "de", "hi")
COLOURS: tuple[Literal["light", "dark"], ...] = ("light", "dark")

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def email_pictures(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")] = Path(".screenshots/emails"),
    only: Annotated[list[str] | None, typer.Option(help="Only this kind, such as `reminder`.")] = None,
) -> None:
    """Pictures of every e-mail: small and wide, light and dark, English, German and Hindi."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_take(folder, only or []))


async def _take(folder: Path, only: list[str]) -> None:
    async with chromium() as browser:
        await take_email_pictures(browser, folder, only)


async def take_email_pictures(browser: Browser, folder: Path, only: list[str]) -> None:
    """Draws them with a browser that runs. `only`: kinds, or all if empty."""
    for width, colours in product(WIDTHS, COLOURS):
        context = await browser.new_context(
            viewport={"width": width, "height": 600}, color_scheme=colours, java_script_enabled=False
        )
        page = await context.new_page()
        for language in LANGUAGES:
            for kind, content in examples(language).items():
                if only and kind not in only:
                    continue
                await page.set_content(render(content).html)
                name = f"email-{kind}-{width}-{colours}-{language}.png"
                await page.screenshot(path=folder / name, full_page=True)
                sys.stdout.write(f"{name}\n")
        await context.close()


if __name__ == "__main__":
    app()

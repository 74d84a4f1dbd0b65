"""Chromium for tests, screenshots and measurements: the one of CHROMIUM or of PATH, without a network."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import escape

from playwright.async_api import Browser, async_playwright

_ARGUMENTS = (
    "--no-sandbox",  # it refuses to start as root otherwise
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--force-color-profile=srgb",
)
_FONTS = ("fontpkg_noto_sans", "fontpkg_noto_sans_devanagari")
"""The fonts of the tickets: a machine of a continuous integration has no others for Hindi."""


def executable() -> str | None:
    """Returns the path of Chromium; None where there is none."""
    return shutil.which(os.environ.get("CHROMIUM", "chromium"))


@asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Browser]:
    """Runs a headless Chromium and ends it."""
    path = executable()
    if path is None:
        raise FileNotFoundError("there is no chromium: install it, or name it in CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="aisle-chromium-") as folder:
        environment: dict[str, str | float | bool] = {
            **os.environ,
            "FONTCONFIG_FILE": os.fspath(_fonts(Path(folder))),
        }
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=path, args=[*_ARGUMENTS, *arguments], env=environment
            )
            try:
                yield browser
            finally:
                await browser.close()


def _fonts(folder: Path) -> Path:
    """Writes a fontconfig file with the system's fonts and those of the tickets."""
    folders = "".join(f"<dir>{escape(os.fspath(Path(str(files(name) / 'files'))))}</dir>" for name in _FONTS)
    configuration = folder / "fonts.conf"
    configuration.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
        f"{folders}<cachedir>{escape(os.fspath(folder))}</cachedir></fontconfig>"
    )
    return configuration

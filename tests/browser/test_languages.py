"""Every page in five languages on the narrowest phone: nothing sticks out, no word is left in English."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.async_api import Page

from tests.browser.conftest import MakeVisitor
from tests.browser.settled import settled
from tests.browser.site import Site
from tests.browser.tour import Tour
from tests.browser.words import same_in, visible_strings, words, words_of

_ENGLISH_PAGES = {"problems", "inbox"}
"""Pages for developers: only their layout is looked at."""
_NAMES = {
    "aisle",
    "english",
    "español",
    "deutsch",
    "français",
    "हिन्दी",
    "pdf",
    "api",
    "eur",
    "uhr",
    "am",
    "pm",
}
_SHOWN = 40
_SAMPLES = ("/api/movies?limit=100", "/api/shows?limit=100")


@pytest.fixture(scope="session")
def english() -> dict[str, set[str]]:
    """The strings of each page in English, from the first of the tests on."""
    return {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "hi"])
async def test_every_page_is_translated_and_fits_on_320_pixels(
    site: Site, tour: Tour, visitors: MakeVisitor, english: dict[str, set[str]], language: str
) -> None:
    guest = await visitors(width=320, height=640, touch=True, language=language)
    customer = await visitors(width=320, height=640, touch=True, language=language, account=tour.account)
    guest.expected |= {400, 404}
    allowed = _NAMES | await data_words(site, tour)
    if language != "en":
        allowed |= same_in(language)
    wrong: list[str] = []
    for place in tour.places:
        path, mark, fragment = place.path.partition("#")
        page = await (customer if place.logged_in else guest).open(f"{path}?lang={language}{mark}{fragment}")
        await settled(page)
        if (sticking_out := await too_wide(page)) is not None:
            wrong.append(f"{place.name}: wider than the screen: {sticking_out}")
        if place.name not in _ENGLISH_PAGES:
            if (found := await page.evaluate("document.documentElement.lang")) != language:
                wrong.append(f"{place.name}: its language is {found!r}")
            strings = await visible_strings(page)
            if language == "en":
                english[place.name] = strings
            else:
                left = sorted(text for text in strings & english[place.name] if words(text) - allowed)
                wrong += [f"{place.name}: not translated: {text!r}" for text in left]
        await page.close()
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:_SHOWN])


async def too_wide(page: Page) -> str | None:
    """Returns the first element that makes a page wider than its screen; None where the page fits."""
    found: str | None = await page.evaluate(
        """() => {
          const root = document.documentElement;
          if (root.scrollWidth <= root.clientWidth) return null;
          for (const element of document.querySelectorAll("body *")) {
            const box = element.getBoundingClientRect();
            if (box.right > root.clientWidth + 1 && box.width > 0) return element.outerHTML.slice(0, 160);
          }
          return `${root.scrollWidth} pixels`;
        }"""
    )
    return found


async def data_words(site: Site, tour: Tour) -> set[str]:
    """Returns the words of titles, descriptions, screens, sections and accounts."""
    paths = (*_SAMPLES, f"/api{tour.place('show').path}/seats")
    found: list[Any] = [tour.account.username, tour.account.email, "Ada Lovelace"]
    async with httpx.AsyncClient(base_url=site.url, timeout=30) as client:
        found += [(await client.get(path)).json() for path in paths]
    return set(words_of(found))

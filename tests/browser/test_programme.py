"""The programme and the page of a film in a browser: search, filters, addresses, strange titles."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import MakeVisitor
from tests.browser.site import Site
from tests.browser.visitor import Visitor

MARKUP = "</script><script>window.ran = true</script><img src=x onerror='window.ran = true'>\"&"
LONG = "ReallyLongTitle" * 13
BREAKPOINTS = (320, 375, 700, 1280)


async def shown(page: Page) -> list[str]:
    """The titles of the films that are shown."""
    return await page.locator("#results .film h3").all_inner_texts()


async def until_shown(page: Page, *titles: str) -> None:
    await expect(page.locator("#results .film h3")).to_have_text(list(titles))


async def overflows(page: Page) -> bool:
    found: bool = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return found


async def test_search_follows_typing_and_back_leads_to_what_was_shown_before(visitor: Visitor) -> None:
    page = await visitor.open()
    everything = await shown(page)
    assert len(everything) >= 12
    await page.get_by_label("Search films").press_sequentially("CARTOGRAPHERS bal", delay=20)
    await until_shown(page, "The Cartographers’ Ball")
    # A slow machine pauses while it types, and an early part of the title finds this film already.
    await expect(page).to_have_url(re.compile(r"/\?search=CARTOGRAPHERS\+bal$"))
    await expect(page.locator("#announcement")).to_have_text("1 film")
    assert await page.get_by_label("Search films").evaluate("field => field === document.activeElement")
    await page.go_back()
    await until_shown(page, *everything)
    assert await page.get_by_label("Search films").input_value() == ""
    await page.go_forward()
    await until_shown(page, "The Cartographers’ Ball")
    assert await page.get_by_label("Search films").input_value() == "CARTOGRAPHERS bal"
    documents = [one for one in visitor.requests if one.is_navigation_request()]
    assert len(documents) == 1, "the page was not reloaded"


async def test_filters_keep_the_address_and_can_be_taken_back(visitor: Visitor) -> None:
    page = await visitor.open("/?genre=drama")
    await expect(page.get_by_label("Genre")).to_have_value("Drama")
    dramas = await shown(page)
    await page.get_by_label("Language of the film").select_option("Hindi")
    await until_shown(page, "बारिश का डाकघर")
    assert page.url.endswith("/?genre=drama&language=Hindi") or page.url.endswith(
        "/?genre=Drama&language=Hindi"
    )
    await page.get_by_label("Search films").fill("nowhere")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.get_by_role("link", name="Show everything").last.click()
    await expect(page.get_by_role("heading", name=re.compile(r"^\d+ films$"))).to_be_visible()
    assert page.url.endswith("/")
    assert await page.get_by_label("Genre").input_value() == ""
    assert len(await shown(page)) > len(dramas)
    await page.get_by_label("Tomorrow", exact=True).check()
    await expect(page).to_have_url(re.compile(r"/\?day=tomorrow$"))
    await page.get_by_label("Seats left").check()
    await expect(page).to_have_url(re.compile(r"day=tomorrow&available=1$"))
    await page.reload()
    await expect(page.get_by_label("Tomorrow", exact=True)).to_be_checked()
    await expect(page.get_by_label("Seats left")).to_be_checked()


async def test_days_are_chosen_by_the_keyboard(visitor: Visitor) -> None:
    page = await visitor.open()
    await page.get_by_label("All days").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page).to_have_url(re.compile(r"/\?day=today$"))
    await page.keyboard.press("ArrowRight")
    await expect(page).to_have_url(re.compile(r"/\?day=tomorrow$"))
    assert await page.get_by_label("Tomorrow", exact=True).evaluate(
        "field => field === document.activeElement"
    )


async def test_without_javascript_the_form_and_its_button_do_the_same(visitors: MakeVisitor) -> None:
    page = await (await visitors(javascript=False)).open()
    await page.get_by_label("Search films").fill("mareas")
    await page.get_by_label("Seats left").check()
    await page.get_by_role("button", name="Show films").click()
    await until_shown(page, "La casa de las mareas")
    await expect(page.get_by_label("Search films")).to_have_value("mareas")
    await page.get_by_role("link", name="La casa de las mareas").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("La casa de las mareas")
    assert await page.locator("a.show").count() > 0


async def test_a_film_leads_to_its_shows(visitor: Visitor) -> None:
    page = await visitor.open()
    await page.get_by_role("link", name="Neun Winter").click()
    await expect(page).to_have_title("Neun Winter · Aisle")
    poster = page.get_by_role("img", name="Poster of Neun Winter")
    assert await poster.evaluate("image => image.decode().then(() => image.naturalWidth)") == 400
    show = page.locator("#shows a.show").first
    await show.click()
    await expect(page).to_have_url(re.compile(r"/shows/\d+$"))


async def test_strange_titles_are_text_and_fit(site: Site, visitors: MakeVisitor) -> None:
    strange = await site.make_movie(
        title=MARKUP, description=MARKUP * 50, genres=[MARKUP[:40]], rating=MARKUP[:20]
    )
    long = await site.make_movie(
        title=LONG, description="x" * 5000, genres=["y" * 40] * 10, language="z" * 40
    )
    for width in BREAKPOINTS:
        visitor = await visitors(width=width)
        for movie, title in ((strange, MARKUP), (long, LONG)):
            page = await visitor.open(f"/movies/{movie}")
            await expect(page.get_by_role("heading", level=1)).to_have_text(title)
            assert not await overflows(page), (width, title)
            assert await page.evaluate("window.ran") is None
            await page.close()
        page = await visitor.open(
            f"/?search={'s' * 100}&genre={'g' * 40}&language=%3Cscript%3E&day=2099-01-01"
        )
        await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
        assert not await overflows(page), width
        await page.close()


@pytest.mark.parametrize("width", [375, 1280])
async def test_the_first_page_does_not_shift_and_is_small(visitors: MakeVisitor, width: int) -> None:
    visitor = await visitors(width=width)
    page = await visitor.context.new_page()
    await page.add_init_script(
        "window.shifts = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) "
        "window.shifts += entry.value; }).observe({ type: 'layout-shift', buffered: true });"
    )
    sizes: list[int] = []
    devtools = await visitor.context.new_cdp_session(page)
    await devtools.send("Network.enable")
    devtools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    await page.goto(f"{visitor.url}/")
    await page.wait_for_load_state("networkidle")
    assert await page.evaluate("window.shifts") <= 0.05
    assert 0 < sum(sizes) < 100_000


async def test_a_poster_that_cannot_be_loaded_is_replaced(site: Site, visitor: Visitor) -> None:
    movie = await site.make_movie(title="Lost Poster", poster_url="/nothing/poster.jpg")
    visitor.expected.add(404)
    page = await visitor.open(f"/movies/{movie}")
    poster = page.get_by_role("img", name="Poster of Lost Poster")
    await expect(poster).to_have_attribute("src", re.compile(r"^/posters/\d+-[0-9a-f]{12}\.svg$"))

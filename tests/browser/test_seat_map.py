"""The seat map's canvas, alone in a page: what pointers do, what is drawn, and how long it takes at most."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from ops.sample.layouts import cinema
from ops.sample.theatre import theatre
from schemas.layout import Layout, Money, Row, Section, numbered
from tests.browser.map_pages import map_pages, seat_map

_EUROS = Money(1200, "EUR")
_SETTLED_MS = 700
_ROOM = Layout((Section("Room", _EUROS, (Row("A", ('A"1', "🎭2", "A3")),)),))


def _blocks(seats: int) -> Layout:
    """20 sections of 50 rows."""
    rows = tuple(Row(f"R{n}", seats // 1000) for n in range(50))
    return Layout(
        tuple(Section(f"Block {n}", _EUROS, rows, label=f"{n}-{{row}}-{{seat}}") for n in range(20)),
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yields the address of pages with maps, on each of which some seats are sold."""
    layouts = {
        "room": _ROOM,
        "cinema": cinema("EUR"),
        "theatre": theatre("EUR"),
        "hall": numbered(100_000, _EUROS),
        "blocks": _blocks(100_000),
    }
    chance = random.Random(1)
    maps = {
        name: seat_map(layout, [(seat, ord("s")) for seat in range(3, 120) if chance.random() < 0.4])
        for name, layout in layouts.items()
        if name != "room"
    }
    with map_pages(maps | {"room": seat_map(_ROOM)}) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session", params=["mouse", "touch"])
async def page(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """Yields a page, with a mouse or, at the width of a phone, with fingers."""
    touch = request.param == "touch"
    size = {"width": 375, "height": 640} if touch else {"width": 1000, "height": 700}
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, has_touch=touch, is_mobile=touch
    )
    made = await context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    await context.close()
    assert not errors


def with_mouse(test: Any) -> Any:
    return pytest.mark.parametrize("page", ["mouse"], indirect=True)(test)


def with_touch(test: Any) -> Any:
    return pytest.mark.parametrize("page", ["touch"], indirect=True)(test)


async def _open(page: Page, address: str, name: str) -> None:
    await page.goto(f"{address}/?map={name}")
    await page.wait_for_function("globalThis.view !== undefined")


async def _place(page: Page, seat: int) -> tuple[float, float]:
    place = await page.evaluate("seat => view.seatPlace(seat)", seat)
    return place["x"], place["y"]


async def _press(page: Page, x: float, y: float) -> None:
    touch = await page.evaluate("navigator.maxTouchPoints > 0")
    await (page.touchscreen.tap(x, y) if touch else page.mouse.click(x, y))


async def _settle(page: Page) -> None:
    """Waits for the end of a flight, which takes a third of a second."""
    await page.wait_for_timeout(_SETTLED_MS)


async def _colour(page: Page, seat: int) -> list[int]:
    """The colour a third of a seat above and to the left of its middle."""
    await page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    colour: list[int] = await page.evaluate(
        """seat => {
          const canvas = document.querySelector("canvas");
          const { x, y, size } = view.seatPlace(seat);
          const ratio = canvas.width / canvas.clientWidth;
          const at = [x - size / 4, y - size / 4].map(value => Math.round(value * ratio));
          return [...canvas.getContext("2d").getImageData(...at, 1, 1).data];
        }""",
        seat,
    )
    return colour


async def test_a_press_on_a_seat_means_this_seat(page: Page, address: str) -> None:
    await _open(page, address, "room")
    for seat in (0, 2):
        await _press(page, *await _place(page, seat))
    assert await page.evaluate("heard") == [["seat", 0], ["seat", 2]]
    await _press(page, 5, 5)
    assert len(await page.evaluate("heard")) == 2, "beside the seats there is nothing"


async def test_a_press_on_a_section_shows_it_until_seats_can_be_pressed(page: Page, address: str) -> None:
    await _open(page, address, "blocks")
    seat = 52_525
    await _press(page, *await _place(page, seat))
    await _settle(page)
    assert await page.evaluate("heard") == [["section", 10]]
    for _ in range(3):
        await _press(page, *await _place(page, seat))
        await _settle(page)
    heard = await page.evaluate("heard")
    assert heard[-1] == ["seat", seat]
    assert all(kind == "section" for kind, _number in heard[:1])


@with_mouse
async def test_dragging_moves_the_map_and_presses_nothing(page: Page, address: str) -> None:
    await _open(page, address, "theatre")
    await page.evaluate("view.zoomIn(), view.zoomIn()")
    await _settle(page)
    before = await _place(page, 500)
    await page.mouse.move(500, 300)
    await page.mouse.down()
    await page.mouse.move(460, 270, steps=4)
    await page.mouse.move(420, 260, steps=4)
    await page.wait_for_timeout(100)
    await page.mouse.up()
    after = await _place(page, 500)
    assert after == pytest.approx((before[0] - 80, before[1] - 40), abs=1)
    assert await page.evaluate("heard") == []


@with_mouse
async def test_a_plain_wheel_scrolls_the_page_and_one_with_ctrl_zooms_at_the_pointer(
    page: Page, address: str
) -> None:
    await _open(page, address, "theatre")
    scale = await page.evaluate("view.scale")
    x, y = await _place(page, 700)
    await page.mouse.move(x, y)
    await page.keyboard.down("Control")
    await page.mouse.wheel(0, -200)
    await page.keyboard.up("Control")
    await page.wait_for_function("scale => view.scale > scale * 1.3", arg=scale)
    assert await page.evaluate("scrollY") == 0
    assert await _place(page, 700) == pytest.approx((x, y), abs=1)
    zoomed = await page.evaluate("view.scale")
    await page.mouse.wheel(0, 200)
    await page.wait_for_function("scrollY > 100")
    assert await page.evaluate("view.scale") == zoomed


@with_touch
async def test_a_finger_scrolls_the_page_until_the_map_is_zoomed_in(page: Page, address: str) -> None:
    await _open(page, address, "theatre")
    await _swipe(page, (180, 400), (180, 200))
    await page.wait_for_function("scrollY > 100")
    await _settle(page)  # the page slides on
    await page.evaluate("scrollTo(0, 0), view.zoomIn(), view.zoomIn()")
    await _settle(page)
    before = await _place(page, 300)
    await _swipe(page, (180, 300), (120, 260))
    assert await page.evaluate("scrollY") == 0
    after = await _place(page, 300)
    assert after[0] < before[0] - 30
    assert await page.evaluate("heard") == []


@with_touch
async def test_two_fingers_zoom(page: Page, address: str) -> None:
    await _open(page, address, "theatre")
    scale = await page.evaluate("view.scale")
    session = await page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 60), *(("touchMove", apart) for apart in range(80, 200, 20))):
        points = [{"x": 180 - apart / 2, "y": 300, "id": 1}, {"x": 180 + apart / 2, "y": 300, "id": 2}]
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert await page.evaluate("view.scale") > scale * 1.8
    assert await page.evaluate("[scrollY, heard.length, visualViewport.scale]") == [0, 0, 1]


async def _swipe(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    session = await page.context.new_cdp_session(page)
    steps = 8
    for step in range(steps + 1):
        x, y = (a + (b - a) * step / steps for a, b in zip(start, end, strict=True))
        kind = "touchMove" if step else "touchStart"
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        await page.wait_for_timeout(16)
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@with_mouse
@pytest.mark.parametrize("name", ["room", "cinema", "theatre"])
async def test_a_change_is_drawn_in_the_next_frame_and_is_drawn_back(
    page: Page, address: str, name: str
) -> None:
    await _open(page, address, name)
    await page.evaluate("view.fit()")
    await _settle(page)
    free = await _colour(page, 0)
    seen = {tuple(free)}
    for version, letter in enumerate("hsb", 2):
        await page.evaluate(
            "([version, letter]) => states.apply(version, {[layout.label(0)]: letter})", [version, letter]
        )
        seen.add(tuple(await _colour(page, 0)))
    assert len(seen) >= 2
    await page.evaluate("states.apply(9, {[layout.label(0)]: 'a'})")
    assert await _colour(page, 0) == free
    await page.evaluate("selected.add(0), view.update([0])")
    assert await _colour(page, 0) not in [list(colour) for colour in seen]
    await page.evaluate("selected.delete(0), view.update([0])")
    assert await _colour(page, 0) == free


@with_mouse
async def test_a_changed_seat_is_circled_for_a_moment_and_then_nothing_is_drawn(
    page: Page, address: str
) -> None:
    await _open(page, address, "theatre")
    await page.evaluate(
        """() => {
          globalThis.drawn = { circles: 0, frames: 0 };
          const { arc, setTransform } = CanvasRenderingContext2D.prototype;
          const context = document.querySelector("canvas").getContext("2d");
          context.arc = (...args) => (drawn.circles += 1, arc.apply(context, args));
          context.setTransform = (...args) => (drawn.frames += 1, setTransform.apply(context, args));
          states.apply(2, {[layout.label(500)]: "h"});
        }"""
    )
    await page.wait_for_function("drawn.circles > 3")
    await page.wait_for_timeout(1_000)
    before = await page.evaluate("drawn.frames")
    await page.wait_for_timeout(300)
    assert await page.evaluate("drawn.frames") == before


@with_mouse
async def test_colours_follow_the_page_and_size_follows_the_container(page: Page, address: str) -> None:
    await _open(page, address, "cinema")
    light = await _colour(page, 0)
    await page.emulate_media(color_scheme="dark")
    await page.wait_for_function("matchMedia('(prefers-color-scheme: dark)').matches")
    assert await _colour(page, 0) != light
    await page.set_viewport_size({"width": 320, "height": 500})
    await page.wait_for_function("document.querySelector('canvas').width === 320")
    await page.wait_for_function("view.seatPlace(layout.count - 1).x < 320")


@with_mouse
async def test_reduced_motion_has_no_flights(page: Page, address: str) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await _open(page, address, "theatre")
    scale = await page.evaluate("view.scale")
    assert await page.evaluate("(view.zoomIn(), view.scale)") > scale * 1.5
    assert await page.evaluate("(view.fit(), view.scale)") == scale


@with_mouse
async def test_the_canvas_is_a_picture_with_a_name_and_leaves_nothing_behind(
    page: Page, address: str
) -> None:
    await _open(page, address, "room")
    assert await page.get_by_role("img", name="Seat map").count() == 1
    await page.evaluate("view.destroy(), states.apply(2, {A3: 's'})")
    assert await page.locator("canvas").count() == 0


@with_mouse
@pytest.mark.parametrize("name", ["hall", "blocks"])
async def test_a_hundred_thousand_seats_are_shown_soon_after_they_arrive(
    page: Page, address: str, name: str
) -> None:
    """A bound with room for a busy machine; `make bench-site` measures."""
    await _open(page, address, name)
    marks: dict[str, float] = await page.evaluate("marks")
    assert marks["shown"] - marks["downloaded"] < 2_000
    assert await page.evaluate("layout.count") == 100_000

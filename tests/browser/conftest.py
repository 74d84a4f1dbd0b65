"""One Chromium and one instance with sample data for all browser tests, and visitors of each test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route

from tests.browser.chromium import chromium, executable
from tests.browser.site import Account, Site
from tests.browser.tour import Tour, prepare_tour
from tests.browser.visitor import Colours, Visitor

_HERE = Path(__file__).parent
_FAILED = pytest.StashKey[bool]()
_PATIENCE_MS = 15_000
_SLOW_SCRIPTS_S = float(os.environ.get("SLOW_SCRIPTS_S", "0"))
"""Delay of every script, to find tests and pages that do not wait for them: SLOW_SCRIPTS_S=1.5 make browser."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All browser tests share an event loop, that of the browser."""
    for item in items:
        if _HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Yields the browser; without one the tests are skipped, with CI=true they fail."""
    if executable() is None:
        reason = "browser tests did not run: there is no chromium (install it, or name it in CHROMIUM)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Yields the instance; at the end `aisle verify` must find no differences."""
    settings = {
        "AISLE_RATE_LIMITS": "off",
        "AISLE_ADMIN_PASSWORD": "admin-password-1",
        "AISLE_STAFF_PASSWORD": "staff-password-1",
        "AISLE_TIMEZONE": "Europe/Berlin",
    }
    running = Site(tmp_path_factory.mktemp("site") / "home", settings)
    try:
        await running.start()
        yield running
    finally:
        verified = running.command("verify")
        status = running.stop()
    assert status == 0, running.output.read_text()[-4000:]
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tour(site: Site) -> Tour:
    """Returns all pages, with a customer who has bookings."""
    return await prepare_tour(site)


async def _delay(route: Route) -> None:
    await asyncio.sleep(_SLOW_SCRIPTS_S)
    await route.continue_()


class MakeVisitor(Protocol):
    """Opens a browser context: the fixture `visitors`."""

    async def __call__(
        self,
        *,
        width: int = ...,
        height: int = ...,
        touch: bool = ...,
        language: str = ...,
        colours: Colours = ...,
        javascript: bool = ...,
        account: Account | None = ...,
        **options: Any,
    ) -> Visitor: ...


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(
    browser: Browser, site: Site, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[MakeVisitor]:
    """Returns a function that makes visitors; at the end none of them may have problems."""
    made: list[Visitor] = []
    async with AsyncExitStack() as stack:

        async def make(
            *,
            width: int = 1280,
            height: int = 900,
            touch: bool = False,
            language: str = "en",
            colours: Colours = "light",
            javascript: bool = True,
            account: Account | None = None,
            **options: Any,
        ) -> Visitor:
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                has_touch=touch,
                is_mobile=touch,
                locale=language,
                color_scheme=colours,
                java_script_enabled=javascript,
                service_workers="block",
                **options,
            )
            stack.push_async_callback(context.close)
            context.set_default_timeout(_PATIENCE_MS)
            if _SLOW_SCRIPTS_S:
                await context.route("**/*.js", _delay)
            visitor = Visitor(context, site.url)
            made.append(visitor)
            if account is not None:
                page = await context.new_page()
                await visitor.log_in(page, account)
                await page.close()
            return visitor

        yield make
        if request.node.stash.get(_FAILED, False):
            pages = [page for visitor in made for page in visitor.context.pages]
            for number, page in enumerate(pages):
                await page.screenshot(path=tmp_path / f"page-{number}.png", full_page=True)
    problems = [problem for visitor in made for problem in visitor.problems]
    assert not problems, "\n".join(problems)


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(visitors: MakeVisitor) -> Visitor:
    """Returns a visitor with a wide screen who is not logged in."""
    return await visitors()

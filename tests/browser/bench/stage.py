"""The environment of all cases: a running Aisle, Chromium, staff who make shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from playwright.async_api import Browser, BrowserContext, CDPSession, Page

from loadtest.bench.accounts import Accounts
from loadtest.bench.shows import SeatSupply
from loadtest.client import Client
from loadtest.instance import Instance
from tests.browser.bench.page_scripts import PROBE
from tests.browser.layouts import stadium

USABLE = "aisle:map-ready"
"""The mark that the show's page sets when its map is drawn and can be used."""


class Stage:
    """The instance, the browser, and shows by their number of seats."""

    def __init__(self, instance: Instance, browser: Browser, accounts: Accounts, client: Client) -> None:
        self.instance = instance
        self.browser = browser
        self.accounts = accounts
        self.client = client
        self.url = f"http://{instance.host}:{instance.port}"
        self._supply = SeatSupply(client, accounts.staff, among=1)
        self._shows: dict[int, int] = {}

    async def plain_show(self, seats: int) -> int:
        """Makes a new show with numbered seats."""
        return await self._supply.one_show(seats)

    async def show(self, seats: int) -> int:
        """Returns the show in a stadium of this size, always the same one."""
        if seats not in self._shows:
            self._shows[seats] = await self.new_show(seats)
        return self._shows[seats]

    async def new_show(self, seats: int) -> int:
        """Makes a show in a stadium of this size."""
        return await self._supply.show_with(stadium(seats))

    @asynccontextmanager
    async def visit(self, width: int = 1280, height: int = 900) -> AsyncIterator[BrowserContext]:
        """Yields a new browser context: its cache is empty."""
        context = await self.browser.new_context(viewport={"width": width, "height": height}, locale="en")
        await context.add_init_script(PROBE)
        try:
            yield context
        finally:
            await context.close()

    async def open_map(self, page: Page, show_id: int) -> float:
        """Opens a show's page; returns the milliseconds from navigation to the usable map."""
        await page.goto(f"{self.url}/shows/{show_id}", wait_until="commit")
        await page.wait_for_function(
            "name => performance.getEntriesByName(name).length > 0", arg=USABLE, polling=50
        )
        at: float = await page.evaluate("name => performance.getEntriesByName(name)[0].startTime", USABLE)
        return at

    async def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Runs a statement on the instance's database."""
        connection = await asyncpg.connect(self.instance.settings.database_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()


class Transfers:
    """Bytes that a page received over the network, as they were compressed."""

    def __init__(self) -> None:
        self.bytes_of: dict[str, int] = {}
        self._urls: dict[str, str] = {}

    @classmethod
    async def of(cls, page: Page) -> Transfers:
        """Starts counting."""
        counting = cls()
        session: CDPSession = await page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", counting._on_request)
        session.on("Network.loadingFinished", counting._on_finished)
        await session.send("Network.enable")
        return counting

    @property
    def total_kb(self) -> float:
        """All bytes so far, in units of 1,000."""
        return sum(self.bytes_of.values()) / 1000

    def _on_request(self, event: dict[str, Any]) -> None:
        self._urls[event["requestId"]] = event["request"]["url"]

    def _on_finished(self, event: dict[str, Any]) -> None:
        url = self._urls.get(event["requestId"], event["requestId"])
        self.bytes_of[url] = self.bytes_of.get(url, 0) + int(event["encodedDataLength"])

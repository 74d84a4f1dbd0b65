"""A visitor of the site: a browser context with its own device, language and login, and guards on all its pages."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, WebError, WebSocket

from tests.browser.site import Account

_FAILED_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d{3})")
_NO_CONNECTION = re.compile(
    r"Failed to load resource: net::ERR_|WebSocket connection to .* failed|net::ERR_INTERNET_DISCONNECTED"
)

PAGE_MODULES = """
async () => (await import(document.querySelector('script[src*="/pages/"]').src)).modules
"""
"""Has the modules of the page by their paths, as they run in it."""

_LOG_IN = f"""
async ([username, password]) => {{
  const modules = await ({PAGE_MODULES})();
  await modules["js/session.js"].session.logIn(username, password);
}}
"""

Colours = Literal["light", "dark"]


class Visitor:
    """A person with a browser.

    `problems` has every console error, every uncaught exception and every request to another host. A status of 400 and
    above is one too, unless the test expects it: `visitor.expected.add(409)`.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.problems: list[str] = []
        self.expected: set[int] = set()
        """Statuses of 400 and above that the test provokes."""
        self.connection_fails = False
        """True while the test cuts connections."""
        self.requests: list[Request] = []
        """All requests, in order."""
        self._host = urlsplit(url).netloc
        context.on("console", self._on_console)
        context.on("weberror", self._on_exception)
        context.on("request", self._on_request)
        context.on("page", lambda page: page.on("websocket", self._on_socket))

    async def open(self, path: str = "/") -> Page:
        """Opens a page of the site in a new tab."""
        page = await self.context.new_page()
        await page.goto(f"{self.url}{path}")
        return page

    async def log_in(self, page: Page, account: Account) -> None:
        """Logs in as the form does."""
        await page.goto(f"{self.url}/problems")
        await page.evaluate(_LOG_IN, [account.username, account.password])

    def calls(self, method: str, path: str) -> list[Request]:
        """Requests so far with this method whose path matches a regular expression."""
        return [
            one
            for one in self.requests
            if one.method == method and re.fullmatch(path, urlsplit(one.url).path) is not None
        ]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        failed = _FAILED_STATUS.search(message.text)
        if failed is not None and int(failed[1]) in self.expected:
            return
        if self.connection_fails and _NO_CONNECTION.search(message.text):
            return
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _on_exception(self, error: WebError) -> None:
        self.problems.append(f"exception: {error.error}")

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)
        self._check_host(request.url)

    def _on_socket(self, socket: WebSocket) -> None:
        self._check_host(socket.url)

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self.problems.append(f"request to another host: {url}")

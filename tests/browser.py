"""A real browser for tests: Playwright drives the Chromium of the system, and keeps what pages
complain about.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from playwright.async_api import async_playwright

from tests.programs import CHROMIUM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, ConsoleMessage, Page

WAIT = 30_000  # ms
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"]
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


class Tab:
    """A page, and what it complained about: errors of scripts, and what the Content-Security-Policy
    refused. A lost connection is neither.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        text = message.text
        if (
            message.type == "error"
            and "Failed to load resource" not in text
            and "WebSocket" not in text
        ):
            self.complaints.append(text)

    async def until(self, condition: str) -> None:
        """Return when a condition holds on the page, which may be on its way to another one."""
        await self.page.wait_for_function(f"() => Boolean({condition})")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def browsing(**options: Any) -> AsyncIterator[Tab]:
    """A tab of a browser without a past; `options` are those of Playwright's contexts."""
    async with chromium() as browser:
        context = await browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB"} | options)
        yield Tab(await context.new_page())

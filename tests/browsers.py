"""Debian's Chromium over a page, by Playwright: what a test does with it, and what the page must never do."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # root has none, and the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK, PHONE = (1440, 900), (390, 844)
PATIENCE = 60_000  # milliseconds that a busy machine may take
SERIOUS = {"serious", "critical"}
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
PLANTED = "ran"  # what every planted script would set in the window


def chromium_or_skip() -> str:
    """Return where the browser is; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("no Chromium here: install Debian's package `chromium`")
    return found


@dataclass
class Visit:
    """One visitor's tab, with what went wrong in it.

    Attributes:
        faults: Errors of scripts, what the content security policy refused, and what was asked of elsewhere.
    """

    page: Page
    context: BrowserContext
    origin: str
    faults: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        """Open a page by its path."""
        await self.page.goto(self.origin + path, wait_until="domcontentloaded")

    async def findings(self) -> list[str]:
        """Return what axe finds serious in the page as it stands."""
        found: dict[str, Any] = (await Axe().run(self.page)).response
        return [
            f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
        ]

    async def breaks(self) -> list[str]:
        """Return all that is wrong with the page as it stands, and begin anew for the next."""
        found = [*await self.findings(), *self.faults]
        self.faults.clear()
        if await self.page.evaluate(TOO_WIDE):
            found.append("it is wider than the window")
        if await self.page.evaluate(f"'{PLANTED}' in window"):
            found.append("a planted script ran")
        found += [f"it tells a problem: {said}" for said in await self.page.get_by_role("alert").all_inner_texts()]
        return found


@asynccontextmanager
async def browsing(*flags: str) -> AsyncIterator[Browser]:
    """A browser for as long as the block runs; with these flags besides."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_or_skip(), args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser, origin: str, *, size: tuple[int, int] = DESK, theme: str = "light"
) -> AsyncIterator[Visit]:
    """A visitor's tab of its own: no cookies, no memory."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    visit = Visit(page=await context.new_page(), context=context, origin=origin.rstrip("/"))
    visit.page.on("pageerror", lambda error: visit.faults.append(f"error: {error}"))
    visit.page.on(
        "console",
        lambda said: visit.faults.append(said.text) if "Content Security Policy" in said.text else None,
    )
    visit.page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((visit.origin, "data:", "blob:", "about:"))
            else visit.faults.append(f"asked elsewhere: {request.url}")
        ),
    )
    try:
        yield visit
    finally:
        await context.close()

"""Each page, with real data: nothing breaks, nothing is refused, nothing runs that should not, axe finds nothing."""

import re

import pytest
from playwright.async_api import Browser, expect

from browsers import DESK, PHONE, visiting
from console.projects import Shop

pytestmark = pytest.mark.embedded  # it has an engine of its own

PAGES = (
    ("/", "Home"),
    ("/batches", "Batches"),
    ("/batches/lamps", "lamps"),
    ("/batches/lamps/documents", "lamps"),
    ("/batches/lamps/failures", "lamps"),
    ("/batches/lamps/documents/0", "texts.jsonl#1"),
    ("/runs", "Runs"),
    ("/runs?kind=plan", "Runs"),
    ("/runs/agent/clerk/greeting", "greeting"),
    ("/runs/agent/clerk/hostile?step=2", "hostile"),
    ("/runs/agent/clerk/hostile?view=conversation", "hostile"),
    ("/runs/plan/move/one", "one"),
    ("/desk", "Desk"),
    ("/playground", "Playground"),
    ("/playground/agent/clerk", "Playground"),
    ("/playground/plan/move", "Playground"),
    ("/playground/batch/digest", "Playground"),
    ("/money", "Money"),
    ("/fleet", "Fleet"),
    ("/nowhere", ""),
)


async def test_no_page_breaks_is_refused_anything_or_keeps_anybody_out(furnished: Shop, browser: Browser):
    wrong = {}
    for theme, size in (("light", DESK), ("dark", PHONE)):
        async with visiting(browser, furnished.origin, theme=theme, size=size) as visit:
            for path, heading in PAGES:
                await visit.go(path)
                await expect(visit.page.get_by_role("heading", level=1)).to_contain_text(heading)
                await expect(visit.page.locator("[aria-busy=true], .skeleton")).to_have_count(0)
                found = await visit.breaks()
                if found:
                    wrong[theme, path] = found

    assert wrong == {}


async def test_a_document_is_found_and_read_beside_its_failure(furnished: Shop, browser: Browser):
    async with visiting(browser, furnished.origin) as visit:
        await visit.go("/batches/lamps")
        await visit.page.get_by_role("link", name="Documents 40").click()
        await visit.page.get_by_role("button", name="Failed", exact=True).click()
        rows = visit.page.get_by_role("region", name="Documents").get_by_role("row")
        await expect(rows).to_have_count(4)
        await rows.nth(2).get_by_role("link").first.click()
        await expect(visit.page.get_by_role("region", name="Text of the document")).to_contain_text("broken, number 1")

    assert visit.faults == []


async def test_a_run_is_read_step_by_step_without_a_mouse(furnished: Shop, browser: Browser):
    async with visiting(browser, furnished.origin) as visit:
        await visit.go("/")
        await expect(visit.page.get_by_role("heading", level=1, name="Home")).to_be_visible()
        await visit.page.keyboard.press("g")
        await visit.page.keyboard.press("r")
        await expect(visit.page).to_have_url(re.compile("/runs$"))
        await visit.go("/runs/agent/clerk/hostile")
        await expect(visit.page.get_by_role("list", name="Entries of the run").get_by_role("link")).to_have_count(3)
        await visit.page.keyboard.press("j")
        await visit.page.keyboard.press("j")
        await visit.page.keyboard.press("Enter")
        await expect(visit.page).to_have_url(re.compile(r"step=2"))
        await expect(visit.page.get_by_text("idempotent").first).to_be_visible()

    assert visit.faults == []

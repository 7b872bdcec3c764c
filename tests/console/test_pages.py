"""Each page, with real data: nothing breaks, nothing is refused, nothing runs that should not, axe finds nothing."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from browsers import DESK, PHONE, visiting
from console.projects import Shop

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(900)]  # it has an engine of its own

VIEWS = ("", "?step=2", "?view=conversation")
PAGES = (
    ("/", "Home"),
    ("/batches", "Batches"),
    ("/batches/lamps", "lamps"),
    ("/batches/lamps/documents", "lamps"),
    ("/batches/lamps/failures", "lamps"),
    ("/batches/lamps/documents/0", "Document 0"),
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
                await settled(visit.page)
                if found := await visit.breaks():
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
        await expect(visit.page.get_by_text("it is never made again")).to_be_visible()

    assert visit.faults == []


async def settled(page: Page) -> None:
    """Wait until the page has what it asked for."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.locator("[aria-busy=true], .skeleton")).to_have_count(0)


async def test_nothing_runs_breaks_or_overflows_wherever_it_comes_in(furnished: Shop, browser: Browser):
    hand_off = furnished.ask("/v1/hand-offs")[0]["id"]
    documents = furnished.ask("/v1/batches/bad/documents")["items"]
    paths = [
        *(
            "/",
            "/runs",
            "/desk",
            f"/desk/{hand_off}",
            "/batches/bad",
            "/batches/bad/documents",
            "/batches/bad/failures",
        ),
        *(f"/batches/bad/documents/{row['position']}" for row in documents),
        *(f"/runs/agent/clerk/{run}{view}" for run in ("hostile", "trap", "huge", "half") for view in VIEWS),
    ]
    wrong = {}
    for size in (PHONE, DESK):
        async with visiting(browser, furnished.origin, size=size) as visit:
            for path in paths:
                await visit.go(path)
                await settled(visit.page)
                if found := await visit.breaks():
                    wrong[size, path] = found

    assert len(documents) == 4
    assert wrong == {}


async def test_what_would_reorder_or_hide_is_seen(furnished: Shop, browser: Browser):
    async with visiting(browser, furnished.origin, size=PHONE) as visit:
        await visit.go("/batches/bad/documents")
        await expect(visit.page.get_by_text("U+202E").first).to_be_visible()
        await visit.go("/desk")
        await visit.page.get_by_role("link", name=re.compile("Approval")).click()
        arguments = visit.page.get_by_role("region", name="Arguments of pay")
        await expect(arguments).to_contain_text("<script>window.ran = 1</script>")
        await expect(arguments).to_contain_text("U+202E")
        await expect(arguments).to_contain_text("\u241b[31m\u2407")
        await expect(arguments.locator("script, img, a")).to_have_count(0)
        await visit.go("/runs/agent/clerk/hostile")
        output = visit.page.get_by_role("region", name="Output")
        await expect(output).to_contain_text("<script>window.ran = 1</script>")
        await expect(output).to_contain_text("U+202E")
        await expect(output.locator("script, img, a")).to_have_count(0)

    assert visit.faults == []


async def test_a_text_of_5_mb_is_told_by_its_beginning_and_its_length(furnished: Shop, browser: Browser):
    async with visiting(browser, furnished.origin) as visit:
        await visit.go("/runs/agent/clerk/huge?step=2")
        await settled(visit.page)
        shown = len(await visit.page.locator("main").inner_text())

    assert 0 < shown < 500_000
    assert visit.faults == []

"""What means ill, wherever it comes in: nothing runs, nothing breaks, nothing hides."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from browsers import DESK, PHONE, visiting
from console.projects import HOSTILE, Shop

pytestmark = pytest.mark.embedded  # it has an engine of its own

PATIENCE = 60_000  # milliseconds that a busy machine may take
VIEWS = ("", "?step=2", "?view=conversation")


@pytest.fixture
def beset(shop: Shop) -> Shop:
    """The project with what means ill in prompts, arguments, results, hand-offs, documents and their names."""
    shop.run("batch", "start", "digest", shop.hostile_documents(), "--id", "bad")
    shop.run("run", "clerk", f"hostile {HOSTILE}", "--id", "hostile")
    shop.run("run", "clerk", f"trap {HOSTILE}", "--id", "trap", "--detach")
    shop.run("run", "clerk", "huge", "--id", "huge")
    shop.run("run", "clerk", "half", "--id", "half", "--detach")
    shop.run("batch", "watch", "bad")
    return shop


async def settled(page: Page) -> None:
    """Wait until the page has what it asked for."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=PATIENCE)
    await expect(page.locator("[aria-busy=true], .skeleton")).to_have_count(0, timeout=PATIENCE)


async def test_nothing_runs_breaks_or_overflows_wherever_it_comes_in(beset: Shop, browser: Browser):
    hand_off = beset.ask("/v1/hand-offs")[0]["id"]
    documents = beset.ask("/v1/batches/bad/documents")["items"]
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
        async with visiting(browser, beset.origin, size=size) as visit:
            for path in paths:
                await visit.go(path)
                await settled(visit.page)
                if found := await visit.breaks():
                    wrong[size, path] = found

    assert len(documents) == 4
    assert wrong == {}


async def test_what_would_reorder_or_hide_is_seen(beset: Shop, browser: Browser):
    async with visiting(browser, beset.origin, size=PHONE) as visit:
        await visit.go("/batches/bad/documents")
        await expect(visit.page.get_by_text("U+202E").first).to_be_visible(timeout=PATIENCE)
        await visit.go("/desk")
        await visit.page.get_by_role("link", name=re.compile("Approval")).click(timeout=PATIENCE)
        arguments = visit.page.get_by_role("region", name="Arguments of pay")
        await expect(arguments).to_contain_text("<script>window.ran = 1</script>")
        await expect(arguments).to_contain_text("U+202E")
        await expect(arguments).to_contain_text("\u241b[31m\u2407")
        await expect(arguments.locator("script, img, a")).to_have_count(0)
        await visit.go("/runs/agent/clerk/hostile")
        output = visit.page.get_by_role("region", name="Output")
        await expect(output).to_contain_text("<script>window.ran = 1</script>", timeout=PATIENCE)
        await expect(output).to_contain_text("U+202E")
        await expect(output.locator("script, img, a")).to_have_count(0)

    assert visit.faults == []


async def test_a_text_of_5_mb_is_told_by_its_beginning_and_its_length(beset: Shop, browser: Browser):
    async with visiting(browser, beset.origin) as visit:
        await visit.go("/runs/agent/clerk/huge?step=2")
        await settled(visit.page)
        shown = len(await visit.page.locator("main").inner_text())

    assert 0 < shown < 500_000
    assert visit.faults == []

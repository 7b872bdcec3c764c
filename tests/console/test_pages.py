"""Pages with real data, in a browser."""

import pytest
from playwright.async_api import Browser, expect

from browsers import visiting
from console.projects import Shop

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(900)]  # it has an engine of its own


async def test_what_is_hostile_is_shown_as_text_and_its_overrides_are_visible(furnished: Shop, browser: Browser):
    async with visiting(browser, furnished.origin) as visit:
        await visit.go("/runs/agent/clerk/hostile")
        output = visit.page.get_by_role("region", name="Output")
        await expect(output).to_contain_text("<script>window.ran = 1</script>")
        await expect(output).to_contain_text("U+202E")
        await expect(output.locator("script, img, a")).to_have_count(0)

    assert visit.faults == []


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

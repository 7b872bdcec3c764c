"""What people do in the console while things die under it; counted at the outside."""

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, Request, expect
from temporalio.client import Client

from browsers import PHONE, visiting
from console.projects import TOKENS, Shop, lamps
from engines import until
from outlive.engine.ports import free_port

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(900)]  # it kills an engine of its own


async def test_a_hand_off_is_decided_on_a_phone_while_the_worker_is_killed(shared_shop: Shop, browser: Browser):
    shop = shared_shop
    shop.begin("phone", "pay 5")
    async with visiting(browser, shop.origin, size=PHONE) as visit:
        await visit.go("/desk")
        await visit.page.get_by_role("link", name=re.compile("Approval.*clerk.phone")).click()
        await visit.page.get_by_role("button", name="Approve").click()
        confirm = visit.page.get_by_role("button", name=re.compile("^Approve"))
        name = visit.page.get_by_label("Your name")
        if await name.count():
            await name.first.fill("ada")
        shop.kill_worker()
        await confirm.last.click()
        await visit.go("/runs/agent/clerk/phone")
        await expect(visit.page.get_by_text("paid 5 to ada").first).to_be_visible()

    (decided,) = [one for one in shop.ask("/v1/hand-offs?state=decided") if one["run"] == "agent/clerk/phone"]
    assert decided["decided_by"] == "ada"
    assert shop.folder.lines("paid").count("5 to ada") == 1
    assert visit.faults == []


async def test_a_page_says_that_the_engine_is_away_and_goes_on_by_itself(shop: Shop, browser: Browser):
    async with visiting(browser, shop.origin) as visit:
        await visit.go("/runs")
        await expect(visit.page.get_by_text("Engine answers")).to_be_visible()
        shop.kill_engine()
        await until(lambda: shop.folder.engine_pid() is not None, "the engine is started again")
        shop.begin("after", "hello")
        await expect(visit.page.get_by_role("link", name="after")).to_be_visible()
        await expect(visit.page.get_by_text("Engine answers")).to_be_visible()

    assert visit.faults == []


async def test_a_page_says_for_how_long_the_engine_is_away(shop: Shop, browser: Browser):
    port = free_port()
    with shop.console(port):
        await until(lambda: answers(port), "the console is up")
        async with visiting(browser, f"http://127.0.0.1:{port}") as visit:
            await visit.go("/runs")
            await expect(visit.page.get_by_text("Engine answers")).to_be_visible()
            with shop.engine_away():
                await expect(visit.page.get_by_text("Engine away")).to_be_visible()
                await expect(visit.page.get_by_text("The engine is away since")).to_be_visible()
            await expect(visit.page.get_by_text("Engine answers")).to_be_visible()
            await expect(visit.page.get_by_text("The engine is away since")).to_have_count(0)

    assert visit.faults == []


async def test_a_page_outlives_its_console(shop: Shop, browser: Browser):
    port = free_port()
    async with visiting(browser, f"http://127.0.0.1:{port}") as visit:
        live: list[Request] = []
        visit.page.on("request", lambda request: live.append(request) if "/v1/live" in request.url else None)
        with shop.console(port):
            await until(lambda: answers(port), "the console is up")
            await visit.go("/runs")
            await expect(visit.page.get_by_text("Live", exact=True)).to_be_visible()
            await expect(visit.page.get_by_text("Nothing has run yet")).to_be_visible()
        await expect(visit.page.get_by_text("Behind", exact=True)).to_be_visible()
        shop.begin("meanwhile", "hello")
        with shop.console(port):
            await expect(visit.page.get_by_role("link", name="meanwhile")).to_be_visible()
            await expect(visit.page.get_by_text("Live", exact=True)).to_be_visible()
            first, *later = [await last_event(request) for request in live]

    assert first is None
    assert any(later), "no stream was taken up where it broke"


async def last_event(request: Request) -> str | None:
    """Return the id after which a stream goes on: browsers name it, and the page where they have given up."""
    named = (await request.all_headers()).get("last-event-id")
    return named or next(iter(parse_qs(urlsplit(request.url).query).get("after", [])), None)


async def answers(port: int) -> bool:
    """Return whether somebody listens on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_batch_is_paused_resumed_and_its_failures_retried(shared_shop: Shop, browser: Browser):
    shop = shared_shop
    shop.folder.put("held")
    shop.begin_batch("many", lamps(120, broken=2), concurrency=8)
    async with visiting(browser, shop.origin) as visit:
        page = visit.page
        await visit.go("/batches/many")
        await until(lambda: len(shop.folder.lines("begun")) == 8, "eight are in flight")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("button", name="Resume")).to_be_visible()
        shop.folder.take("held")
        await until(lambda: is_quiet(shop, "batch/many"), "all that was in flight is done")
        when_quiet = len(shop.folder.lines("begun"))
        shop.folder.put("held")
        await page.get_by_role("button", name="Concurrency 8").click()
        await page.get_by_label("Documents at once").fill("4")
        await page.get_by_role("button", name="Change", exact=True).click()
        await expect(page.get_by_role("button", name="Concurrency 4")).to_be_visible()
        while_paused = len(shop.folder.lines("begun"))
        await page.get_by_role("button", name="Resume").click()
        await until(lambda: len(shop.folder.lines("begun")) == while_paused + 4, "four are in flight")
        await until(lambda: shop.ask("/v1/batches/many")["in_flight"] == 4, "the page's twin says so")
        with_fewer = len(shop.folder.lines("begun")) - while_paused
        shop.folder.take("held")
        retry = page.get_by_role("button", name="Retry 2 failed")
        await expect(retry).to_be_visible()
        shop.folder.put("mended")
        await retry.click()
        await page.get_by_role("dialog").get_by_role("button", name="Retry 2 documents").click()
        await expect(page.get_by_text("120 done").first).to_be_visible()

    assert while_paused == when_quiet < 120 - 4
    assert with_fewer == 4
    assert len(shop.folder.lines("begun")) == 120 + 2
    assert visit.faults == []


async def is_quiet(shop: Shop, workflow_id: str) -> bool:
    """Return whether no worker has anything of a workflow in hand."""
    state = shop.folder.home.live_state()
    assert state is not None
    client = await Client.connect(state.address)
    return not (await client.get_workflow_handle(workflow_id).describe()).raw_description.pending_activities


async def test_a_turn_of_a_chat_is_read_while_it_is_written(shared_shop: Shop, browser: Browser):
    shop = shared_shop
    async with visiting(browser, shop.origin) as visit:
        await visit.go("/playground/agent/clerk")
        await visit.page.get_by_label("First message").fill("answer slowly then pausing to the end")
        await visit.page.get_by_role("button", name="Begin the chat").click()
        log = visit.page.get_by_role("log", name="Conversation")
        await expect(log).to_contain_text("You said: answer slowly")
        await expect(log).to_contain_text("function:answer:stream")  # known as a step of the run by now
        shop.folder.put("heard slowly")
        await expect(log).to_contain_text("You said: answer slowly then pausing")
        is_whole = "You said: answer slowly then pausing to the end" in await log.inner_text()
        shop.folder.put("heard pausing")
        await expect(log).to_contain_text("You said: answer slowly then pausing to the end")

    assert not is_whole
    assert visit.faults == []


@pytest.mark.parametrize("role", ["look", "decide", "operate"])
async def test_a_role_is_offered_what_it_may_do_and_no_more(role: str, shop_with_tokens: Shop, browser: Browser):
    shop = shop_with_tokens
    may_decide, may_operate = role != "look", role == "operate"
    shop.begin_batch("lamps", lamps(4, broken=2))
    shop.begin("bill", "pay 5")
    shop.ask("/v1/batches/lamps?wait=60")
    async with visiting(browser, shop.origin) as visit:
        await visit.go("/desk")
        await visit.page.get_by_label("Token").fill("wrong-" * 4)
        await visit.page.get_by_label("Your name").fill("ada")
        await visit.page.get_by_role("button", name="Sign in").click()
        await expect(visit.page.get_by_text("The token is wrong")).to_be_visible()
        await visit.page.get_by_label("Token").fill(TOKENS[role])
        await visit.page.get_by_role("button", name="Sign in").click()
        await visit.page.get_by_role("link", name=re.compile("Approval")).click()
        approve = visit.page.get_by_role("button", name="Approve")
        await expect(approve).to_be_enabled(enabled=may_decide)
        hand_off = visit.page.url.rpartition("/")[2]
        claimed = await write(visit.page, f"/v1/hand-offs/{hand_off}/claim", {"by": "ada", "force": False})
        await visit.go("/batches/lamps")
        retry = visit.page.get_by_role("button", name="Retry 2 failed")
        await expect(retry).to_be_enabled(enabled=may_operate)
        retried = await write(visit.page, "/v1/batches/lamps/retry", {})
        unsigned = await write(visit.page, "/v1/batches/lamps/retry", {}, csrf="another")

    assert (claimed, retried, unsigned) == (200 if may_decide else 403, 202 if may_operate else 403, 403)


async def write(page: Page, path: str, body: dict[str, object], *, csrf: str | None = None) -> int:
    """Return how the server answers a write that the page itself sends, whatever it offers."""
    return await page.evaluate(
        """async ([path, body, given]) => {
            const { csrf } = await (await fetch("/v1/session")).json();
            const headers = { "Content-Type": "application/json", "X-CSRF-Token": given ?? csrf };
            return (await fetch(path, { method: "POST", body: JSON.stringify(body), headers })).status;
        }""",
        [path, body, csrf],
    )


async def test_a_hand_off_is_decided_without_a_mouse(shared_shop: Shop, browser: Browser):
    shop = shared_shop
    shop.begin("keys", "pay 7")
    async with visiting(browser, shop.origin) as visit:
        page, keys = visit.page, visit.page.keyboard
        await visit.go("/")
        await expect(page.get_by_role("heading", level=1, name="Home")).to_be_visible()
        await keys.press("g")
        await keys.press("d")
        await expect(page.get_by_role("link", name=re.compile("Approval.*clerk.keys"))).to_be_visible()
        await keys.press("/")
        await keys.type("clerk/keys")
        await expect(page.get_by_role("link", name=re.compile("Approval"))).to_have_count(1)
        await keys.press("Tab")
        await keys.press("j")
        approve = page.get_by_role("button", name="Approve")
        await expect(approve).to_be_visible()
        await keys.press("c")
        await expect(approve).to_be_focused()
        await keys.press("Enter")
        await expect(page.get_by_role("form", name="Approve")).to_be_focused()
        await tab_to(approve)
        await keys.press("Enter")
        await expect(page.get_by_label("Your name")).to_be_focused()  # it is missing, and said so
        await keys.type("ada")
        await keys.press("Enter")
        await expect(page.get_by_role("status").filter(has_text="Approved by ada")).to_be_focused()
        follow = page.get_by_role("link", name="Follow the run")
        await keys.press("Tab")
        await expect(follow).to_be_focused()
        await keys.press("Enter")
        await expect(page).to_have_url(re.compile("/runs/agent/clerk/keys$"))
        await expect(page.get_by_text("paid 7 to ada").first).to_be_visible()

    assert shop.folder.lines("paid").count("7 to ada") == 1
    assert visit.faults == []


async def tab_to(wanted: Locator) -> None:
    """Press Tab until something has the focus."""
    for _ in range(60):
        await wanted.page.keyboard.press("Tab")
        if await wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not come to {wanted}")

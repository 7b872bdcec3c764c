"""What people do in the console while things die under it; counted at the outside."""

import asyncio
import re
import subprocess

import pytest
from playwright.async_api import Browser, expect

from browsers import PHONE, visiting
from console.projects import COMMAND, LOOK_TOKEN, Shop
from engines import until
from outlive.engine.ports import free_port

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(900)]  # it kills an engine of its own

PATIENCE = 60_000  # milliseconds that a busy machine may take


async def test_a_hand_off_is_decided_on_a_phone_while_the_worker_is_killed(shop: Shop, browser: Browser):
    shop.run("run", "clerk", "pay 5", "--id", "bill", "--detach")
    async with visiting(browser, shop.origin, size=PHONE) as visit:
        await visit.go("/desk")
        await visit.page.get_by_role("link", name=re.compile("Approval")).click(timeout=PATIENCE)
        await visit.page.get_by_role("button", name="Approve").click()
        confirm = visit.page.get_by_role("button", name=re.compile("^Approve"))
        name = visit.page.get_by_label("Your name")
        if await name.count():
            await name.first.fill("ada")
        shop.kill_worker()
        await confirm.last.click()
        await visit.go("/runs/agent/clerk/bill")
        await expect(visit.page.get_by_text("paid 5 to ada").first).to_be_visible(timeout=PATIENCE)

    assert shop.folder.lines("paid") == ["5 to ada"]
    assert shop.ask("/v1/hand-offs?state=decided")[0]["decided_by"] == "ada"
    assert visit.faults == []


async def test_a_page_says_that_the_engine_is_away_and_goes_on_by_itself(shop: Shop, browser: Browser):
    async with visiting(browser, shop.origin) as visit:
        await visit.go("/runs")
        await expect(visit.page.get_by_text("Engine answers")).to_be_visible(timeout=PATIENCE)
        shop.kill_engine()
        await until(lambda: shop.folder.engine_pid() is not None, "the engine is started again")
        shop.run("run", "clerk", "hello", "--id", "after", "--detach")
        await expect(visit.page.get_by_role("link", name="after")).to_be_visible(timeout=PATIENCE)
        await expect(visit.page.get_by_text("Engine answers")).to_be_visible(timeout=PATIENCE)

    assert visit.faults == []


async def test_a_page_outlives_its_console(shop: Shop, browser: Browser):
    port = free_port()

    def console() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*COMMAND, "console", "app:app", "--port", str(port)],
            cwd=shop.folder.path,
            env=shop.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    first = console()
    second = None
    try:
        await until(answers, "the console is up")
        async with visiting(browser, f"http://127.0.0.1:{port}") as visit:
            await visit.go("/runs")
            await expect(visit.page.get_by_text("Live", exact=True)).to_be_visible(timeout=PATIENCE)
            first.kill()
            await expect(visit.page.get_by_text("Behind", exact=False).first).to_be_visible(timeout=PATIENCE)
            shop.run("run", "clerk", "hello", "--id", "meanwhile")
            second = console()
            await expect(visit.page.get_by_role("link", name="meanwhile")).to_be_visible(timeout=PATIENCE)
            await expect(visit.page.get_by_text("Live", exact=True)).to_be_visible(timeout=PATIENCE)
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()


async def test_a_batch_is_paused_resumed_and_its_failures_retried(slow_shop: Shop, browser: Browser):
    shop = slow_shop
    source = shop.documents("many", 120, broken=2)
    shop.run("batch", "start", "digest", source, "--id", "many", "--text-column", "text", "--concurrency", "2")
    async with visiting(browser, shop.origin) as visit:
        await visit.go("/batches/many")
        await visit.page.get_by_role("button", name="Pause").click(timeout=PATIENCE)
        await expect(visit.page.get_by_text("paused").first).to_be_visible(timeout=PATIENCE)
        await until(lambda: shop.ask("/v1/batches/many")["in_flight"] == 0, "nothing is in flight")
        begun = len(shop.folder.lines("begun"))
        await visit.page.reload()
        await expect(visit.page.get_by_text("paused").first).to_be_visible(timeout=PATIENCE)
        still = len(shop.folder.lines("begun"))
        await visit.page.get_by_role("button", name="Resume").click()
        await expect(visit.page.get_by_text("finished").first).to_be_visible(timeout=2 * PATIENCE)
        shop.folder.put("mended")
        await visit.page.get_by_role("button", name="Retry 2 failed").click(timeout=PATIENCE)
        await visit.page.get_by_role("dialog").get_by_role("button", name=re.compile("^Do|^Retry")).click()
        await expect(visit.page.get_by_text("120 done").first).to_be_visible(timeout=PATIENCE)

    assert begun == still < 120
    assert len(shop.folder.lines("begun")) == 122
    assert visit.faults == []


async def test_a_turn_of_a_chat_is_read_while_it_is_written(shop: Shop, browser: Browser):
    async with visiting(browser, shop.origin) as visit:
        await visit.go("/playground/agent/clerk")
        await visit.page.get_by_label("First message").fill("please answer slowly and to the end")
        await visit.page.get_by_role("button", name="Begin the chat").click()
        said = visit.page.get_by_text(re.compile("You said: please answer slowly"))
        await expect(said.first).to_be_visible(timeout=PATIENCE)
        is_whole = await visit.page.get_by_text("You said: please answer slowly and to the end").count()
        shop.folder.put("heard")
        whole = visit.page.get_by_text("You said: please answer slowly and to the end")
        await expect(whole.first).to_be_visible(timeout=PATIENCE)

    assert not is_whole
    assert visit.faults == []


async def test_a_role_is_offered_what_it_may_do_and_no_more(shop_with_tokens: Shop, browser: Browser):
    shop = shop_with_tokens
    shop.run("run", "clerk", "pay 5", "--id", "bill", "--detach")
    async with visiting(browser, shop.origin) as visit:
        await visit.go("/desk")
        await visit.page.get_by_label("Token").fill(LOOK_TOKEN)
        await visit.page.get_by_label(re.compile("name", re.IGNORECASE)).fill("ada")
        await visit.page.get_by_role("button", name="Sign in").click()
        await visit.page.get_by_role("link", name=re.compile("Approval")).click(timeout=PATIENCE)
        approve = visit.page.get_by_role("button", name="Claim it")
        await expect(visit.page.get_by_role("region", name="Arguments of pay")).to_be_visible(timeout=PATIENCE)
        offered = [await one.is_enabled() for one in await approve.all()]
        refused = await visit.page.evaluate(
            "fetch('/v1/runs/agent/clerk', {method: 'POST', body: '{}', headers: {'content-type': 'application/json'}})"
            ".then((answer) => answer.status)"
        )

    assert not any(offered)
    assert refused == 403

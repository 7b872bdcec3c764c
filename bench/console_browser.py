"""What the console's pages take in a browser: a run of thousands of steps, a large batch, and many pages at once.

    .venv/bin/python bench/console_browser.py                                   # 5,000 steps: some 5 minutes to make
    .venv/bin/python bench/console_browser.py --steps 200 --documents 5000      # short
    .venv/bin/python bench/console_browser.py --again                           # looks at what was made last

A step is a tool call; a model call asks for 20 of them, and they lie in ten turns of one conversation. The batch is
written into the ledger as workers have. Chromium without a screen or a GPU, 1440x900, each page in a tab of its own,
seen for the first time and again. Then pages without a browser, each a stream of its own, follow a run that goes on.
Everything runs on one machine, and the console in a process of its own. Figures are kept in
``bench/.cache/console_browser.json``.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, Page

from console_app import app, walker
from console_pages import BATCH, fill
from measuring import CACHE, cpu_seconds, resident_megabytes, save, table
from outlive import Client, Settings
from outlive.engine.ports import free_port
from outlive.worker.supervisor import Supervisor

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # the browser of the tests
HERE, HOME = Path(__file__).parent, CACHE / "console-browser"
TURNS, AT_A_TIME, RESULT_SIZE = 10, 20, 300
MOVES, MOVE_PIXELS = 40, 600
FRAMES = """() => { const seen = []; let last = performance.now(); window.frames_seen = seen;
    const next = (at) => { seen.push(at - last); last = at; requestAnimationFrame(next); };
    requestAnimationFrame(next); }"""
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
LIVE_STEPS, LIVE_SECONDS = 3_000, 30.0
PAGE_HEADER = ("page", "visit", "first paint ms", "data ms", "heap MB", "DOM nodes")
MOVE_HEADER = ("page", "doing", "frames", "p95 ms", "longest frame ms")
LIVE_HEADER = ("pages", "events", "MB", "steps a page", "lag p50 s", "p95 s", "longest s", "console CPU %", "memory MB")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A page to look at: where it is, what shows that its data are there, and what is done with it."""

    name: str
    path: str
    data: str
    moves: dict[str, Callable[[Page], Awaitable[None]]] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--pages", type=int, nargs="*", default=[1, 50])
    parser.add_argument("--again", action="store_true", help="look at what was made last")
    print(f"\nFigures in {save('console_browser', asyncio.run(measure(parser.parse_args())))}")


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    if not given.again:
        shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    async with serving() as (client, console, origin):
        await made(client, given.steps, given.documents)
        from browsers import browsing

        async with browsing() as browser:
            figures["pages"], figures["moves"] = await looks(browser, origin, given.steps)
        print(f"\n{table(PAGE_HEADER, figures['pages'])}\n\n{table(MOVE_HEADER, figures['moves'])}\n", flush=True)
        figures["live"] = [await followed(client, origin, console, count) for count in given.pages]
        print(table(LIVE_HEADER, figures["live"]))
    figures["load"] = os.getloadavg()
    print(f"\nload {figures['load'][0]:.1f}, {os.cpu_count()} cores")
    return figures


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Client, int, str]]:
    """Let engine, a worker and the console run; give a client, the console's process id, and its address."""
    os.chdir(HERE)
    os.environ["OUTLIVE_HOME"] = str(HOME / "state")
    settings = replace(Settings.load(), home=HOME / "state", port=0, ui_port=0)
    port = free_port()
    async with (
        Supervisor(settings, app="console_app:app", workers=1, reload=False),
        Client(settings, app=app) as client,
    ):
        command = (sys.executable, "-m", "outlive.console", str(port), "console_app:app")
        console = await asyncio.create_subprocess_exec(*command, cwd=HERE)
        try:
            origin = f"http://127.0.0.1:{port}"
            await answers(origin)
            yield client, console.pid, origin
        finally:
            console.terminate()
            await console.wait()


async def answers(origin: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{origin}/v1/session"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


async def made(client: Client, steps: int, documents: int) -> None:
    """Make the run and the batch where they are not there."""
    began = time.perf_counter()
    talk = await client.conversation(walker.name, conversation_id=f"run-{steps}")
    for turn in range(TURNS):
        await talk.say(f"{steps // TURNS} {AT_A_TIME} {RESULT_SIZE}", message_id=f"turn-{turn}")
    if await client.ledger.call(client.ledger.batches.find, BATCH) is None:
        await client.ledger.call(fill, client.ledger, documents)
    await talk.reply(TURNS)
    print(f"made in {time.perf_counter() - began:.0f} s", flush=True)


async def looks(browser: Browser, origin: str, steps: int) -> tuple[list[list[object]], list[list[object]]]:
    """Look at each page twice, and move in it."""
    run = f"/runs/agent/{walker.name}/run-{steps}"
    line = ".timeline-line >> nth=5"
    pages = (
        Seen(
            name=f"run of {steps:,} steps",
            path=f"{run}?view=timeline",
            data=line,
            moves={
                "fold and unfold turns": folded,
                "scroll": scrolled(".timeline [role=list]"),
                "filter by text": typed("look"),
            },
        ),
        Seen(
            name="the same as a conversation",
            path=f"{run}?view=conversation",
            data=".talk .answer, .talk .call",
            moves={
                "scroll": scrolled(".talk", up=True),
            },
        ),
        Seen(name="batch", path=f"/batches/{BATCH}", data="canvas"),
        Seen(
            name="its documents",
            path=f"/batches/{BATCH}/documents",
            data="main table tbody tr >> nth=5",
            moves={
                "scroll": scrolled("main .table-box"),
                "search": typed("document-123"),
            },
        ),
        Seen(name="home", path="/", data="main .stats"),
    )
    figures: list[list[object]] = []
    moves: list[list[object]] = []
    for seen in pages:
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        for visit in ("first", "again"):
            page = await context.new_page()
            figures.append([seen.name, visit, *(await looked(page, origin, seen))])
            if visit == "again":
                for name, move in seen.moves.items():
                    moves.append([seen.name, name, *(await frames_of(page, move))])
            await page.close()
        await context.close()
    return figures, moves


async def looked(page: Page, origin: str, seen: Seen) -> list[object]:
    """Return milliseconds to the first paint and to data, megabytes of heap, and DOM nodes."""
    await page.goto(origin + seen.path, wait_until="commit")
    await page.locator(seen.data).first.wait_for(timeout=120_000)
    data = await page.evaluate("() => performance.now()")
    await page.wait_for_timeout(1_500)
    paint = await page.evaluate(PAINT)
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.enable")
    await session.send("HeapProfiler.collectGarbage")
    await session.send("Performance.enable")
    found = {one["name"]: one["value"] for one in (await session.send("Performance.getMetrics"))["metrics"]}
    return [float(paint or 0), float(data), found["JSHeapUsedSize"] / 1e6, int(found["Nodes"])]


async def frames_of(page: Page, move: Callable[[Page], Awaitable[None]]) -> list[object]:
    """Return how many frames there were while something was done, and how long they took."""
    await page.evaluate(FRAMES)
    await move(page)
    await page.wait_for_timeout(300)
    took = sorted(await page.evaluate("() => window.frames_seen.slice(2)"))
    return [len(took), took[int(len(took) * 0.95)], took[-1]]


def scrolled(where: str, *, up: bool = False) -> Callable[[Page], Awaitable[None]]:
    async def move(page: Page) -> None:
        box = await page.locator(where).first.bounding_box()
        assert box is not None, where
        await page.mouse.move(box["x"] + box["width"] / 2, min(800, max(200, box["y"] + 60)))
        for _ in range(MOVES):
            await page.mouse.wheel(0, -MOVE_PIXELS if up else MOVE_PIXELS)
            await page.wait_for_timeout(16)

    return move


def typed(text: str) -> Callable[[Page], Awaitable[None]]:
    async def move(page: Page) -> None:
        search = page.locator("main [data-search]").first
        await search.press_sequentially(text, delay=40)
        await page.wait_for_timeout(800)
        await search.fill("")

    return move


async def folded(page: Page) -> None:
    turns = page.locator(".timeline-line.turn button")
    for _ in range(4):
        await turns.first.click()
        await page.wait_for_timeout(150)


async def followed(client: Client, origin: str, console: int, count: int) -> list[object]:
    """Let so many pages follow home and a run that goes on, and return how late they were and what it cost."""
    handle = await client.start_run(walker, f"{LIVE_STEPS} 1 {RESULT_SIZE}", run_id=f"live-{count}-{int(time.time())}")
    topics = f"home,hand-offs,run:{handle.workflow_id}"
    lags: list[float] = []
    sizes: list[int] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        following = [asyncio.create_task(follow(session, origin, topics, lags, sizes)) for _ in range(count)]
        await asyncio.sleep(3.0)
        lags.clear()
        sizes.clear()
        began, used = time.perf_counter(), cpu_seconds([console])
        await asyncio.sleep(LIVE_SECONDS)
        share = (cpu_seconds([console]) - used) / (time.perf_counter() - began)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    await handle.cancel()
    lags.sort()
    late = [statistics.median(lags), lags[int(len(lags) * 0.95)], lags[-1]]
    return [count, len(sizes), sum(sizes) / 1e6, len(lags) // count, *late, 100 * share, resident_megabytes(console)]


async def follow(session: aiohttp.ClientSession, origin: str, topics: str, lags: list[float], sizes: list[int]) -> None:
    """Read one stream, and note how long after the end of each step the page was told of it."""
    told: set[str] = set()
    async with session.get(f"{origin}/v1/live", params={"topics": topics}) as answer:
        name, buffer = "", b""
        async for part in answer.content.iter_any():
            now = time.time()
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                if line.startswith(b"event: "):
                    name = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    sizes.append(len(line))
                    if name.startswith("run:"):
                        lags.extend(now - at for at in ended_since(json.loads(line[6:]), told))


def ended_since(outline: dict[str, Any], told: set[str]) -> list[float]:
    """Return when steps of a delta have ended that were not told of yet, in seconds since the epoch."""
    fresh = [row for row in outline.get("entries", []) if row["ended_at"] and row["id"] not in told]
    told.update(row["id"] for row in fresh)
    return [datetime.fromisoformat(row["ended_at"]).timestamp() for row in fresh if outline["is_delta"]]


if __name__ == "__main__":
    main()

"""Take the pictures of the console in ``docs/images``: a real project works, and Chromium looks at it.

    make screenshots                                     # some five minutes
    .venv/bin/python docs/screenshots.py --letters 3000 --into DIR    # shorter, elsewhere

The project is ``docs/screenshots_project`` on top of ``examples/support``: an engine and two workers of its own, agents
and a batch over a scripted model, a carrier, a plan, and people's decisions, made over the HTTP API. Whatever the
pictures show has happened. What is fast in them is the model: it is no language model.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image
from playwright.async_api import Browser, Page

from outlive.engine.ports import free_port
from outlive.testing.loopback import server_process

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from browsers import DESK, PHONE, browsing  # noqa: E402 - the browser of the tests

PROJECT, EXAMPLE, IMAGES = DOCS / "screenshots_project", DOCS.parent / "examples" / "support", DOCS / "images"
COLOURS = 256
LOOK_SECONDS = 0.3
LONGEST = 180.0  # seconds to wait for anything
LETTERS, BATCH, CASE = 9_000, "letters-2026", "agent/support/case-4711"
HELD = "agent/support/case-4712"

Api = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Shot:
    """One picture: its name, the page, and what has to be seen there first."""

    name: str
    path: str
    sees: str = "main h1"
    click: str = ""  # what is clicked before
    size: tuple[int, int] = DESK


SHOTS = (
    Shot("batches", "/batches", "main tbody tr"),
    Shot("failures", f"/batches/{BATCH}/failures", "main h1"),
    Shot("documents", f"/batches/{BATCH}/documents", "main tbody tr"),
    Shot("document", f"/batches/{BATCH}/documents/7", "main h1"),
    Shot("runs", "/runs", "main tbody tr"),
    Shot("run", f"/runs/{CASE}?view=timeline"),
    Shot("conversation", f"/runs/{CASE}?view=conversation", "main h1"),
    Shot("desk", "/desk", ".waiting a", click=".waiting a"),
    Shot("playground", "/playground/agent/support", "main form"),
    Shot("money", "/money", "main tbody tr"),
    Shot("fleet", "/fleet", "main tbody tr"),
    Shot("desk-phone", "/desk", "main h1", size=PHONE),
    Shot("run-phone", f"/runs/{CASE}?view=timeline", "main h1", size=PHONE),
)
WATCHED = (Shot("home", "/"), Shot("batch", f"/batches/{BATCH}"))


def main() -> None:
    """Let the project work, and take its pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--letters", type=int, default=LETTERS)
    parser.add_argument("--into", type=Path, default=IMAGES)
    parser.add_argument("--keep", action="store_true", help="leave the project up until Ctrl-C")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    into = given.into.resolve()
    asyncio.run(take(into, given.letters, keep=given.keep))


async def take(into: Path, letters: int, *, keep: bool) -> None:
    """Take all pictures."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shop-"))) / "shop"
        origin = await stack.enter_async_context(project(folder, letters))
        api = await stack.enter_async_context(calling(origin))
        browser = await stack.enter_async_context(browsing("--hide-scrollbars"))
        sys.stdout.write(f"{origin}\n")
        await begin()
        watching = [await opened(browser, origin, shot, theme) for theme in ("light", "dark") for shot in WATCHED]
        await work(api, folder)
        await until(lambda: share_done(api, 0.72), "most letters are sorted")
        for page, shot, theme in watching:
            await shoot(page, into, shot, theme)
        for theme in ("light", "dark"):
            for shot in SHOTS:
                page, _, _ = await opened(browser, origin, shot, theme)
                await shoot(page, into, shot, theme)
                await page.context.close()
        if keep:
            await asyncio.Event().wait()


@asynccontextmanager
async def project(folder: Path, letters: int) -> AsyncIterator[str]:
    """Let engine, workers, console and the outside run for as long as the block does; give the console's address."""
    shutil.copytree(EXAMPLE, folder)
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    import letters as writing  # type: ignore[import-not-found]

    names = writing.write(folder / "letters", letters)
    writing.fill_shop()
    model = ("--script", str(folder / "says.py:answer"), "--pause", "0.02")
    async with AsyncExitStack() as stack:
        os.environ["PYTHONPATH"] = str(folder)
        scripted = await stack.enter_async_context(server_process("outlive.testing.scripted_model", *model))
        server = ("outlive.testing.document_server", "--folder", str(folder / "letters"))
        documents = await stack.enter_async_context(server_process(*server))
        (folder / "letters.txt").write_text("".join(f"{documents.address}/files/{name}\n" for name in names))
        carrier = free_port()
        for name in [name for name in os.environ if name.startswith(("OUTLIVE_", "TEMPORAL_"))]:
            del os.environ[name]
        os.environ |= {
            "OPENAI_BASE_URL": f"{scripted.address}/v1",
            "OPENAI_API_KEY": "none",
            "OUTLIVE_MODEL": "openai:scripted",
            "OUTLIVE_ALLOW_PRIVATE_ADDRESSES": "true",
            "OUTLIVE_NOTIFY_DAYS": "0.0001",
            "CARRIER_URL": f"http://127.0.0.1:{carrier}",
            "SHOP_HOOK": f"http://127.0.0.1:{free_port()}/outlive",  # nobody listens
        }
        await stack.enter_async_context(process("carrier.py", "--port", str(carrier)))
        port = free_port()
        up = ("-m", "outlive.cli.main", "up", "app:app", "--api-port", str(port))
        await stack.enter_async_context(process(*up))
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[None]:
    """Run Python in the project's folder for as long as the block runs."""
    quiet = asyncio.subprocess.DEVNULL
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        yield
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGINT)
        await started.wait()


@asynccontextmanager
async def calling(origin: str) -> AsyncIterator[Api]:
    """Give what calls the API: a path, and a body to post."""
    async with aiohttp.ClientSession() as session:

        async def api(path: str, body: Any = None) -> Any:
            method = "GET" if body is None else "POST"
            async with session.request(method, f"{origin}/v1{path}", json=body) as answer:
                if answer.status >= 400:
                    raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
                return await answer.json() if answer.content_type == "application/json" else None

        async def serves() -> bool:
            return bool((await api("/fleet"))["workers"])

        await until(serves, "the project is up")
        yield api


async def begin() -> None:
    """Start the batch, as a person does who is in the project's folder."""
    command = ("batch", "start", "sort_letters", "letters.txt", "--id", BATCH, "--budget", "5usd", "--tenant", "acme")
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "outlive.cli.main"), *command, "--allow-private", "--per-host", "64"
    )
    if await started.wait():
        raise SystemExit("The batch did not start.")


async def work(api: Api, folder: Path) -> None:
    """Let customers write, a plan work, people decide, and a worker die."""
    runs = "/runs/agent/support"
    said = [
        ("case-4711", "ada", "Where is my order 4711? It should have come a week ago.", "acme"),
        ("case-4712", "bo", "Hello, I have a question about order 4712.", ""),
        *(
            (f"case-{4720 + at}", name, f"How is my order {4720 + at} getting on?", "acme")
            for at, name in enumerate(CUSTOMERS)
        ),
        ("case-4731", "lea", "How is my order 4731 getting on? It is late.", "trial"),
        ("case-4728", "ira", "I want a refund of 60 euros for order 4728.", ""),
    ]
    for run_id, customer, prompt, tenant in said:
        body = {"id": run_id, "prompt": prompt, "conversation": True, "deps": {"name": customer}, "tenant": tenant}
        await api(f"{runs}", body)
    await api("/runs/plan/archive", {"id": "rehearsal", "input": {"before": "2024"}, "shadow": True})
    await api("/runs/plan/archive", {"id": "before-2024", "input": {"before": "2024"}})
    await api(f"{runs}", {"id": "wrong", "prompt": "Where is order 4711?", "deps": {"name": "eve"}})
    await until(lambda: turns_done(api, "case-4711", 1), "the first answer")
    for more in ("Is there any news?", "And now?", "Please look once more."):
        await api(f"{runs}/case-4731/messages", {"content": more})
    await api(f"{runs}/case-4711/messages", {"content": "Order 4711 is a week late. Please refund 30 euros."})
    await until(lambda: turns_done(api, "case-4711", 2), "the small refund")
    await api(f"{runs}/case-4711/messages", {"content": "I want a refund of all 259 euros that are left."})
    await until(lambda: turns_done(api, "case-4712", 1), "an answer to bo")
    await api(f"{runs}/case-4712/messages", {"content": "I would rather talk to a person."})
    await until(lambda: turns_done(api, "case-4712", 2), "bo is told")
    await api(f"{runs}/case-4712/take", {"by": "bea"})
    await until(lambda: share_done(api, 0.35), "a third is done")
    worker = (await api("/fleet"))["workers"][0]
    os.kill(int(worker["pid"]), signal.SIGKILL)
    await api(f"/batches/{BATCH}/concurrency", {"documents": 60})
    for asked in (await api("/hand-offs"))[:1]:
        await api(f"/hand-offs/{asked['id']}/claim", {"by": "bea"})
    with (folder / "app.py").open("a") as code:
        code.write("\n# The next version.\n")


CUSTOMERS = ("ada", "bo", "cem", "dana", "eli", "fay", "gus")


async def turns_done(api: Api, run_id: str, turns: int) -> bool:
    """Return whether a conversation has answered so many messages."""
    return (await api(f"/runs/agent/support/{run_id}/turns/{turns}?wait=20"))["output"] is not None


async def share_done(api: Api, share: float) -> bool:
    """Return whether so much of the batch is done."""
    batch = await api(f"/batches/{BATCH}")
    return bool(batch["documents"] and batch["done"] >= share * batch["documents"])


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(LONGEST):
        while True:
            if await _holds_now(holds):
                break
            await asyncio.sleep(LOOK_SECONDS)
    sys.stdout.write(f"{what}\n")


async def _holds_now(holds: Callable[[], Awaitable[bool]]) -> bool:
    """Ask once; a console that is being started anew, as after a change of the code, has no answer yet."""
    try:
        return await holds()
    except aiohttp.ClientError:
        return False


async def opened(browser: Browser, origin: str, shot: Shot, theme: str) -> tuple[Page, Shot, str]:
    """Open a page in a tab of its own."""
    width, height = shot.size
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    page = await context.new_page()
    page.on("pageerror", lambda error: sys.stdout.write(f"{shot.name}: {error}\n"))
    await page.goto(origin + shot.path, wait_until="domcontentloaded")
    await page.locator(shot.sees).first.wait_for(timeout=60_000)
    if shot.click:
        await page.locator(shot.click).nth(1).click()
    return page, shot, theme


async def shoot(page: Page, into: Path, shot: Shot, theme: str) -> None:
    """Take one picture, once the page stands still, in a palette: a third of the bytes."""
    await page.locator(".skeleton").first.wait_for(state="detached")
    await page.wait_for_timeout(1_500)
    path = into / f"console-{shot.name}-{theme}.png"
    picture = Image.open(BytesIO(await page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    sys.stdout.write(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB{'  wider than the page' if wide > 0 else ''}\n")


if __name__ == "__main__":
    main()

"""The demonstration itself: serve real documents, run a batch over them, kill its processes, judge."""

import asyncio
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from outlive.batch_requests import BatchRequest
from outlive.cli.results import write_results
from outlive.client import Client
from outlive.contracts.batches import ReadingOptions
from outlive.demo.corpus import DOCUMENTS, corpus, standard_library, urls
from outlive.demo.killing import PLAN, Executioner
from outlive.demo.screen import Screen, show_next, show_results, show_verdict
from outlive.demo.stage import Stage, served
from outlive.demo.verdict import Verdict, judge, recorded_documents
from outlive.documents.sources import open_source
from outlive.engine.events import EngineStarted
from outlive.engine.home import Home
from outlive.engine.run_health import until_served
from outlive.errors import EngineOwned
from outlive.handles import BatchHandle
from outlive.names import ANALYZE_FUNCTION, OFFLINE_MODEL
from outlive.settings import Settings
from outlive.testing.loopback import server_process
from outlive.worker.supervisor import Event, Supervisor, WorkerStarted

LATENCY_SECONDS = 1.5  # what a small hosted model takes for a summary
CONCURRENCY = 32
WORKERS = 2
LOOK_SECONDS = 0.1
LONGEST_SECONDS = 300.0
BATCH_ID = "demo"
INSTRUCTION = "Say in three sentences what this Python module is for."
SHOWN = ("asyncio/queues.py", "heapq.py", "zipfile.py")


async def demonstrate(settings: Settings, *, documents: int = DOCUMENTS, stays: bool = False) -> bool:
    """Run the demonstration in a home folder of its own, print it, and return whether the promise held.

    Args:
        stays: Whether console, engine and workers stay after the verdict, until Ctrl-C.

    Raises:
        EngineOwned: Where another demonstration runs in the same folder.
        EngineFailed: Where the engine does not start.
    """
    console = Console()
    home = Home(settings.home / "demo")
    _clear(home)
    settings = replace(
        settings, home=home.path, port=0, ui_port=0, offline_latency=LATENCY_SECONDS, allow_private_addresses=True
    )
    names = corpus(documents)
    _introduce(console, len(names))
    folder = ("--folder", str(standard_library()))
    async with server_process("outlive.testing.document_server", *folder) as server, Client(settings) as client:
        source = home.path / "urls.txt"
        source.write_text("".join(f"{url}\n" for url in urls(server.address, names)))
        screen = Screen(console, total=len(names))
        supervisor = Supervisor(settings, workers=WORKERS, on_event=lambda event: _tell(screen, event))
        stage = Stage(supervisor, screen)
        async with supervisor, served(settings, stage) as site:
            with screen:
                screen.say(f"the engine is up, the workers start; see them in the console, {site.address}")
                async with asyncio.timeout(LONGEST_SECONDS):
                    await until_served(client.temporal, client.settings)
                screen.say("workers serve")
                handle = await _run(client, screen, source, stage)
            verdict = await _verdict(client, handle, server.address, stage)
            show_verdict(console, verdict, holds=stage.holds)
            results = home.path / "results.jsonl"
            await write_results(handle, str(results))
            show_results(console, results, _picked(results))
            show_next(console)
            if stays:
                console.print(f"Console open at {site.address}; Ctrl-C ends.", style="bold", highlight=False)
                await site.until_interrupted()
    return stage.holds


def _clear(home: Home) -> None:
    """Remove what the last demonstration left."""
    if home.is_owned():
        raise EngineOwned(f"Another demonstration runs in {str(home.path)!r}. Wait for its end, or stop it.")
    shutil.rmtree(home.path, ignore_errors=True)


def _introduce(console: Console, count: int) -> None:
    console.print(
        f"{count:,} modules of Python's standard library, served over HTTP by a local process that counts.\n"
        f"{WORKERS} workers, {CONCURRENCY} documents in flight, {LATENCY_SECONDS:g} s for an answer of "
        f"{OFFLINE_MODEL} (sentences picked from each document; no language model).\n"
        "On the way, worker 0, the engine and worker 1 are killed with -9.\n",
        soft_wrap=True,
        highlight=False,
    )


async def _run(client: Client, screen: Screen, source: Path, stage: Stage) -> BatchHandle:
    request = BatchRequest.of(
        ANALYZE_FUNCTION,
        open_source(str(source)),
        model=OFFLINE_MODEL,
        batch_id=BATCH_ID,
        instruction=INSTRUCTION,
        concurrency=CONCURRENCY,
        reading=ReadingOptions(allow_private_addresses=True),
    )
    handle = await client.start_batch(request)
    async with asyncio.timeout(LONGEST_SECONDS):
        await _follow(handle, stage.executioner, screen)
    screen.say("all documents have an outcome")
    return handle


async def _verdict(client: Client, handle: BatchHandle, address: str, stage: Stage) -> Verdict:
    record = await handle.record()
    recorded = await client.ledger.call(recorded_documents, client.ledger.engine, record.number)
    verdict = judge(recorded, await _counts(address), kills=stage.kills)
    expected = len(PLAN) + stage.executioner.by_hand
    stage.close(verdict, holds=verdict.holds(kills=expected, in_flight=CONCURRENCY + WORKERS))
    return verdict


async def _follow(handle: BatchHandle, executioner: Executioner, screen: Screen) -> None:
    """Show the batch until it has ended, and kill what is due."""
    while not (status := await handle.status(ask_engine=False)).has_ended:
        progress = status.progress
        recorded = progress.done + progress.failed_count
        screen.show(recorded)
        if killed := executioner.kill_due(recorded / max(1, progress.total)):
            kill, pid = killed
            in_flight = f", {progress.in_flight} documents in flight" if kill.worker is not None else ""
            screen.say(f"kill -9 {pid}: {kill.victim}{in_flight}", "bold red")
        await asyncio.sleep(LOOK_SECONDS)
    screen.show(status.progress.total)


def _tell(screen: Screen, event: Event) -> None:
    if isinstance(event, WorkerStarted) and event.restarts:
        screen.say(f"worker {event.index} was started again as process {event.pid}", "green")
    elif isinstance(event, EngineStarted) and event.restarts:
        screen.say(f"the engine is back after {event.seconds:.1f} s as process {event.pid}", "green")


async def _counts(address: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/_counts?documents=all") as response:
        counts: dict[str, Any] = (await response.json())["by_path"]
    return counts


def _picked(results: Path) -> list[dict[str, Any]]:
    """Return three results: of modules that people know, where they are among them."""
    with results.open(encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["status"] == "done"]
    known = [row for row in rows if row["uri"].endswith(tuple(f"/files/{name}" for name in SHOWN))]
    rest = (row for row in rows if row not in known)
    return list(itertools.islice(itertools.chain(known, rest), len(SHOWN)))

"""What `outlive demo` promises, on fewer documents: it finishes, and its verdict comes from two separate books."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest

from consoles import page_of
from engines import is_running, until
from outlive.demo.run import demonstrate
from outlive.settings import Settings

pytestmark = pytest.mark.embedded


async def test_a_demonstration_survives_two_dead_workers_and_a_dead_engine(tmp_path: Path, capfd):
    holds = await demonstrate(Settings(home=tmp_path), documents=130)

    printed = capfd.readouterr().out
    assert holds, printed
    assert printed.count("kill -9") == 3
    assert "130   of 130 documents done" in printed
    assert len((tmp_path / "demo" / "results.jsonl").read_text().splitlines()) == 130


STAYING = """
import asyncio, sys
from pathlib import Path
from outlive.demo.run import demonstrate
from outlive.settings import Settings
sys.exit(0 if asyncio.run(demonstrate(Settings(home=Path(sys.argv[1])), documents=130, stays=True)) else 1)
"""


async def test_a_visitor_of_its_console_kills_a_worker_and_sees_the_verdict_until_ctrl_c(tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STAYING, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    printed = ""
    while not (found := re.search(r"in the console, (http://\S+)/", printed)):
        printed += (await process.stdout.readline()).decode()
    reading = asyncio.create_task(process.stdout.read())

    async with page_of(found[1]) as page, page.live("hand-offs") as stream:

        async def is_killed() -> bool:
            return (await page.post("/v1/demo/kill", {"worker": 1})).status == 202

        await until(is_killed, "a worker is there to be killed")
        unknown = await page.post("/v1/demo/kill", {"worker": 7})
        session = await page.get("/v1/session")

        async def is_judged() -> bool:
            return (await page.get("/v1/demo")).body["verdict"] is not None

        await until(is_judged, "the verdict is there")
        demo = (await page.get("/v1/demo")).body
        batch = (await page.get("/v1/batches/demo")).body
        await stream.next("hand-offs")
        process.send_signal(signal.SIGINT)
        status = await asyncio.wait_for(process.wait(), 60)
    printed += (await reading).decode()

    assert status == 0, printed
    assert (session.body["demo"], unknown.status) == (True, 404)
    assert (demo["verdict"]["holds"], demo["verdict"]["done"], demo["kills"]) == (True, 130, 4)
    assert sum(worker["restarts"] for worker in demo["workers"]) >= 3
    assert batch["done"] == 130
    assert "worker 1, from the console" in printed
    assert "Ctrl-C ends" in printed
    assert not any(is_running(worker["pid"]) for worker in demo["workers"] if worker["pid"])

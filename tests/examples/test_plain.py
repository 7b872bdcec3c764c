"""`examples/plain`, as its README says."""

import asyncio
import sys

import pytest

from engines import until
from examples.projects import Example
from outlive.worker.children import worker_environment


@pytest.fixture
async def plain(tmp_path):
    example = Example("plain", tmp_path / "plain")
    yield example
    await example.close()


async def start(plain: Example, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "starter.py",
        *arguments,
        cwd=plain.path,
        env=worker_environment(plain.settings),
        stdout=asyncio.subprocess.PIPE,
    )


async def test_a_workflow_of_ones_own_is_served_and_outlives_its_workers(plain):
    async with plain.up("--workers", "1"):
        starter = await start(plain, "order-17", "1", "8")
        letters = plain.path / "letters"
        await until((letters / "order-17-reminder-1.txt").exists, "the first letter is written")
        await plain.kill_workers()
        out, _ = await asyncio.wait_for(starter.communicate(), 60)

    assert out.decode() == "dunning/order-17: given up\n"
    assert sorted(path.name for path in letters.iterdir()) == ["order-17-reminder-1.txt", "order-17-reminder-2.txt"]

"""What goes wrong in code, and who owns the state folder, are written down without what was said."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Folder
from engines import until
from outlive.encryption.keys import generate_key
from temporal.encryption.planted import done

WORD = "PlantedBugQzx"
APP = f'''
"""A plan with a bug, and an agent that takes its time."""
import asyncio
from pathlib import Path

from outlive import App, Durable, Plan
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel


async def answer(messages, info):
    Path("begun").touch()
    while Path("hold").exists():
        await asyncio.sleep(0.05)
    return ModelResponse(parts=[TextPart("done")])


slow = Agent(FunctionModel(answer), name="slow", capabilities=[Durable()])
app = App("bugs", agents=[slow])


@app.plan(name="buggy")
async def buggy(plan: Plan, what: str) -> str:
    raise KeyError("{WORD}")
'''


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    made = Folder(tmp_path, app=APP)
    yield made
    await made.close()


@pytest.mark.parametrize("has_key", [False, True], ids=["no-key", "key"])
async def test_a_bug_that_is_tried_again_is_shown_but_with_a_key_not_logged(folder: Folder, has_key: bool):
    if has_key:
        folder.settings = replace(folder.settings, keys=generate_key("k").written())
    shown = ""

    async def is_told() -> bool:
        nonlocal shown
        shown = await done(folder, "show", "plan/buggy/b")
        return "again and again" in shown

    async with folder.up("--workers", "1"):
        await done(folder, "plan", "start", "buggy", "--input", '"x"', "--id", "b")
        await until(is_told, "the run is stuck")
        log = folder.home.logs / "worker-0.log"
        await until(lambda: "KeyError" in log.read_text(), "the worker tells of it")

    assert WORD in shown
    assert (WORD in log.read_text()) is not has_key


async def test_who_owns_the_folder_is_recorded_without_the_prompt(folder: Folder):
    folder.put("hold")
    await folder.begin("run", "slow", f"Say {WORD}", "--id", "one")
    await until(lambda: bool(folder.lines("begun")) or (folder.path / "begun").exists(), "the model is asked")

    owner = folder.home.owner()

    assert owner is not None
    assert owner.command.endswith(" run")
    assert WORD not in folder.home.lock_file.read_text()
    folder.take("hold")

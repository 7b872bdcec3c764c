"""`docs/agents.md`: the code on the page runs as it stands there."""

import asyncio
import re
import sys
from pathlib import Path
from textwrap import indent

import pytest

from command_line import Folder, ended

PAGE = Path(__file__).parents[2] / "docs" / "agents.md"


def code_under(heading: str) -> str:
    """The first block of Python under a heading; the page's first where the heading is empty."""
    text = PAGE.read_text()
    return re.search(r"```python\n(.*?)```", text[text.index(heading) :], re.DOTALL)[1]


@pytest.fixture
async def folder(tmp_path):
    made = Folder(tmp_path, app=code_under(""))
    yield made
    await made.close()


async def test_the_file_on_the_page_runs_without_a_key_and_with_no_other_terminal(folder):
    status, out, err = await folder.run("run", "desk", "How many lamps are in stock?", "--id", "lamps")

    assert status == 0, err
    assert "in_stock" in err
    assert out.strip()


async def test_the_python_on_the_page_starts_follows_and_talks(folder):
    started, rest = code_under("From Python").split("status = ")
    followed, talked = code_under("## Follow it"), code_under("## Talk with it")
    closed = "await app.aclose()\n"
    body = started + followed + "status = " + rest.removesuffix(closed) + talked + closed
    (folder.path / "caller.py").write_text(
        f"import asyncio\n\n\nasync def main():\n{indent(body, '    ')}\n\nasyncio.run(main())\n"
    )

    async with folder.up("--workers", "1"):
        caller = await asyncio.create_subprocess_exec(
            sys.executable,
            "caller.py",
            cwd=folder.path,
            env=folder.own_environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        status, out, err = await ended(caller)

    assert status == 0, err
    for kind in ("turn_started", "model_call_started", "tool_ended", "run_ended"):
        assert kind in out

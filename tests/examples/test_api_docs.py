"""`docs/api.md` and `docs/schedules.md`: the commands and the code on the pages run as they stand there."""

import asyncio
import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from textwrap import indent

import pytest

from command_line import Folder, ended
from outlive.engine.ports import free_port

DOCS = Path(__file__).parents[2] / "docs"
API_PAGE = (DOCS / "api.md").read_text()
SCHEDULES_PAGE = (DOCS / "schedules.md").read_text()
APP = re.search(r"```python\n(.*?)```", API_PAGE, re.DOTALL)[1]


@pytest.fixture
async def folder(tmp_path):
    made = Folder(tmp_path, app=APP)
    yield made
    await made.close()


async def shell(folder: Folder, commands: str) -> str:
    """Run commands, each of which has to succeed; curl fails where it is answered with an error."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euc",
        commands.replace("curl -sS", "curl --fail-with-body -sS"),
        cwd=folder.path,
        env=folder.own_environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    status, out, err = await ended(process)
    assert status == 0, out + err
    return out


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not here")
async def test_the_curl_commands_on_the_page_run_in_their_order(folder: Folder):
    port = free_port()
    commands = re.search(r"```sh\n(.*?)```", API_PAGE, re.DOTALL)[1].replace(":8234", f":{port}")
    api, rest = commands.split("\n", 1)
    before, after = rest.split("# What waits for a person")
    look, decide = after.split("curl -sS $API/hand-offs/HAND_OFF\n", 1)

    async with folder.up("--workers", "1", api_port=port):
        await shell(folder, f"{api}\nuntil curl -s $API/app; do read -t 0.2 < <(:) || true; done")
        begun = await shell(folder, f"{api}\n{before}")
        until_asked = f"{api}\nuntil curl -s $API/hand-offs | grep -q approve; do read -t 0.2 < <(:) || true; done"
        await shell(folder, until_asked)
        (asked,) = json.loads(await shell(folder, f"{api}\n#{look}"))
        rest = await shell(
            folder, f"{api}\ncurl -sS $API/hand-offs/HAND_OFF\n{decide}".replace("HAND_OFF", asked["id"])
        )

    assert '"is_new":true' in begun
    assert '"output":' in rest
    assert "event: run_ended" in rest
    assert '"state":"finished"' in rest
    assert '"next":"1"' in rest


async def test_the_commands_and_the_python_on_the_schedules_page_run(folder: Folder):
    app = APP + '\n\n@app.plan\nasync def audit(plan, request: dict) -> int:\n    """Audit."""\n    return 1\n'
    (folder.path / "app.py").write_text(app)
    (folder.path / "inbox").mkdir()
    (folder.path / "inbox" / "one.txt").write_text("Lamps are bright.")
    page = re.search(r"```\n(outlive schedule.*?)```", SCHEDULES_PAGE, re.DOTALL)[1]
    code = re.search(r"```python\n(.*?)```", SCHEDULES_PAGE, re.DOTALL)[1]
    code = code.replace('"nightly"', '"hourly"')
    commands = [shlex.split(line, comments=True)[1:] for line in page.splitlines()]
    (folder.path / "commands.py").write_text(
        "from outlive.cli.main import main\n\n"  # one process for all of them: each takes seconds to import
        f"for command in {commands!r}:\n    try:\n        main(command)\n"
        "    except SystemExit as ended:\n        assert ended.code == 0, command\n"
    )
    (folder.path / "caller.py").write_text(
        f"import asyncio\nfrom app import app\n\n\nasync def main():\n{indent(code, '    ')}\n"
        "    await app.aclose()\n\n\nasyncio.run(main())\n"
    )

    async with folder.up("--workers", "1"):
        said = await shell(folder, f"{sys.executable} commands.py")
        from_python = await shell(folder, f"{sys.executable} caller.py")

    assert "agent/desk/nightly-20" in said
    assert said.endswith("Removed.\n")
    assert "agent/desk/hourly-20" in from_python

"""`examples/research`, as its README says: real processes, and the official filesystem server."""

import fcntl
import json
import shutil
import subprocess
from collections import Counter

import pytest

from command_line import ended
from examples.projects import EXAMPLES, Example

SERVER = "@modelcontextprotocol/server-filesystem@2026.8.31"
QUESTION = "What did the fog horn cost, and who kept the light longest?"

pytestmark = pytest.mark.timeout(600)  # the first run fetches the server


@pytest.fixture(scope="module", autouse=True)
def filesystem_server(request: pytest.FixtureRequest):
    """Have the server fetched, so that no test waits for npm."""
    if shutil.which("npx") is None:
        pytest.skip("npx is missing: install Node.js 18 or later to try the research example")
    assert SERVER in (EXAMPLES / "research" / "research.py").read_text()
    with (request.config.cache.mkdir("npx") / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may be fetching it: npx does not expect a second one
        fetched = subprocess.run(
            ["npx", "-y", SERVER, EXAMPLES], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if fetched.returncode:
        pytest.skip(f"npm cannot fetch the filesystem server: {fetched.stderr[-300:]}")


@pytest.fixture
async def research(tmp_path):
    example = Example("research", tmp_path / "research")
    async with example.scripted_model():
        yield example
        await example.close()


async def test_the_research_example_reports_what_the_documents_say_and_the_same_command_again_asks_nothing(research):
    command = ("run", "researcher", QUESTION, "--id", "fog-horn", "--app", "research:app")

    status, out, err = await research.outlive(*command)
    asked = len(research.model_keys())
    again = await research.outlive(*command)

    assert status == 0, err
    report = json.loads(out)
    assert {finding["source"] for finding in report["findings"]} == {"keepers.md", "harbour-accounts.md"}
    assert "Ingrid Halvorsen" in report["answer"]
    assert "2,350" in report["answer"]
    assert again[:2] == (0, out)
    assert len(research.model_keys()) == asked


async def test_research_whose_worker_is_killed_in_mid_call_reports_the_same_and_asks_nothing_twice(research):
    stalled = 4
    await research.stall_model_call(stalled)

    running = await research.begin(
        *("run", "researcher", QUESTION, "--id", "killed", "--app", "research:app"), environment=research.environment
    )
    await research.model_calls(stalled + 1)
    await research.kill_workers()
    status, out, err = await ended(running)

    assert status == 0, err
    assert "Ingrid Halvorsen" in json.loads(out)["answer"]
    times = Counter(research.model_keys())
    assert [key for key, count in times.items() if count > 1] == [research.model_keys()[stalled]]
    assert len(list((research.path / "notes").iterdir())) == 2


async def test_without_npx_the_research_example_says_so_in_one_line(research):
    research.environment["PATH"] = str(research.path)

    status, _, err = await research.outlive("run", "researcher", QUESTION, "--app", "research:app")

    assert status == 2
    assert err.count("\n") == 1
    assert "`npx` was not found" in err

"""`outlive serve`, the API of `outlive up`, and `outlive schedule`, as a user types them."""

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from command_line import Errors, Folder, as_json, ended
from engines import until
from outlive.engine.ports import free_port

TOKEN = "a-token-that-is-long-enough"  # of a test


async def answered(url: str, **options) -> tuple[int, dict]:
    """Ask until somebody answers."""
    found: list[tuple[int, dict]] = []

    async def answers() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(url, **options) as answer:
                found.append((answer.status, await answer.json(content_type=None)))
        except aiohttp.ClientConnectionError:
            return False
        return True

    await until(answers, f"{url} answers")
    return found[-1]


async def shown(url: str) -> tuple[int, str, str]:
    """Return status, type and text of a page."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_up_serves_the_api_too_keeps_it_alive_and_gives_it_new_code(engine, folder: Folder):
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/app"

    async with folder.up("--workers", "1", api_port=port) as process:
        status, app = await answered(url)
        page = await shown(f"http://127.0.0.1:{port}/runs/agent/speaker/any")
        temporal = await shown(f"http://127.0.0.1:{port}/temporal/")
        text = (folder.path / "app.py").read_text()
        (folder.path / "app.py").write_text(text.replace("agents=[speaker, ", "agents=["))

        async def has_new_code() -> bool:
            return [agent["name"] for agent in (await answered(url))[1]["agents"]] == ["looker", "parker", "streamer"]

        await until(has_new_code, "the API serves the new code")
        process.send_signal(signal.SIGINT)
        _, out, _ = await ended(process)

    assert (status, page[0], "text/html" in page[1]) == (200, 200, True)
    if engine.state.ui_address:
        assert (temporal[0], "Temporal" in temporal[2] or "/temporal/_app/" in temporal[2]) == (200, True)
    else:  # a cluster, of which nobody said where its Web UI is
        assert temporal[0] == 404
    assert [agent["name"] for agent in app["agents"]] == ["looker", "parker", "speaker", "streamer"]
    assert f"API          http://127.0.0.1:{port}/v1" in out
    assert f"Console      http://127.0.0.1:{port}/" in out
    with pytest.raises(aiohttp.ClientConnectionError):
        async with aiohttp.ClientSession() as session, session.get(url):
            pass


async def test_serve_asks_for_the_token_never_writes_it_down_and_serves_nobody_else_without_one(folder: Folder):
    port = free_port()
    refused = await folder.run("serve", "--host", "0.0.0.0", "--port", str(port))
    server = await folder.begin("serve", "--port", str(port), environment={"OUTLIVE_API_TOKEN": TOKEN})
    said = Errors(server)
    await said.say("/openapi.json")
    url = f"http://127.0.0.1:{port}/v1/app"

    without, _ = await answered(url)
    with_token, _ = await answered(url, headers={"Authorization": f"Bearer {TOKEN}"})
    server.send_signal(signal.SIGTERM)
    _, out, err = await ended(server)

    assert refused[0] == 2
    assert "without a token" in refused[2]
    assert (without, with_token) == (401, 200)
    assert TOKEN not in said.text + out + err


async def test_console_serves_pages_to_all_and_the_rest_to_who_has_a_role(folder: Folder):
    port = free_port()
    tokens = {"OUTLIVE_API_TOKEN": TOKEN, "OUTLIVE_LOOK_TOKEN": f"{TOKEN}-to-look"}
    refused = await folder.run("console", "--host", "0.0.0.0", "--port", str(port))
    server = await folder.begin("console", "--port", str(port), environment=tokens)
    said = Errors(server)
    await said.say("/openapi.json")
    url = f"http://127.0.0.1:{port}"

    app, _ = await answered(f"{url}/v1/app")
    looked, _ = await answered(f"{url}/v1/app", headers={"Authorization": f"Bearer {TOKEN}-to-look"})
    session = await answered(f"{url}/v1/session")
    page = await shown(f"{url}/money")
    server.send_signal(signal.SIGTERM)
    _, out, err = await ended(server)

    assert refused[0] == 2
    assert "without a token" in refused[2]
    assert f"Console      {url}/" in said.text
    assert (app, looked, session[0], page[0]) == (401, 200, 200, 200)
    assert session[1]["needs_sign_in"]
    assert TOKEN not in said.text + out + err


async def test_up_without_the_console_serves_the_api_alone(folder: Folder):
    port = free_port()

    async with folder.up("--workers", "1", "--no-console", api_port=port) as process:
        status, _ = await answered(f"http://127.0.0.1:{port}/v1/app")
        page = await shown(f"http://127.0.0.1:{port}/money")
        process.send_signal(signal.SIGINT)
        _, out, _ = await ended(process)

    assert (status, page[0]) == (200, 404)
    assert "Console" not in out


async def test_a_schedule_is_added_shown_triggered_paused_and_removed(folder: Folder):
    async with folder.up("--workers", "1"):
        add = ["schedule", "add", "daily", "--agent", "speaker", "--prompt", "good day", "--cron", "0 6 * * *"]
        status, out, err = await folder.run(*add, "--time-zone", "Europe/Berlin")
        assert status == 0, err
        assert "daily: agent speaker, on, cron 0 6 * * * (Europe/Berlin)" in out
        assert (await folder.run(*add, "--time-zone", "Europe/Berlin"))[2] == "It is there already.\n"
        assert "another schedule" in (await folder.run(*add))[2]

        status, out, _ = await folder.run("schedule", "trigger", "daily")
        assert out.startswith("agent/speaker/daily-20")

        async def has_ended() -> bool:
            _, shown, _ = await folder.run("schedule", "show", "daily", "--json")
            return [run["state"] for run in as_json(shown)["recent"]] == ["completed"]

        await until(has_ended, "the run has ended")
        assert folder.lines("answers") == ["good day"]
        _, shown, _ = await folder.run("show", out.strip())
        assert "good day" in shown

        assert (await folder.run("schedule", "pause", "daily", "--note", "holidays"))[0] == 0

        async def is_listed() -> bool:
            _, listed, _ = await folder.run("schedule", "list", "--json")
            return [(one["id"], one["is_paused"]) for one in json.loads(listed)] == [("daily", True)]

        await until(is_listed, "it is listed as paused")
        assert (await folder.run("schedule", "resume", "daily"))[0] == 0
        assert (await folder.run("schedule", "remove", "daily"))[0] == 0
        assert (await folder.run("schedule", "show", "daily"))[0] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cron", "@daily"], "one of --agent, --plan and --batch"),
        (["--agent", "speaker", "--cron", "@daily"], "Say with --prompt"),
        (["--agent", "nobody", "--prompt", "x", "--cron", "@daily"], "No agent 'nobody'"),
        (["--agent", "speaker", "--prompt", "x"], "names no time"),
        (["--batch", "outlive.analyze", "--cron", "@daily"], "Say with --source"),
        (["--agent", "speaker", "--prompt", "x", "--calendar", "hour=25"], "no value from 0 to 23"),
    ],
)
async def test_a_schedule_that_cannot_work_is_refused_before_the_engine_is_asked(folder: Folder, arguments, said):
    status, _, err = await folder.run("schedule", "add", "bad", *arguments)

    assert status == 2
    assert said in err


async def test_a_handle_by_its_id_works_from_another_process(folder: Folder):
    (folder.path / "caller.py").write_text(
        "import asyncio, sys\n"
        "from app import app\n\n\n"
        "async def main():\n"
        "    if sys.argv[1] == 'start':\n"
        "        await app.start('looker', 'one', id='far')\n"
        "    client = await app.client()\n"
        "    handle = await client.run('far')\n"
        "    if sys.argv[1] == 'cancel':\n"
        "        await handle.cancel()\n"
        "        try:\n"
        "            await handle.result()\n"
        "        except Exception as error:\n"
        "            print(error)\n"
        "    print((await handle.status()).state)\n"
        "    await app.aclose()\n\n\n"
        "asyncio.run(main())\n"
    )
    folder.put("hold")

    async def called(what: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "caller.py",
            what,
            cwd=folder.path,
            env=folder.own_environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        status, out, err = await ended(process)
        assert status == 0, err
        return out

    async with folder.up("--workers", "1"):
        started = await called("start")
        await until(lambda: folder.lines("begun") == ["one"], "the tool runs")
        cancelled = await called("cancel")

    assert started == "running\n"
    assert cancelled == "Run 'agent/looker/far' was cancelled.\ncancelled\n"

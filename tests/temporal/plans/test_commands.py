"""`outlive plan` and `outlive undo`, as a person types them."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from engines import until
from outlive.cli.main import cli
from temporal.agents.conftest import serving

APP = '''
import asyncio
from pathlib import Path

from outlive import App, FailedItem, Plan, UndoneEffect, Worked

app = App("cli")
BAD = Path("bad")


async def remove(undone: UndoneEffect) -> None:
    with Path("log").open("a") as log:
        log.write(f"removed {undone.args['rows']}\\n")


@app.effect(undo=remove)
async def copy(rows: list[int]) -> Worked:
    with Path("log").open("a") as log:
        log.write(f"copied {rows}\\n")
    return Worked(failed=[FailedItem(item=row, reason="bad") for row in rows] if BAD.exists() else [])


@app.plan(name="PLAN")
async def migrate(plan: Plan, count: int) -> int:
    """Copy rows."""
    await plan.log("Begun")
    return (await plan.waves(count, each=copy, shares=(1,), chunk=2)).done
'''


async def outlive(*arguments: str) -> tuple[int, str]:
    result = await asyncio.to_thread(CliRunner().invoke, cli, list(arguments))
    return result.exit_code, result.output


@pytest.fixture
async def project(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task_queue: str):
    """A folder with an app that a worker serves; gives the name of its plan."""
    from outlive.app import load_app

    module, name = f"app_{task_queue.replace('-', '_')}", f"plan-{task_queue}"
    (tmp_path / f"{module}.py").write_text(APP.replace("PLAN", name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("OUTLIVE_HOME", str(settings.home))
    monkeypatch.setenv("OUTLIVE_TASK_QUEUE", settings.task_queue)
    async with serving(load_app(module), settings) as client:
        yield name, module, client


async def test_a_plan_is_rehearsed_started_shown_and_undone(project, tmp_path):
    name, module, client = project
    (tmp_path / "input.json").write_text("3")
    rehearsal = await outlive("plan", "start", name, "--input", "3", "--id", "s", "--shadow", "--app", module)
    await (await client.plan(f"{name}/s")).result()
    reviewed = await outlive("plan", "show", f"{name}/s")
    listed = await outlive("ledger", "list", "--run", f"plan/{name}/s", "--json")
    begun = await outlive("plan", "start", name, "--input", "@input.json", "--id", "r", "--app", module)
    await (await client.plan(f"{name}/r")).result()
    would = await outlive("undo", f"{name}/r", "--dry-run", "--app", module)
    done_before = (tmp_path / "log").read_text().splitlines()
    undone = await outlive("undo", f"{name}/r", "--app", module)
    plans = await outlive("plan", "list")
    traced = await outlive("show", f"{name}/r")

    assert (rehearsal[0], begun[0]) == (0, 0)
    assert f"plan/{name}/s" in rehearsal[1]
    assert "2 copy: shadowed" in reviewed[1]
    assert 'copy({"rows": [0, 1]})' in reviewed[1]
    assert "Begun" in reviewed[1]
    assert [row["state"] for row in json.loads(listed[1])] == ["shadowed", "shadowed"]
    assert sorted(done_before) == ["copied [0, 1]", "copied [2]"]
    assert "Would be taken back, in this order: 2" in would[1]
    assert "Taken back: 2. Left out: 0. Left: 0." in undone[1]
    assert sorted((tmp_path / "log").read_text().splitlines()[2:]) == ["removed [0, 1]", "removed [2]"]
    assert f"{name}/r" in plans[1]
    assert "OutliveWave" in traced[1] or "wave 1 of 1" in traced[1]


async def test_what_a_plan_asks_is_shown_and_decided(project, tmp_path):
    name, module, client = project
    (tmp_path / "bad").touch()
    await outlive("plan", "start", name, "--input", "4", "--id", "q", "--app", module)
    handle = await client.plan(f"{name}/q")

    async def asks() -> bool:
        return bool(await handle.asked())

    await until(asks, "it asks")
    shown = await outlive("plan", "show", f"{name}/q")
    question = (await handle.asked())[0].question.question_id
    wrong = await outlive("answer", question, "nonsense", "--app", module)
    (tmp_path / "bad").unlink()
    decided = await outlive("answer", question, "retry", "--by", "ada", "--app", module)

    assert await handle.result() == 4
    assert "have failed" in shown[1]
    assert "retry|go_on|undo|stop" in shown[1]
    assert wrong[0] != 0
    assert "Decided: retry, by ada." in decided[1]


async def test_mistakes_are_named_and_nothing_is_started(project):
    name, module, _ = project
    no_json = await outlive("plan", "start", name, "--input", "{", "--app", module)
    no_file = await outlive("plan", "start", name, "--input", "@nowhere", "--app", module)
    unfit = await outlive("plan", "start", name, "--input", '"many"', "--app", module)
    unknown = await outlive("plan", "show", "nowhere")

    assert all(code != 0 for code, _ in (no_json, no_file, unfit, unknown))
    assert (await outlive("plan", "list", "--json"))[0] == 0


async def test_a_cancelled_plan_ends_and_can_be_undone(project, tmp_path):
    name, module, client = project
    (tmp_path / "bad").touch()
    await outlive("plan", "start", name, "--input", "2", "--id", "c", "--app", module)
    handle = await client.plan(f"{name}/c")

    async def asks() -> bool:
        return bool(await handle.asked())

    await until(asks, "it asks")
    refused = await outlive("undo", f"{name}/c", "--app", module)
    cancelled = await outlive("plan", "cancel", f"{name}/c")

    async def is_over() -> bool:
        return (await handle.status()).is_closed

    await until(is_over, "it ended")
    undone = await outlive("undo", f"{name}/c", "--json", "--app", module)

    assert refused[0] != 0
    assert "outlive undo" in cancelled[1]
    assert json.loads(undone[1].splitlines()[-1])["undone"] == 1

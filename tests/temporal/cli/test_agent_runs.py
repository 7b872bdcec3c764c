"""`outlive init`, `run`, `say`, `decide` and `cancel`, as a user types them."""

import os
import signal
from asyncio.subprocess import PIPE

import pytest

from command_line import Errors, Folder, as_json, ended
from engines import until


async def test_from_an_empty_folder_init_and_run_are_all_that_it_takes(empty_folder: Folder):
    status, out, _ = await empty_folder.run("init")
    assert status == 0
    assert 'outlive run assistant "What time is it?"' in out
    assert "offline:extractive" in out
    assert len(empty_folder.lines("app.py")) <= 15

    status, first, err = await empty_folder.run("run", "assistant", "What time is it?", "--id", "now")
    assert status == 0, err
    assert first.startswith("current_time returned: 20")
    assert "· current_time() → 20" in err
    assert not empty_folder.home.is_owned()

    status, again, _ = await empty_folder.run("run", "assistant", "What time is it?", "--id", "now", "--json")
    assert status == 0
    assert as_json(again)["output"] == first.strip()
    assert as_json(again)["state"] == "completed"

    status, _, err = await empty_folder.run("run", "assistant", "What else?", "--id", "now")
    assert (status, err) == (
        2,
        "Error: The id 'agent/assistant/now' stands for another request. Take another id, or leave it out.\n",
    )


async def test_a_mistake_that_only_the_app_can_tell_ends_with_one_line_and_leaves_nothing_running(folder: Folder):
    (folder.path / "broken.py").write_text("1 / 0\n")
    mistakes = {
        ("run", "speaker", "Hi", "--app", "broken"): "broken.py, line 1: ZeroDivisionError: division by zero.",
        ("chat", "nobody"): "No agent 'nobody' is declared. Declared: looker, parker, speaker, streamer.",
    }

    for arguments, said in mistakes.items():
        status, out, err = await folder.run(*arguments)

        assert (status, out) == (2, ""), err
        assert said in err
        assert len(err.splitlines()) == 1, err
        assert not folder.home.is_owned()


async def test_up_without_arguments_serves_app_py_and_runs_follow_one_another(folder: Folder):
    async with folder.up():
        assert folder.home.recorded_app() == "app:app"

        status, out, err = await folder.run("run", "looker", "one two", "--id", "a", "--detach")
        assert (status, out) == (0, "agent/looker/a\n"), err
        assert "Follow it with `outlive run looker 'one two' --id a`" in err
        status, out, err = await folder.run("run", "looker", "one two", "--id", "a")
        assert (status, out) == (0, "ONE TWO\n")
        assert err.index('look(word="one") → saw one') < err.index('look(word="two") → saw two')
        assert "Completed: 3 model calls" in err

        folder.put("overloaded")
        status, out, err = await folder.run("run", "speaker", "hello")
        assert (status, out) == (0, "HELLO\n")
        assert "! The model call failed: " in err
        assert "overloaded" in err
        assert "; attempt 2 in 1 s" in err

        (folder.path / "other.py").write_text("from outlive import App\napp = App('other')\n")
        status, _, err = await folder.run("run", "speaker", "hello", "--app", "other:app")
        assert status == 2
        assert "The workers of this project serve app:app, not other:app." in err

    assert folder.lines("looked") == ["one", "two"]
    assert folder.lines("answers") == ["one two", "hello"]


@pytest.mark.embedded
async def test_a_run_that_waits_for_a_person_says_how_to_decide_and_goes_on(folder: Folder):
    async with folder.up("--workers", "1"):
        status, out, err = await folder.run("run", "parker", "door", "--id", "d")
        assert (status, out) == (3, "")
        assert "The run waits for a person: The tool 'turn_key' failed: ValueError: the lock is jammed" in err
        assert "outlive decide parker/d retry" in err

        status, out, _ = await folder.run("run", "parker", "door", "--id", "d", "--json")
        assert status == 3
        assert as_json(out)["state"] == "parked"
        assert as_json(out)["questions"][0]["choices"] == ["retry", "tell", "stop"]

        status, out, _ = await folder.run("doctor")
        assert status == 0
        assert "1 run waits for a person" in out
        assert "`outlive decide parker/d retry|tell|stop`" in out
        assert "1 alive, serving app:app" in out
        assert "parker: durable, model function:" in out

        folder.put("mended")
        assert (await folder.run("decide", "d", "retry"))[:2] == (0, "Decided: retry. It goes on.\n")
        assert (await folder.run("run", "parker", "door", "--id", "d"))[:2] == (0, "DOOR\n")
        status, _, err = await folder.run("decide", "d", "retry")
        assert status == 2
        assert "Run 'agent/parker/d' has ended" in err
        status, _, err = await folder.run("decide", "nothing", "retry")
        assert (status, err) == (
            2,
            "Error: There is no run 'nothing'. `outlive runs` lists those of this project.\n",
        )


async def test_a_run_is_steered_and_cancelled_from_another_terminal(folder: Folder):
    folder.put("hold")
    async with folder.up("--workers", "1"):
        following = await folder.begin("run", "looker", "one", "--id", "s")
        await until(lambda: folder.lines("begun") == ["one"], "the tool runs")
        status, out, err = await folder.run("say", "looker/s", "two", "--steer")
        assert (status, out) == (0, "Said to looker/s: turn 1.\n"), err
        folder.take("hold")
        status, out, err = await ended(following)
        assert (status, out) == (0, "TWO\n"), err

        folder.put("hold")
        following = await folder.begin("run", "looker", "three", "--id", "c", "--json")
        await until(lambda: folder.lines("begun")[-1:] == ["three"], "the tool runs")
        assert (await folder.run("cancel", "c"))[:2] == (0, "Ended: cancelled.\n")
        status, out, err = await ended(following)
        assert status == 1
        assert as_json(out)["state"] == "cancelled"
        assert "Error: Run 'agent/looker/c' was cancelled." in err
        status, _, err = await folder.run("cancel", "c")
        assert status == 2
        assert "is cancelled already" in err


async def test_interrupted_the_run_goes_on_with_the_same_command(folder: Folder):
    folder.put("hold")
    process = await folder.begin("run", "looker", "one two", "--id", "i")
    errors = Errors(process)
    await until(lambda: folder.lines("begun") == ["one"], "the tool runs")
    process.send_signal(signal.SIGINT)
    await errors.say("The run goes on with the next `outlive up`, or with `outlive run looker 'one two' --id i`.")
    status, out, _ = await ended(process)
    assert (status, out) == (130, "")
    assert not folder.home.is_owned()

    folder.take("hold")
    status, out, err = await folder.run("run", "looker", "one two", "--id", "i")
    assert (status, out) == (0, "ONE TWO\n"), err
    assert folder.lines("looked") == ["one", "two"]


async def test_interrupted_beside_up_the_run_goes_on_by_itself(folder: Folder):
    folder.put("hold")
    async with folder.up("--workers", "1"):
        process = await folder.begin("run", "looker", "one", "--id", "i")
        errors = Errors(process)
        await until(lambda: folder.lines("begun") == ["one"], "the tool runs")
        process.send_signal(signal.SIGINT)
        await errors.say("The run goes on. Look again with `outlive run looker one --id i`")
        assert (await ended(process))[0] == 130
        folder.take("hold")
        await until(lambda: folder.lines("looked") == ["one"], "the tool is through")


async def test_a_queue_that_no_worker_polls_is_named(folder: Folder):
    folder.put("hold")
    async with folder.up("--workers", "1") as up:
        process = await folder.begin("run", "looker", "one", "--id", "n")
        errors = Errors(process)
        await until(lambda: folder.lines("begun") == ["one"], "the tool runs")
        (folder.path / "app.py").rename(folder.path / "hidden.py")  # its workers, restarted, find no app
        for pid in folder.worker_pids():
            os.kill(pid, signal.SIGKILL)
        await errors.say("No worker polls the task queue 'outlive'. Start one with `outlive up`.")

        (folder.path / "hidden.py").rename(folder.path / "app.py")
        await errors.say("It goes on.")
        folder.take("hold")
        status, out, _ = await ended(process)
        assert (status, out) == (0, "ONE\n")
        assert up.returncode is None


async def test_code_that_fails_in_the_workflow_is_named_and_mended_the_run_goes_on(folder: Folder):
    whole = (folder.path / "app.py").read_text()
    hook = """
class Crooked(Durable):
    async def before_model_request(self, ctx, request_context):
        raise RuntimeError("a hook with a bug")


speaker = Agent(FunctionModel(answer), name="speaker", capabilities=[Crooked()])
"""
    begin, end = whole.split("speaker = Agent(")[0], whole.split("capabilities=[Durable()])", 1)[1]
    (folder.path / "app.py").write_text(begin + hook + end)
    async with folder.up("--workers", "1"):
        process = await folder.begin("run", "speaker", "hello", "--id", "b", stdin=PIPE)
        errors = Errors(process)
        await errors.say("The workflow's code fails again and again")
        assert "a hook with a bug" in errors.text

        (folder.path / "app.py").write_text(whole)
        status, out, _ = await ended(process)
        assert (status, out) == (0, "HELLO\n")
